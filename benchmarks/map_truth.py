"""Are the shipped classifier's heat maps true?

    python benchmarks/map_truth.py [--cases 60] [--seed 900] [--json FILE]

On phantoms that no model saw, Grad-CAM is judged beside maps drawn without the model
(`baseline_maps`) by insertion, deletion and ROAD, over patients with 95 % intervals:

- films with RDS that are called so, against the blurred film as in RISE;
- the same films against the same phantoms without the disease:
  a blurred film looks like ground glass, so blur takes no evidence of RDS away;
- films without RDS that are called so, map and logit of the class "no RDS".

Then: how alike a map stays when the weights are shuffled from the logit down, which
proportion of its heat lies where, and how often it points into the lungs (where the
RDS of a phantom is). Results on phantoms prove code, not medicine.
"""

import argparse
import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import baseline_maps
import map_faithfulness
import numpy as np  # noqa: E402
from scipy import ndimage  # noqa: E402

from rds_phantoms import dataset  # noqa: E402
from rds_tf.classification import classifier
from rds_tf.data import prepare  # noqa: E402
from rds_tf.explanation import grad_cam
from rds_tf.lungs import cropping  # noqa: E402

MIDDLE = "block5c_add"  # B0's last layer of 8 x 8 cells at 128 px; the last has 4 x 4
PROPORTIONS = {"logit": 0.001, "a quarter": 0.25, "half": 0.5, "all": 1.0}
SEEDS = (0, 1)
TOLERANCE_PX = 5


@dataclass(frozen=True)
class Films:
    """What the classifier sees of N films, and the truth about them.

    Attributes:
        images: float32 `(N, S, S, 1)`.
        healthy: float32 `(N, S, S)`, the same phantoms without RDS, cut out alike.
        labels: `(N,)` of 0 and 1.
        patients: `(N,)`.
        regions: for each film its `"lungs"` and `"tube"`, masks `(S, S)`.
    """

    images: np.ndarray
    healthy: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    regions: list[dict[str, np.ndarray]]

    def pick(self, chosen: np.ndarray) -> "Films":
        """Return the films that are chosen, bool `(N,)`."""
        regions = [self.regions[index] for index in np.flatnonzero(chosen)]
        parts = (self.images, self.healthy, self.labels, self.patients)
        return Films(*(part[chosen] for part in parts), regions)


def main():
    """Judge the maps and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--seed", type=int, default=900)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    (shipped,) = classifier.load_classifiers()
    films = make_films(shipped, options.cases, options.seed)
    logits = classifier.predict_logits(shipped.model, films.images)
    ill = films.pick((films.labels == 1) & (logits > 0))
    well = films.pick((films.labels == 0) & (logits < 0))
    print(f"{len(logits)} films, {len(ill.labels)} called RDS and {len(well.labels)}")
    print("called healthy rightly. Better: insertion +, deletion -, ROAD +")
    for name, ground in {"film": ill.images, "healthy phantom": ill.healthy}.items():
        print_ground(shipped.model, name, ground.reshape(ill.images.shape))
    print_ground(shipped.model, "blurred film", blur(ill.images))
    print_places(shipped.model, ill)
    print_shuffled(shipped.model, ill.images)
    arms = {
        "RDS, blurred film": (ill, 1, "blur"),
        "RDS, healthy phantom": (ill, 1, ill.healthy),
        "no RDS, blurred film": (well, 0, "blur"),
    }
    judged = {}
    for name, arm in arms.items():
        judged[name] = judge(shipped.model, *arm)
        print_judged(name, judged[name])
    if options.json:
        options.json.write_text(json.dumps(judged, indent=1) + "\n")


def make_films(shipped, num_cases: int, seed: int) -> Films:
    """Write phantoms, find their lungs and cut out what the classifier sees."""
    name, size = shipped.manifest["input"], shipped.model.input_shape[1]
    with tempfile.TemporaryDirectory() as scratch:
        cohort, prepared = Path(scratch) / "cohort", Path(scratch) / "prepared"
        dataset.write_cohort(
            cohort, num_cases, seed=seed, tube_link=0.0, longest_px=256
        )
        prepare.prepare(cohort / "cohort.csv", prepared, cohort)
        table = prepare.load_manifest(prepared)
        masks = classifier.predict_masks(prepared, table)
        crops = classifier.load_crops(prepared, table, name, size, masks)
        cases = dataset.draw_cases(num_cases, seed, 0.0, 256)
    cases = {f"case{case.index:04d}": case for case in cases}
    healthy, regions = [], []
    for case_id, mask in zip(table["case_id"], masks, strict=True):
        case = cases[case_id]
        made = dataset.render_case(case)
        well = dataset.render_case(replace(case, severity=0.0))
        crop = cropping.choose_crop(made.image, mask, name)
        tube = made.device_masks.get("ett", np.zeros_like(made.mask))
        healthy.append(crop.cut(well.image, size))
        masks_of = {"lungs": made.mask, "tube": tube}
        regions.append({key: crop.cut_mask(m, size) for key, m in masks_of.items()})
    images = crops.astype("float32") / 255
    labels, patients = table["rds"].to_numpy(), table["patient_id"].to_numpy()
    return Films(images, np.stack(healthy), labels, patients, regions)


def draw_maps(model, images, class_index: int = 1) -> dict[str, np.ndarray]:
    """Draw Grad-CAM, the map of an earlier layer, and Grad-CAM not rectified."""
    options = {"class_index": class_index}
    return {
        "Grad-CAM": grad_cam.grad_cam(model, images, **options),
        "earlier layer": grad_cam.grad_cam(model, images, MIDDLE, **options),
        "signed": draw_signed(model, images, "top_activation", **options),
    }


def draw_signed(model, images, layer: str, class_index: int = 1) -> np.ndarray:
    """Draw Grad-CAM with its negative part, resized as Grad-CAM is, `(N, S, S)`."""
    cells = grad_cam.class_activation(model, images, layer, class_index=class_index)
    zoom = images.shape[1] / cells.shape[1]
    return ndimage.zoom(cells, (1, zoom, zoom), order=1)


def judge(model, films: Films, class_index: int, fill) -> dict:
    """Judge the maps of a class on the films of that class."""
    sign = 1 if class_index else -1

    def predict(images):
        return sign * classifier.predict_logits(model, images)

    maps = draw_maps(model, films.images, class_index)
    return map_faithfulness.judge_maps(
        predict, films.images, maps, films.patients, fill
    )


def blur(images):
    """Return what `map_faithfulness` puts in a pixel's place, `(N, S, S, 1)`."""
    return np.stack([map_faithfulness.draw_ground(image[..., 0]) for image in images])[
        ..., None
    ]


