"""A trained U-Net at work: films of any size in, lung masks of that size out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from rds_tf import config, store
from rds_tf.data import folds, prepare, preprocessing, radiograph
from rds_tf.lungs import frame, postprocess, unet

STEPS = ("none", "median", "median+rotate")
BATCH_SIZE = 16
UPRIGHT_MARGIN = 0.15  # of the lungs' longer side, left around them


@dataclass(frozen=True)
class Segmenter:
    """A U-Net with its manifest and the folder it came from."""

    model: object
    manifest: dict
    folder: Path


def load_segmenter(path: str | Path = config.SAVED_MODELS) -> Segmenter:
    """Load the one segmenter at `path`.

    Args:
        path: a model folder, or a folder that holds one segmenter.

    Raises:
        store.ModelError: if there is none or several, or it is damaged.
    """
    folders = store.find_models(path, "segmenter")
    if len(folders) > 1:
        names = ", ".join(folder.name for folder in folders)
        raise store.ModelError(
            f"{path}: holds several segmenters, name one of them: {names}."
        )
    model, manifest = store.load_model(folders[0], "segmenter", unet.build_unet)
    return Segmenter(model, manifest, folders[0])


def assign_unseen(
    table, path: str | Path = config.SAVED_MODELS
) -> Iterator[tuple[Segmenter, object]]:
    """Give each case to a segmenter that did not see it in training.

    Args:
        table: rows of a manifest.
        path: a segmenter's folder, or a folder of those of several folds.

    Yields:
        `(segmenter, rows)`; every row belongs to one segmenter at most.

    Raises:
        store.ModelError: if no row is left to any of them.
    """
    taken = np.zeros(len(table), bool)
    for folder in store.find_models(path, "segmenter"):
        tool = load_segmenter(folder)
        fresh = folds.find_unseen(table, tool.manifest["training"]["seen"]) & ~taken
        if fresh.any():
            yield tool, table[fresh]
        taken |= fresh
    if not taken.any():
        raise store.ModelError(
            f"{path}: of {len(table)} cases every one was seen in training."
        )


def predict(model, images: list[np.ndarray]) -> list[np.ndarray]:
    """Predict lung probabilities, one pass.

    Args:
        model: U-Net from `unet.build_unet`.
        images: float32 `(H, W)` in `[0, 1]`, of any sizes.

    Returns:
        float32 `(H, W)` in `[0, 1]`, each of its image's size.
    """
    size = model.input_shape[1]
    squares = [preprocessing.preprocess(image, size) for image in images]
    pairs = zip(_predict_squares(model, squares), images, strict=True)
    return [preprocessing.unletterbox(square, image.shape) for square, image in pairs]


def _predict_squares(model, squares: list[np.ndarray]) -> list[np.ndarray]:
    """Predict network inputs `(size, size)` in batches, `(size, size)` each."""
    probabilities = []
    for start in range(0, len(squares), BATCH_SIZE):
        batch = np.stack(squares[start : start + BATCH_SIZE])[..., None]
        probabilities.extend(model.predict_on_batch(batch)[..., 0])
    return probabilities


def predict_turned(model, images: list[np.ndarray]) -> list[np.ndarray]:
    """Average the predictions for four exact quarter turns (four passes).

    This is test-time rotation: each prediction is turned back before the mean.
    """
    total = [np.zeros(image.shape, "float32") for image in images]
    for quarter in range(4):
        turned = [np.ascontiguousarray(np.rot90(image, quarter)) for image in images]
        for index, probability in enumerate(predict(model, turned)):
            total[index] += np.rot90(probability, -quarter) / 4
    return total


def predict_upright(
    model, images: list[np.ndarray], first: list[np.ndarray]
) -> list[np.ndarray]:
    """Turn each infant upright by its first mask, segment again, turn back.

    The second pass sees the film cropped to the first mask with a margin, so that
    the lungs fill the network's square at any angle.

    Films and probabilities, of the first pass and returned, are all `(H, W)`."""
    windows = [
        frame.choose_frame(image, clean(probability), "combined", UPRIGHT_MARGIN)
        for image, probability in zip(images, first, strict=True)
    ]
    size = model.input_shape[1]
    squares = [w.cut(image, size) for w, image in zip(windows, images, strict=True)]
    second = _predict_squares(model, squares)
    return [w.put_back(square) for w, square in zip(windows, second, strict=True)]


def clean(probability: np.ndarray) -> np.ndarray:
    """Threshold, median-filter, keep two lungs without holes: the `median` step."""
    mask = (probability > 0.5).astype("uint8")
    return postprocess.keep_two_lungs(postprocess.median_filter(mask))


def segment(
    model, images: list[np.ndarray], steps: str = "median+rotate"
) -> list[np.ndarray]:
    """Segment the lungs of films of any size.

    Args:
        model: U-Net from `unet.build_unet`.
        images: float32 `(H, W)` in `[0, 1]`.
        steps: one of `STEPS`: the bare network, with `clean`, or with `clean` and
            rotation (the mean of four quarter turns, and then its mean with the
            upright pass: five passes).

    Returns:
        uint8 `(H, W)` masks of {0, 1}.

    Raises:
        ValueError: if `steps` is not one of `STEPS`.
    """
    return list(segment_steps(model, images, (steps,))[steps])


def segment_steps(
    model, images: list[np.ndarray], steps: tuple[str, ...] = STEPS
) -> dict[str, list[np.ndarray]]:
    """Segment once for each named step and share the passes between them."""
    if unknown := set(steps) - set(STEPS):
        raise ValueError(f"`steps` must be among {STEPS}. Received: {sorted(unknown)}")
    small = [_shrink(image, 2 * model.input_shape[1]) for image in images]
    masks = {}
    if {"none", "median"} & set(steps):
        plain = predict(model, small)
        masks["none"] = [(p > 0.5).astype("uint8") for p in plain]
        masks["median"] = [clean(p) for p in plain]
    if "median+rotate" in steps:
        turned = predict_turned(model, small)
        upright = predict_upright(model, small, turned)
        pairs = zip(turned, upright, strict=True)
        masks["median+rotate"] = [clean((a + b) / 2) for a, b in pairs]
    return {
        step: [_enlarge(m, i.shape) for m, i in zip(masks[step], images, strict=True)]
        for step in steps
    }


def _shrink(image: np.ndarray, longest_px: int) -> np.ndarray:
    """Reduce a film to a working size; smaller ones stay as they are."""
    scale = longest_px / max(image.shape)
    if scale >= 1:
        return image
    size = [max(1, round(side * scale)) for side in image.shape[::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _enlarge(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring a working mask back to the film's size."""
    if mask.shape == shape:
        return mask
    smooth = cv2.resize(mask.astype("float32"), shape[::-1])
    return (smooth > 0.5).astype("uint8")


