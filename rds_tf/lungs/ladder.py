"""The study's ladder: baseline, median, median and rotate, each with an interval."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from rds_tf import config, metrics
from rds_tf.data import prepare, radiograph
from rds_tf.lungs import postprocess, segmenter

SCORES = ("miou", "lung_iou", "dice")
CHUNK = 32


def evaluate(
    prepared: str | Path,
    models: str | Path = config.SAVED_MODELS,
    angles=(0,),
    steps=segmenter.STEPS,
) -> dict:
    """Score every step at every angle on annotated cases that no model saw.

    Args:
        prepared: folder written by `prepare`.
        models: a segmenter's folder, or a folder of those of several folds; each
            case is scored by one that did not see it in training.
        angles: degrees by which film and truth are turned before segmentation.
        steps: out of `segmenter.STEPS`.

    Returns:
        `{"num_cases": N, "angles": {"0": {"none": {"miou": {"value", "low",
        "high"}, "lung_iou": .., "dice": ..}, ..}}}`: means over cases at the films'
        own resolution, 95 % bootstrap intervals by patient.

    Raises:
        store.ModelError: if the models saw every annotated case, or there is none.
    """
    table = prepare.load_manifest(prepared)
    parts = list(segmenter.assign_unseen(table[table["mask"] != ""], models))
    patients = np.concatenate([rows["patient_id"] for _, rows in parts])
    results = {}
    for angle in angles:
        scores = [
            score_cases(tool.model, prepared, rows, angle, steps)
            for tool, rows in parts
        ]
        results[f"{angle:g}"] = {
            step: _summarize(np.concatenate([one[step] for one in scores]), patients)
            for step in steps
        }
    return {"num_cases": len(patients), "angles": results}


def _summarize(values: np.ndarray, patients: np.ndarray) -> dict:
    return {
        name: metrics.bootstrap_interval(column, groups=patients)
        for name, column in zip(SCORES, values.T, strict=True)
    }


def score_cases(
    model,
    prepared: str | Path,
    table,
    angle_degrees: float = 0.0,
    steps: tuple[str, ...] = segmenter.STEPS,
) -> dict[str, np.ndarray]:
    """Score single cases: a step's name to `(N, 3)` values of `SCORES`."""
    scores = {step: [] for step in steps}
    label = f"segmentation at {angle_degrees:g} degrees"
    with tqdm(total=len(table), desc=label, disable=None) as bar:
        for start in range(0, len(table), CHUNK):
            images, truths = [], []
            for row in table.iloc[start : start + CHUNK].itertuples():
                image, truth = read_case(prepared, row)
                images.append(postprocess.rotate(image, angle_degrees, expand=True))
                turned = postprocess.rotate(truth, angle_degrees, expand=True)
                truths.append((turned > 0.5).astype("uint8"))
            masks = segmenter.segment_steps(model, images, tuple(steps))
            for step in steps:
                for truth, mask in zip(truths, masks[step], strict=True):
                    case = metrics.segmentation_scores(truth, mask)
                    scores[step].append([case[name] for name in SCORES])
            bar.update(len(images))
    return {step: np.array(values) for step, values in scores.items()}


def read_case(prepared: str | Path, row) -> tuple[np.ndarray, np.ndarray]:
    """Read the film and mask of one of `table.itertuples()`, `(H, W)`, full size."""
    prepared = Path(prepared)
    image = radiograph.read_radiograph(prepared / row.image)
    return image, radiograph.read_radiograph(prepared / row.mask)
