"""Measure a few phantoms by the shipped models, beside what was measured before.

    python benchmarks/golden.py                                # differences, as JSON
    python benchmarks/golden.py --write     # after a change that is meant: new values

Ten phantoms, upright and at any angle, bare and with tubes. Kept in tests/golden: the
films (8 bits), the masks of the shipped segmenter, the upright angle of each mask, the
probability of the shipped classifier, and the versions and the command that made them.
The films are read, not drawn again, so that a mask that moves is the network's doing or
OpenCV's; how far phantoms drawn today are from those kept is one figure more.
"""

import argparse
import json
import platform
from importlib import metadata
from pathlib import Path

import numpy as np

from rds_phantoms import phantom
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import radiograph
from rds_tf.lungs import rotation
from rds_tf.stats import metrics
from rds_tf.storage import disk

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "golden"
SHAPES = [(192, 160), (160, 192), (175, 175), (193, 149), (128, 101)]
ANGLES = [0, -7, 10, 45, 90, 133, 180, 217, 270, -30]
DEVICES = [(), ("ett",), ("ett", "ngt", "leads")]
LIMITS = {"angle_degrees": 0.5, "mask_iou": 0.999, "probability": 1e-3}
PACKAGES = ["tensorflow", "keras", "numpy", "opencv-python-headless", "pandas"]
PACKAGES += ["scipy", "scikit-learn"]


def main() -> int:
    """Write the values or print the largest differences; 1 where one is too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        write()
        return 0
    found = compare()
    print(json.dumps(found))
    return int(not holds(found))


def draw(index: int) -> np.ndarray:
    """Draw one of the phantoms, `(H, W)` float32 in [0, 1]."""
    made = phantom.make_phantom(
        seed=1000 + index,
        shape=SHAPES[index % len(SHAPES)],
        severity=index / (len(ANGLES) - 1),
        angle_degrees=ANGLES[index],
        device_names=DEVICES[index % len(DEVICES)],
    )
    return made.image


def read(name: str) -> np.ndarray:
    """Read a kept picture, `(H, W)` float32 in [0, 1]."""
    return radiograph.read_image(FOLDER / name)


def measure(models: diagnose.Models, index: int) -> tuple[np.ndarray, float, float]:
    """Diagnose a kept film: its mask, the mask's angle, the probability."""
    found = diagnose.diagnose(FOLDER / f"film{index}.png", models)
    return found.mask, rotation.upright_angle(found.mask), found.score


def name_versions() -> dict[str, str]:
    """Return the version of Python and of each package that could move a number."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def write() -> None:
    """Keep films, masks, angles and probabilities of this environment."""
    models = diagnose.load_models()
    values = []
    for index in range(len(ANGLES)):
        radiograph.write_png(FOLDER / f"film{index}.png", draw(index), 8)
        mask, angle, probability = measure(models, index)
        radiograph.write_png(FOLDER / f"mask{index}.png", mask.astype("float32"))
        values.append({"angle_degrees": angle, "probability": probability})
    made = {
        "command": "python benchmarks/golden.py --write",
        "versions": name_versions(),
        "values": values,
    }
    disk.write_json(FOLDER / "golden.json", made)


def compare() -> dict:
    """Return the largest difference of each kind, and the versions at work.

    Returns:
        `angle_degrees` and `probability`, largest absolute difference;
        `mask_iou`, the smallest; `film_levels`, mean difference, of 255, of the
        phantom that is drawn most differently here; `versions`.
    """
    models = diagnose.load_models()
    kept = disk.read_json(FOLDER / "golden.json")["values"]
    rows = []
    for index, value in enumerate(kept):
        mask, angle, probability = measure(models, index)
        turn = (angle - value["angle_degrees"] + 180) % 360 - 180
        rows.append(
            {
                "angle_degrees": abs(turn),
                "mask_iou": metrics.iou(read(f"mask{index}.png") > 0.5, mask > 0),
                "probability": abs(probability - value["probability"]),
                "film_levels": np.abs(
                    np.rint(255 * draw(index)) - 255 * read(f"film{index}.png")
                ).mean(),
            }
        )
    worst = {name: float(max(row[name] for row in rows)) for name in rows[0]}
    worst["mask_iou"] = min(row["mask_iou"] for row in rows)
    return worst | {"versions": name_versions()}


def holds(found: dict) -> bool:
    """Say whether the differences of `compare` lie within `LIMITS`."""
    return (
        found["angle_degrees"] <= LIMITS["angle_degrees"]
        and found["mask_iou"] >= LIMITS["mask_iou"]
        and found["probability"] <= LIMITS["probability"]
    )


if __name__ == "__main__":
    raise SystemExit(main())