def segment_folder(
    models: str | Path,
    prepared: str | Path,
    out: str | Path,
    steps: str = "median+rotate",
) -> int:
    """Write a mask PNG (0 and 255) for every film of a prepared folder.

    Args:
        models: a segmenter's folder, or a folder of those of several folds; then
            each film goes to one that did not see it in training.
        prepared: folder written by `prepare`.
        out: folder for the masks, whose number is returned.
        steps: one of `STEPS`.
    """
    prepared, out = Path(prepared), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    table = prepare.load_manifest(prepared)
    if len(store.find_models(models, "segmenter")) == 1:
        parts = [(load_segmenter(models), table)]
    else:
        parts = list(assign_unseen(table, models))
    for tool, rows in parts:
        for start in tqdm(range(0, len(rows), BATCH_SIZE), "lungs", disable=None):
            part = rows.iloc[start : start + BATCH_SIZE]
            images = [radiograph.read_radiograph(prepared / p) for p in part["image"]]
            masks = segment(tool.model, images, steps)
            for name, mask in zip(part["case_id"], masks, strict=True):
                radiograph.write_png(out / f"{name}.png", mask.astype("float32"))
    return sum(len(rows) for _, rows in parts)


def mask_warnings(mask: np.ndarray) -> list[str]:
    """Say what is implausible about a lung mask, one sentence a finding.

    Two lungs are expected, neither more than twice the other (LungAIR's rule), that
    together cover 3 to 60 % of the film.
    """
    areas = postprocess.lung_areas(mask)
    if not areas:
        return ["No lung was found."]
    warnings = []
    share = sum(areas) / mask.size
    if not 0.03 <= share <= 0.6:
        warnings.append(f"The lungs cover {share:.0%} of the film, expected 3 to 60 %.")
    if len(areas) == 1:
        warnings.append("Only one lung was found, or both run together.")
    elif areas[0] > 2 * areas[1]:
        warnings.append("One lung is more than twice as large as the other.")
    return warnings