def print_ground(model, name: str, images) -> None:
    """Print what the classifier makes of what stands for missing pixels."""
    logits = classifier.predict_logits(model, images)
    quartiles = ", ".join(f"{q:+.1f}" for q in np.percentile(logits, (25, 50, 75)))
    proportion = (logits > 0).mean()
    print(f"{name:13} of RDS: logit quartiles {quartiles}, called RDS {proportion:.0%}")


def print_judged(name: str, judged: dict) -> None:
    """Print the scores of every map, and those of the maps less the baselines'."""
    print(f"\n| {name} | insertion | deletion | ROAD |\n|---|---|---|---|")
    rows = dict(judged)
    for kind, found in judged.items():
        for baseline, gap in found.get("against", {}).items():
            rows[f"{kind} less {baseline}"] = gap
    for kind, found in rows.items():
        cells = " | ".join(text(found[metric]) for metric in map_faithfulness.METRICS)
        print(f"| {kind} | {cells} |", flush=True)


def print_places(model, films: Films) -> None:
    """Print where the heat lies, and how often the hottest pixel is in the lungs."""
    maps = draw_maps(model, films.images)
    maps.pop("signed")
    maps |= baseline_maps.draw_baselines(films.images[..., 0])
    maps["uniform"] = np.ones_like(maps["centre"])
    print("\n| map | lungs | tube | outside | points into the lungs | within 5 px |")
    print("|---|---|---|---|---|---|")
    for name, heatmaps in maps.items():
        pairs = [
            pair for pair in zip(heatmaps, films.regions, strict=True) if pair[0].any()
        ]
        proportions = [baseline_maps.heat_proportions(*pair) for pair in pairs]
        tubed = [
            s["tube"]
            for s, (_, r) in zip(proportions, pairs, strict=True)
            if r["tube"].any()
        ]
        cells = [np.mean([s["lungs"] for s in proportions]), np.mean(tubed)]
        cells.append(np.mean([s["outside"] for s in proportions]))
        for tolerance in (0, TOLERANCE_PX):
            hits = [baseline_maps.points_at(h, r["lungs"], tolerance) for h, r in pairs]
            cells.append(np.mean(hits))
        shown = cells[: None if np.ptp(heatmaps) else 3]  # a uniform map has no point
        print(f"| {name} | {' | '.join(f'{cell:.0%}' for cell in shown)} |")
    print(f"({len(tubed)} of {len(pairs)} films with a tube in view)", flush=True)


def print_shuffled(model, images) -> None:
    """Print the similarity of maps before and after shuffling, and of the baselines.

    The maps keep their negative part: rectified, many would be empty.
    """
    print("\nrank correlation with the map of the true weights")
    baselines = baseline_maps.draw_baselines(images[..., 0])
    for layer in ("top_activation", MIDDLE):
        heatmaps = draw_signed(model, images, layer)
        for baseline, others in baselines.items():
            found = compare_maps(heatmaps, others)
            print(f"{layer:14} {baseline:9} baseline  {describe(found)}")
        for part, proportion in PROPORTIONS.items():
            found = []
            for seed in SEEDS:
                shuffled = baseline_maps.randomise_weights(model, seed, proportion)
                found += compare_maps(heatmaps, draw_signed(shuffled, images, layer))
            print(f"{layer:14} {part:9} shuffled {describe(found)}", flush=True)


def compare_maps(first, second) -> list[float]:
    """Return the similarity of each pair of maps `(B, H, W)`."""
    return [baseline_maps.similarity(*pair) for pair in zip(first, second, strict=True)]


def describe(found: list[float]) -> str:
    """Describe the mean similarity, and that of the maps whichever way they turn."""
    sizes = np.abs(found)
    return f"{np.mean(found):+.2f}, without sign {sizes.mean():.2f}"


def text(found: dict) -> str:
    """Describe a value and its interval."""
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


if __name__ == "__main__":
    main()
