"""The study's ladder: what each step of post-processing is worth, with intervals."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from rds_tf import config
from rds_tf.data import prepare
from rds_tf.dicom import radiograph
from rds_tf.lungs import postprocess, quality_control, segmenter
from rds_tf.stats import metrics

SCORES = ("miou", "lung_iou", "dice")
BELOW = {  # the rung that a step is compared with
    "median": "none",
    "median+turns": "median",
    "median+upright": "median",
    "median+rotate": "median",
}
CHUNK = 32


def evaluate(
    prepared: str | Path,
    models: str | Path = config.SAVED_MODELS,
    angles=(0,),
    steps=tuple(segmenter.STEPS),
    heart: str | None = None,
) -> dict:
    """Score every step at every angle on annotated cases that no model saw.

    Args:
        prepared: folder written by `prepare`.
        models: a segmenter's folder, or a folder of those of several folds; each
            case is scored by one that did not see it in training.
        angles: degrees by which film and truth are turned before segmentation.
        steps: out of `segmenter.STEPS`.
        heart: one of `segmenter.HEARTS`, how the cohort outlines the lungs.

    Returns:
        `{"num_cases": N, "angles": {"0": {"none": {"miou": {"value", "low",
        "high"}, "lung_iou": .., "dice": ..}, ..}}}`: means over cases at the films'
        own resolution, 95 % bootstrap intervals by patient; `"passes"` is what each
        step costs. A step above the first
        has its `"miou_gain"` over the rung below, paired by case. With several
        angles, `"worst"` says for each step at which angle its lung IoU is lowest,
        and the `"loss"` there against 0 degrees, or the first angle. With
        `"median+rotate"`, `"gate"` holds what
        `quality_control.judge_quality` says of all its masks.

    Raises:
        model_store.ModelError: if the models saw every annotated case, or there is
            none.
    """
    table = prepare.load_manifest(prepared)
    parts = list(segmenter.assign_unseen(table[table["mask"] != ""], models, heart))
    patients = np.concatenate([rows["patient_id"] for _, rows in parts])
    cases, qualities = {}, {}
    for angle in angles:
        scored = [
            score_cases(tool.model, prepared, rows, angle, steps)
            for tool, rows in parts
        ]
        cases[f"{angle:g}"] = {
            step: np.concatenate([one[step] for one in scored]) for step in steps
        }
        qualities[f"{angle:g}"] = np.concatenate([one["quality"] for one in scored])
    result = {
        "num_cases": len(patients),
        "passes": {step: segmenter.STEPS[step] for step in steps},
        "angles": {
            angle: _summarize(scores, patients) for angle, scores in cases.items()
        },
    }
    if len(cases) > 1:
        result["worst"] = _find_worst(cases, patients)
    if "median+rotate" in steps:
        dice = np.concatenate([one["median+rotate"][:, 2] for one in cases.values()])
        result["gate"] = quality_control.judge_quality(
            dice, np.concatenate([*qualities.values()])
        )
    return result


def _summarize(scores: dict[str, np.ndarray], patients: np.ndarray) -> dict:
    """Turn `(N, 3)` scores a step into means, gains and intervals."""
    summary = {}
    for step, values in scores.items():
        summary[step] = {
            name: metrics.bootstrap_interval(column, groups=patients)
            for name, column in zip(SCORES, values.T, strict=True)
        }
        if BELOW.get(step) in scores:
            gain = values[:, 0] - scores[BELOW[step]][:, 0]
            summary[step]["miou_gain"] = metrics.bootstrap_interval(
                gain, groups=patients
            )
    return summary


def _find_worst(cases: dict[str, dict], patients: np.ndarray) -> dict:
    """Find for each step the angle of the lowest lung IoU, and what is lost there."""
    start = "0" if "0" in cases else next(iter(cases))
    worst = {}
    for step in cases[start]:
        ious = {angle: scores[step][:, 1] for angle, scores in cases.items()}
        angle = min(ious, key=lambda one: ious[one].mean())
        worst[step] = {
            "angle": angle,
            "lung_iou": metrics.bootstrap_interval(ious[angle], groups=patients),
            "loss": metrics.bootstrap_interval(
                ious[start] - ious[angle], groups=patients
            ),
        }
    return worst


def score_cases(
    model,
    prepared: str | Path,
    table,
    angle_degrees: float = 0.0,
    steps: tuple[str, ...] = tuple(segmenter.STEPS),
) -> dict[str, np.ndarray]:
    """Score single cases.

    Returns:
        A step's name to `(N, 3)` values of `SCORES`, and with `"median+rotate"` also
        `"quality"`, `(N,)` in `[0, 1]`.
    """
    scores = {step: [] for step in [*steps, "quality"]}
    label = f"segmentation at {angle_degrees:g} degrees"
    with tqdm(total=len(table), desc=label, disable=None) as bar:
        for start in range(0, len(table), CHUNK):
            images, truths = [], []
            for row in table.iloc[start : start + CHUNK].itertuples():
                image, truth = read_case(prepared, row)
                images.append(postprocess.rotate(image, angle_degrees, expand=True))
                turned = postprocess.rotate(truth, angle_degrees, expand=True)
                truths.append((turned > 0.5).astype("uint8"))
            found = segmenter.segment_steps(model, images, steps)
            for step in steps:
                for truth, one in zip(truths, found[step], strict=True):
                    case = metrics.segmentation_scores(truth, one.mask)
                    scores[step].append([case[name] for name in SCORES])
            if "median+rotate" in steps:
                scores["quality"] += [one.quality for one in found["median+rotate"]]
            bar.update(len(images))
    return {step: np.array(values) for step, values in scores.items()}


def read_case(prepared: str | Path, row) -> tuple[np.ndarray, np.ndarray]:
    """Read the film and mask of one of `table.itertuples()`, `(H, W)`, full size."""
    prepared = Path(prepared)
    image = radiograph.read_image(prepared / row.image)
    return image, radiograph.read_image(prepared / row.mask)
