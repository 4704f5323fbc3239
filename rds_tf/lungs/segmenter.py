"""A trained U-Net at work: films of any size in, lung masks of that size out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from rds_tf import config, errors
from rds_tf.data import folds, prepare, preprocessing
from rds_tf.dicom import radiograph
from rds_tf.lungs import prediction, quality_control, unet
from rds_tf.storage import disk, model_store

STEPS = {  # a step of the ablation and its cost in forward passes
    "none": 1,
    "median": 1,
    "median+turns": 4,
    "median+upright": 3,
    "median+rotate": 6,
}
UPRIGHT_AFTER = {"median+upright": "median", "median+rotate": "median+turns"}
BATCH_SIZE = 32  # films held at once; their forward passes run together
HEARTS = ("in", "out")  # does the lung behind the heart count as lung?


@dataclass(frozen=True)
class Segmenter:
    """A U-Net of one mask with its manifest and the folder it came from."""

    model: object
    manifest: dict
    folder: Path
    heart: str = "in"

    def describe(self) -> dict:
        """Return what a classifier records of the segmenter that found its lungs."""
        sha256 = self.manifest["weights"]["sha256"]
        return {"name": self.folder.name, "sha256": sha256, "heart": self.heart}


@dataclass(frozen=True)
class Segmentation:
    """The lungs of one film and how far they can be trusted.

    Attributes:
        mask: `(H, W)` uint8 of {0, 1}.
        quality: float in `[0, 1]` from `quality_control.mask_quality`.
    """

    mask: np.ndarray
    quality: float


def load_segmenter(
    path: str | Path = config.SAVED_MODELS, heart: str | None = None
) -> Segmenter:
    """Load the one segmenter at `path`, which must not hold several.

    Args, Raises: as in `load_segmenters`.
    """
    folders = model_store.find_models(path, "segmenter")
    if len(folders) > 1:
        names = ", ".join(folder.name for folder in folders)
        raise model_store.ModelError(
            f"{path}: holds several segmenters, name one of them: {names}."
        )
    (found,) = load_segmenters(folders[0], heart)
    return found


def load_segmenters(
    path: str | Path = config.SAVED_MODELS, heart: str | None = None
) -> list[Segmenter]:
    """Load every segmenter at `path`, such as those of several folds.

    Args:
        path: a model folder, or a folder of model folders.
        heart: one of `HEARTS`: `"in"` counts the lung behind the heart as lung,
            `"out"` does not; None takes the first that a segmenter knows.

    Raises:
        model_store.ModelError: if there is none, or one is damaged or was not trained
            for that `heart`.
    """
    found = []
    for folder in model_store.find_models(path, "segmenter"):
        model, manifest = model_store.load_model(folder, "segmenter", unet.build_unet)
        preprocessing.check_manifest(manifest, folder)
        known = manifest.get("hearts", ["in"])
        chosen = heart or known[0]
        if chosen not in known:
            raise model_store.ModelError(
                f"{folder}: draws the lungs with heart {' or '.join(known)}, "
                f"not {chosen}."
            )
        if len(known) > 1:
            model = unet.choose_mask(model, known.index(chosen))
        found.append(Segmenter(model, manifest, folder, chosen))
    return found


def list_hashes(path: str | Path) -> list[str]:
    """List the SHA-256 of the weights of the segmenters at `path`, sorted."""
    folders = model_store.find_models(path, "segmenter")
    manifests = map(model_store.read_manifest, folders)
    return sorted(manifest["weights"]["sha256"] for manifest in manifests)


@dataclass(frozen=True)
class MeanNetwork:
    """Several networks of one image size, whose probability is the mean of theirs."""

    networks: tuple

    @property
    def input_shape(self) -> tuple:
        """Shape of a batch."""
        return self.networks[0].input_shape

    def predict_on_batch(self, batch: np.ndarray) -> np.ndarray:
        """Return probabilities `(B, S, S, 1)`."""
        return np.mean([one.predict_on_batch(batch) for one in self.networks], axis=0)


def join_networks(segmenters: list[Segmenter]):
    """Return one network for several segmenters, see `MeanNetwork`.

    Raises:
        model_store.ModelError: if their images differ in size.
    """
    if len(segmenters) == 1:
        return segmenters[0].model
    if len({one.model.input_shape for one in segmenters}) > 1:
        names = ", ".join(one.folder.name for one in segmenters)
        raise model_store.ModelError(f"{names}: are of different image sizes.")
    return MeanNetwork(tuple(one.model for one in segmenters))


def assign_unseen(
    table, segmenters: list[Segmenter]
) -> Iterator[tuple[Segmenter, object]]:
    """Give each case to the first segmenter that did not see its patient in training.

    Yields:
        `(segmenter, rows)`; every row of the manifest `table` belongs to one segmenter
        at most.

    Raises:
        model_store.ModelError: no row is left to any of them.
    """
    taken = np.zeros(len(table), bool)
    for tool in segmenters:
        unseen = folds.find_unseen(table, tool.manifest["training"]["seen"]) & ~taken
        if unseen.any():
            yield tool, table[unseen]
        taken |= unseen
    if not taken.any():
        names = ", ".join(str(tool.folder) for tool in segmenters)
        raise model_store.ModelError(
            f"{names}: of {len(table)} cases every one was seen in training."
        )


def segment(
    model, images: list[np.ndarray], steps: str = "median+rotate"
) -> list[np.ndarray]:
    """Segment the lungs of films of any size: uint8 `(H, W)` masks of {0, 1}.

    Args, Raises: as in `segment_steps`, with one of `STEPS`.
    """
    return [found.mask for found in segment_steps(model, images, (steps,))[steps]]


def segment_steps(
    model, images: list[np.ndarray], steps: Iterable[str] = tuple(STEPS)
) -> dict[str, list[Segmentation]]:
    """Segment once for each named step and share the forward passes between them.

    Args:
        model: U-Net from `unet.build_unet` with one mask.
        images: float32 `(H, W)` in `[0, 1]`.
        steps: out of `STEPS`: `"none"`, the bare network; `"median"`, with
            `prediction.clean`; `"median+turns"`, the mean of four quarter turns,
            cleaned; `"median+upright"`, two upright passes after `"median"`, cleaned;
            `"median+rotate"`, two upright passes after `"median+turns"`, cleaned.

    Returns:
        A step to one `Segmentation` a film.

    Raises:
        ValueError: if a step is not one of `STEPS`.
    """
    steps = tuple(steps)
    if unknown := set(steps) - set(STEPS):
        raise errors.InputError(
            f"`steps` must be among {tuple(STEPS)}. Received: {sorted(unknown)}"
        )
    small = [_shrink(image, 2 * model.input_shape[1]) for image in images]
    probabilities = _predict_steps(model, small, steps)
    found = {}
    for step in steps:
        found[step] = []
        for image, maps in zip(images, probabilities[step], strict=True):
            mean = (maps[-2:] if step in UPRIGHT_AFTER else maps).mean(0)
            mask = mean > 0.5 if step == "none" else prediction.clean(mean)
            quality = quality_control.mask_quality(mask, maps)
            mask = _enlarge(mask.astype("uint8"), mean, image.shape)
            found[step].append(Segmentation(mask, quality))
    return found


def _predict_steps(model, images: list[np.ndarray], steps) -> dict[str, list]:
    """Return each step's probabilities `(P, H, W)` a film, one a forward pass."""
    found = {}
    if {"median+turns", "median+rotate"} & set(steps):
        found["median+turns"] = prediction.predict_turned(model, images)
        found["none"] = [four[:1] for four in found["median+turns"]]
    else:
        found["none"] = [one[None] for one in prediction.predict(model, images)]
    found["median"] = found["none"]
    for step, before in UPRIGHT_AFTER.items():
        if step in steps:
            masks = [prediction.clean(maps.mean(0)) for maps in found[before]]
            upright = prediction.predict_upright(model, images, masks)
            pairs = zip(found[before], upright, strict=True)
            found[step] = [np.concatenate(pair) for pair in pairs]
    return found


