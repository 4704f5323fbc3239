"""The study's ablation: what each step of post-processing is worth, with intervals."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from rds_tf import config
from rds_tf.data import prepare
from rds_tf.dicom import radiograph
from rds_tf.lungs import quality_control, rotation, segmenter
from rds_tf.stats import metrics

SCORES = ("miou", "lung_iou", "dice")
COMPARED_WITH = {  # the simpler step over which a step has to gain something
    "median": "none",
    "median+turns": "median",
    "median+upright": "median",
    "median+rotate": "median",
}
BATCH_SIZE = 32  # images held at once; their forward passes run together


def evaluate(
    prepared: str | Path,
    models: str | Path = config.SAVED_MODELS,
    *,
    angles=(0,),
    heart: str | None = None,
) -> dict:
    """Score every step at every angle on annotated cases that no model saw.

    Args:
        prepared: folder written by `prepare`.
        models: a segmenter's folder, or a folder of those of several folds.
        angles: degrees by which image and truth are turned before segmentation.
        heart: one of `segmenter.HEARTS`, how the cohort outlines the lungs.

    Returns:
        dict, fit for JSON: `"num_cases"`; `"forward_passes"`, what each step costs;
        `"angles"`, angle to step to `"miou"`, `"lung_iou"` and `"dice"`, means over
        cases at the images' own resolution, each `{"value", "low", "high"}` with a
        95 % bootstrap interval by patient; a step of `COMPARED_WITH` has its
        `"miou_gain"` too, paired by case;
        `"worst"`, with several angles: for each step the angle of its lowest lung
        IoU, and the `"loss"` there against 0 degrees, or the first angle;
        `"quality_control"`, from `quality_control.judge_quality`, of `"median+rotate"`.

    Raises:
        model_store.ModelError: if the models saw every annotated case, or there is
            none.
    """
    table = prepare.load_manifest(prepared)
    tools = segmenter.load_segmenters(models, heart)
    parts = list(segmenter.assign_unseen(table[table["mask"] != ""], tools))
    patients = np.concatenate([rows["patient_id"] for _, rows in parts])
    scores, qualities = {}, []
    for angle in angles:
        scored = [
            score_cases(tool.model, prepared, rows, angle) for tool, rows in parts
        ]
        joined = {name: np.concatenate([s[name] for s in scored]) for name in scored[0]}
        qualities.append(joined.pop("quality"))
        scores[f"{angle:g}"] = joined
    result = {
        "num_cases": len(patients),
        "forward_passes": segmenter.STEPS,
        "angles": {angle: _summarize(at, patients) for angle, at in scores.items()},
    }
    if len(scores) > 1:
        result["worst"] = _find_worst(scores, patients)
    dice = np.concatenate([at["median+rotate"][:, 2] for at in scores.values()])
    quality = np.concatenate(qualities)
    result["quality_control"] = quality_control.judge_quality(dice, quality)
    return result


def _summarize(scores: dict[str, np.ndarray], patients: np.ndarray) -> dict:
    """Turn `(N, 3)` scores a step into means, gains and intervals."""
    summary = {}
    for step, values in scores.items():
        summary[step] = {
            name: metrics.bootstrap_interval(column, groups=patients)
            for name, column in zip(SCORES, values.T, strict=True)
        }
        simpler = COMPARED_WITH.get(step)
        if simpler in scores:
            # Paired, so that differences between cases do not widen the interval.
            gain = values[:, 0] - scores[simpler][:, 0]
            summary[step]["miou_gain"] = metrics.bootstrap_interval(gain, patients)
    return summary


def _find_worst(cases: dict[str, dict], patients: np.ndarray) -> dict:
    """Find for each step the angle of the lowest lung IoU, and what is lost there."""
    start = "0" if "0" in cases else next(iter(cases))
    worst = {}
    for step in cases[start]:
        ious = {angle: scores[step][:, 1] for angle, scores in cases.items()}
        angle = min(ious, key=lambda one: ious[one].mean())
        loss = ious[start] - ious[angle]
        worst[step] = {
            "angle": angle,
            "lung_iou": metrics.bootstrap_interval(ious[angle], patients),
            "loss": metrics.bootstrap_interval(loss, patients),
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

    Args:
        model: U-Net from `unet.build_unet` with one mask.
        prepared, table: folder written by `prepare`, and rows of outlined cases.
        angle_degrees: float, by which image and truth are turned before.
        steps: out of `segmenter.STEPS`.

    Returns:
        A step's name to `(N, 3)` values of `SCORES`, and `"quality"` to that of the
        masks of `"median+rotate"`, `(N,)` in `[0, 1]`, or to `(0,)` without it.
    """
    scores = {step: [] for step in [*steps, "quality"]}
    label = f"segmentation at {angle_degrees:g} degrees"
    with tqdm(total=len(table), desc=label, disable=None) as bar:
        for start in range(0, len(table), BATCH_SIZE):
            images, truths = [], []
            for row in table.iloc[start : start + BATCH_SIZE].itertuples():
                image, truth = read_case(prepared, row)
                images.append(rotation.rotate(image, angle_degrees, expand=True))
                # Turned as a float and cut again: the truth stays a mask.
                turned = rotation.rotate(truth, angle_degrees, expand=True)
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
    """Read the image and mask of one of `table.itertuples()`, `(H, W)`, full size."""
    image, mask = (Path(prepared) / name for name in (row.image, row.mask))
    return radiograph.read_image(image), radiograph.read_image(mask)
