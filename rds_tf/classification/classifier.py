"""A trained EfficientNet at work: films and lung masks in, probabilities out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rds_tf import config
from rds_tf.classification import efficientnet, grades
from rds_tf.data import annotation, folds, prepare, preprocessing
from rds_tf.dicom import radiograph
from rds_tf.lungs import cropping, segmenter
from rds_tf.stats import metrics
from rds_tf.storage import model_store

CHUNK = 32
STEPS = "median+rotate"  # how the lungs of a cohort are found
SOLVER = "newton-cholesky"  # lbfgs of scikit-learn 1.6 makes SciPy 1.18 warn


@dataclass(frozen=True)
class Classifier:
    """An EfficientNet (or a `stateless.StatelessModel`), its manifest and folder."""

    model: object
    manifest: dict
    folder: Path

    @property
    def arm(self) -> str:
        """Name of its arm in a comparison, such as `"B0 combined"`."""
        return f"{self.manifest['architecture']['backbone']} {self.manifest['input']}"


def load_classifiers(
    path: str | Path = config.SAVED_MODELS, build=None, fill=None
) -> list[Classifier]:
    """Load every classifier at `path`.

    Args:
        path: a model folder, or a folder of model folders.
        build: from `efficientnet.make_builder`, to share it between calls.
        fill: as in `model_store.load_model`.

    Raises:
        model_store.ModelError: there is none, or one is damaged.
    """
    found, build = [], build or efficientnet.make_builder()
    for folder in model_store.find_models(path, "classifier"):
        model, manifest = model_store.load_model(folder, "classifier", build, fill)
        preprocessing.check_manifest(manifest, folder)
        grades.check_manifest(manifest, folder)
        found.append(Classifier(model, manifest, folder))
    return found


def list_recorded(manifests: list[dict]) -> list[dict]:
    """List once what `Segmenter.describe` says of each that classifiers record."""
    recorded = [one for manifest in manifests for one in manifest.get("segmenters", [])]
    return list({(one["sha256"], one["heart"]): one for one in recorded}.values())


def load_segmenters(
    models: list[Classifier],
    path: str | Path = config.SAVED_MODELS,
    segmenters: str | Path | None = None,
) -> list[segmenter.Segmenter]:
    """Load the segmenters that the classifiers were trained with, and no others.

    They are known by the SHA-256 of their weights, and looked for at `path`, then
    among the shipped models. For whole films, and for a classifier of an older version
    without a record, it is the segmenter at `path`, or else the shipped one.

    Args:
        models: classifiers that are used together.
        path: where they lie.
        segmenters: folder to look into instead; where it holds some of those recorded,
            these alone are taken. Only whole films leave a free choice.

    Raises:
        model_store.ModelError: a recorded segmenter is not there, `segmenters` holds
            none of them, or the classifiers learnt from two conventions of lungs.
    """
    recorded = list_recorded([one.manifest for one in models])
    places = [segmenters] if segmenters else [path, config.SAVED_MODELS]
    place = segmenters or model_store.choose_models(path, "segmenter")
    for one in models:
        if "segmenters" not in one.manifest and one.manifest["input"] != "whole":
            print(
                f"{one.folder} does not say which segmenter it was trained with (an "
                f"older version wrote it); {'those recorded' if recorded else place} "
                "will find the lungs."
            )
    if not recorded:
        return segmenter.load_segmenters(place)
    found = {}
    for place in places:
        for folder in model_store.list_models(place, "segmenter"):
            sha256 = model_store.read_manifest(folder)["weights"]["sha256"]
            found.setdefault(sha256, folder)
    known = [one for one in recorded if one["sha256"] in found]
    if not known or (not segmenters and len(known) < len(recorded)):
        raise model_store.ModelError(_tell_mismatch(models, recorded, found, places))
    hearts = {one["heart"] for one in known}
    if len(hearts) > 1:
        raise model_store.ModelError(
            f"{path}: some of its classifiers were trained on lungs with the part "
            "behind the heart, some without; name a folder of one kind."
        )
    return [
        tool
        for one in known
        for tool in segmenter.load_segmenters(found[one["sha256"]], one["heart"])
    ]


def _tell_mismatch(models, recorded: list[dict], found: dict, places: list) -> str:
    """Say which segmenter is missing, and which were found in its place."""
    missing = [one for one in recorded if one["sha256"] not in found]
    needing = next(one for one in models if missing[0] in list_recorded([one.manifest]))
    wanted = ", ".join(f"{one['name']} ({one['sha256'][:8]})" for one in missing)
    others = [f"{folder} ({sha256[:8]})" for sha256, folder in found.items()]
    return (
        f"{needing.folder}: was trained with the lungs of {wanted}, and "
        f"{' and '.join(map(str, places))} hold "
        f"{', '.join(others) or 'no segmenter'}; name the folder that holds "
        "the former with --segmenter (`segmenters=`), or train the classifier again."
    )


def predict_masks(
    prepared: str | Path, table, segmenters: list[segmenter.Segmenter] | None = None
) -> list[np.ndarray]:
    """Find the masks alone, uint8 `(H, W)`; all else is as in `find_lungs`."""
    return [found.mask for found in find_lungs(prepared, table, segmenters)]


def find_lungs(
    prepared: str | Path, table, segmenters: list[segmenter.Segmenter] | None = None
) -> list[segmenter.Segmentation]:
    """Segment every film by a segmenter that did not see it in training.

    Args:
        prepared: folder written by `prepare`.
        table: rows of its manifest; each gets one `Segmentation`.
        segmenters: from `load_segmenters`, default the shipped one.

    Raises:
        model_store.ModelError: every segmenter saw some case in training.
    """
    segmenters = segmenters or segmenter.load_segmenters()
    lungs: dict[str, segmenter.Segmentation] = {}
    for tool, rows in segmenter.assign_unseen(table, segmenters):
        lungs.update(segmenter.segment_rows(tool, prepared, rows, STEPS))
    missing = set(table["case_id"]) - lungs.keys()
    if missing:
        names = ", ".join(str(tool.folder) for tool in segmenters)
        raise model_store.ModelError(
            f"{names}: {len(missing)} cases, such as {min(missing)}, were in the "
            "training data of every segmenter there; train one a fold."
        )
    return [lungs[case_id] for case_id in table["case_id"]]


def read_case(prepared: str | Path, row) -> np.ndarray:
    """Read a prepared film, float32 `(H, W)` in `[0, 1]`."""
    return radiograph.read_image(Path(prepared) / row.image)


def load_crops(prepared: str | Path, table, name: str, size: int, masks=None):
    """Read every film through its frame: uint8 `(N, size, size, 1)`.

    Args:
        prepared, table: as in `find_lungs`.
        name: one of `cropping.INPUTS`.
        size: int, side in pixels.
        masks: lungs of every row; needed for all but `"whole"`.
    """
    windows = np.zeros((len(table), size, size, 1), "uint8")
    masks = masks or [None] * len(table)
    for index, (row, mask) in enumerate(zip(table.itertuples(), masks, strict=True)):
        _, square = cropping.cut_input(read_case(prepared, row), mask, name, size)
        windows[index, ..., 0] = np.round(255 * square)
    return windows


def predict_logits(model, windows: np.ndarray) -> np.ndarray:
    """Return logits `(N,)` of uint8 or float windows `(N, S, S, 1)`."""
    if windows.dtype == np.uint8:
        windows = windows.astype("float32") / 255
    probabilities = [
        model.predict_on_batch(windows[start : start + CHUNK])[:, 0]
        for start in range(0, len(windows), CHUNK)
    ]
    clipped = np.clip(np.concatenate(probabilities).astype("float64"), 1e-7, 1 - 1e-7)
    return np.log(clipped / (1 - clipped))


def predict_arms(
    prepared: str | Path, table, models: list[Classifier], masks=None
) -> dict[str, np.ndarray]:
    """Predict each case by the models of an arm that did not see it.

    Args:
        prepared, table, masks: as in `load_crops`.
        models: classifiers; those of one arm are averaged in logit units.

    Returns:
        Name of each arm to probabilities `(N,)`, NaN where every model of the arm
        saw the case.
    """
    totals = {one.arm: np.zeros(len(table)) for one in models}
    counts = {one.arm: np.zeros(len(table)) for one in models}
    for one in models:
        fresh = folds.find_unseen(table, one.manifest["training"]["seen"])
        if not fresh.any():
            continue
        chosen = masks and [m for m, new in zip(masks, fresh, strict=True) if new]
        name, size = one.manifest["input"], one.manifest["architecture"]["image_size"]
        windows = load_crops(prepared, table[fresh], name, size, chosen)
        totals[one.arm][fresh] += predict_logits(one.model, windows)
        counts[one.arm][fresh] += 1
    found = {}
    for arm, total in totals.items():
        probabilities = 1 / (1 + np.exp(-total / np.maximum(counts[arm], 1)))
        found[arm] = np.where(counts[arm] > 0, probabilities, np.nan)
    return found


def predict_baseline(table, feature: np.ndarray) -> np.ndarray:
    """Predict RDS out of fold from one number a case, by logistic regression.

    Args:
        table: a whole manifest.
        feature: `(N,)`, such as the film's height-to-width ratio.

    Returns:
        Probabilities `(N,)`.
    """
    labels, fold = table["rds"].to_numpy(), table["fold"].to_numpy()
    values = np.asarray(feature, "float64").reshape(-1, 1)
    probabilities = np.full(len(table), labels.mean())
    for held_out in np.unique(fold):
        train, test = fold != held_out, fold == held_out
        if len(np.unique(labels[train])) == 2:
            line = make_pipeline(StandardScaler(), LogisticRegression(solver=SOLVER))
            line.fit(values[train], labels[train])
            probabilities[test] = line.predict_proba(values[test])[:, 1]
    return probabilities


def predict_baselines(
    prepared: str | Path, table, regions: str | Path | None = None
) -> dict[str, np.ndarray]:
    """Predict out of fold from the film's shape, its mean intensity, and its tube.

    Args:
        prepared, table: as in `find_lungs`, of all cases.
        regions: folder of drawn tubes as of `annotation.read_region`, or None for no
            baseline from the tube.

    Returns:
        Name of each baseline to probabilities `(N,)`.
    """
    features = {"height to width": table["height"] / table["width"]}
    features["mean intensity"], tubes = [], []
    for row in table.itertuples():
        film = read_case(prepared, row)
        features["mean intensity"].append(film.mean())
        if regions is not None:
            tube = annotation.read_region(regions, row.case_id, film.shape)
            tubes.append(tube.any())
    if tubes:
        features["tube present"] = tubes
    return {
        f"baseline: {name}": predict_baseline(table, feature)
        for name, feature in features.items()
    }


def evaluate(
    prepared: str | Path,
    models: list[Classifier],
    segmenters: list[segmenter.Segmenter] | None = None,
) -> dict:
    """Score every arm beside the baselines, on cases that no model saw.

    Args: as in `find_lungs`, with models from `load_classifiers`.

    Returns:
        `{"num_cases": N, "arms": {name: {"accuracy": {"value", "low", "high"},
        "precision": .., "recall": .., "specificity": .., "f1": .., "auroc": ..,
        "confusion": [[TN, FP], [FN, TP]], "start": "phantom"}}}`, over the cases
        that every arm can judge.

    Raises:
        model_store.ModelError: the models saw every case.
    """
    table = prepare.load_manifest(prepared)
    fresh = find_judged(table, models)
    if not fresh.any():
        raise model_store.ModelError(
            f"{prepared}: the models saw every case in training."
        )
    baselines = predict_baselines(prepared, table)
    arms = {arm: values[fresh] for arm, values in baselines.items()}
    table, masks = table[fresh], None
    if any(one.manifest["input"] != "whole" for one in models):
        masks = predict_masks(prepared, table, segmenters)
    arms |= predict_arms(prepared, table, models, masks)
    labels, patients = table["rds"].to_numpy(), table["patient_id"].to_numpy()
    scores = {
        arm: metrics.diagnosis_scores(labels, probabilities, groups=patients)
        for arm, probabilities in arms.items()
    }
    for one in models:
        scores[one.arm]["start"] = one.manifest["training"]["start"]
    return {"num_cases": len(table), "arms": scores}


def find_judged(table, models: list[Classifier]) -> np.ndarray:
    """Say for each row whether every arm has a model that did not see it."""
    judged = {one.arm: np.zeros(len(table), bool) for one in models}
    for one in models:
        judged[one.arm] |= folds.find_unseen(table, one.manifest["training"]["seen"])
    return np.logical_and.reduce(list(judged.values()))