def _shrink(image: np.ndarray, longest_px: int) -> np.ndarray:
    """Reduce a film to a working size; smaller ones stay as they are."""
    scale = longest_px / max(image.shape)
    if scale >= 1:
        return image
    size = [max(1, round(side * scale)) for side in image.shape[::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _enlarge(mask: np.ndarray, probability: np.ndarray, shape) -> np.ndarray:
    """Bring a working mask back to the film's size.

    Where cleaning changed nothing the border lies where the probability passes 0.5,
    between the working pixels and not along them.
    """
    if mask.shape == shape:
        return mask
    kept = mask == (probability > 0.5)
    soft = np.where(kept, probability, mask).astype("float32")
    return (cv2.resize(soft, shape[::-1]) > 0.5).astype("uint8")


def segment_rows(
    tool: Segmenter, prepared: str | Path, table, steps: str
) -> Iterator[tuple[str, Segmentation]]:
    """Yield the case ID and the lungs of every row of the manifest of `prepared`."""
    for start in tqdm(range(0, len(table), BATCH_SIZE), "lungs", disable=None):
        rows = table.iloc[start : start + BATCH_SIZE]
        images = [radiograph.read_image(Path(prepared) / p) for p in rows["image"]]
        found = segment_steps(tool.model, images, (steps,))[steps]
        yield from zip(rows["case_id"], found, strict=True)


def segment_folder(
    models: str | Path,
    prepared: str | Path,
    out: str | Path,
    steps: str = "median+rotate",
    heart: str | None = None,
) -> int:
    """Write a mask PNG (0 and 255) for every film of a prepared folder.

    Args:
        models: a segmenter's folder, or a folder of those of several folds; then
            each film goes to one that did not see it in training.
        prepared: folder written by `prepare`.
        out: folder for the masks, whose number is returned.
        steps: one of `STEPS`.
        heart: one of `HEARTS`, as in `load_segmenter`.
    """
    prepared, out = Path(prepared), Path(out)
    table = prepare.load_manifest(prepared)
    tools = load_segmenters(models, heart)
    if len(tools) == 1:
        parts = [(tools[0], table)]
        seen = tools[0].manifest["training"]["seen"]
        if num_seen := int((~folds.find_unseen(table, seen)).sum()):
            seen = f"{num_seen} of {len(table)} films are of patients seen in training"
            print(f"{seen}: their masks are better than those of new films would be.")
    else:
        parts = list(assign_unseen(table, tools))
        if left := len(table) - sum(len(rows) for _, rows in parts):
            print(f"{left} films get no mask: every one of these models saw them.")
    with disk.claim(out):
        for tool, rows in parts:
            for name, found in segment_rows(tool, prepared, rows, steps):
                radiograph.write_png(out / f"{name}.png", found.mask.astype("float32"))
    return sum(len(rows) for _, rows in parts)
