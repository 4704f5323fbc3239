"""No single thing but the lungs' opacity tells RDS among the phantoms of a cohort.

A network takes the easiest way: what height to width of the lungs, the film's shape or
a tube says by itself, it need not see in the lungs. Every such thing is listed here
with the AUROC by which it alone tells RDS, drawn as `write_cohort` draws its cases.
"""

import dataclasses

import cv2
import numpy as np
import pytest
from sklearn import metrics

from rds_phantoms import dataset, phantom, workers
from rds_tf.lungs import rotation

NUM_CASES = 300  # the standard error of an AUROC of 0.5 is 0.033
LONGEST_PX = 96
LIMIT = 0.60
# What a case is asked to show, and its names: no shortcut.
TRUTH = {"index", "seed", "severity", "grade", "findings", "patient_id"}


@pytest.fixture(scope="module")
def table():
    """AUROC of each shortcut, the most telling first."""
    cases = dataset.draw_cases(NUM_CASES, seed=11, tube_link=0.0, longest_px=LONGEST_PX)
    drawn = workers.map_on_cores(dataset.render_case, cases)
    rows = [{**read_case(c), **read_film(d)} for c, d in zip(cases, drawn, strict=True)]
    is_rds = [case.severity >= phantom.RDS_SEVERITY for case in cases]
    aurocs = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows], float)
        if np.ptp(values):
            area = metrics.roc_auc_score(is_rds, values)
            aurocs[name] = max(area, 1 - area)
    return dict(sorted(aurocs.items(), key=lambda one: -one[1]))


def read_case(case) -> dict[str, float]:
    """Read what the file of a case says beside its pixels, whatever fields it has."""
    found = {"film, height": case.shape[0], "film, width": case.shape[1]}
    for field in dataclasses.fields(case):
        value = getattr(case, field.name)
        if field.name not in TRUTH and np.ndim(value) == 0 and value is not None:
            found[field.name.replace("_", " ")] = float(value)
    angle = (case.angle_degrees + 180) % 360 - 180
    names = ("ett", "ngt", "uac", "uvc", "leads")
    return found | {
        "angle degrees": abs(angle),
        "number of devices": len(case.device_names),
        **{f"{name} present": name in case.device_names for name in names},
    }


def read_film(made) -> dict[str, float]:
    """Read what is seen without looking at how opaque the lungs are."""
    image, mask = made.image, made.mask
    tall, wide = image.shape
    angle = np.deg2rad(rotation.upright_angle(mask))
    rows, columns = np.nonzero(mask) if mask.any() else np.mgrid[:2, :2].reshape(2, -1)
    across = columns * np.cos(angle) - rows * np.sin(angle)
    along = columns * np.sin(angle) + rows * np.cos(angle)
    outside = image[cv2.dilate(mask, np.ones((9, 9), "uint8")) == 0]
    grain = image - cv2.GaussianBlur(image, (0, 0), 1)
    return {
        "spacing, mm": made.spacing_mm,
        "lungs, mm2": made.area_mm2,
        "film, height / width": tall / wide,
        "lungs, height / width": np.ptp(along) / np.ptp(across),
        "lungs, share of the film": mask.mean(),
        "lungs, width / film's": np.ptp(across) / wide,
        "lungs' place, across": columns.mean() / wide,
        "lungs' place, along": rows.mean() / tall,
        "heart, share of the lungs": made.heart.sum() / max(mask.sum(), 1),
        "grey, mean of the film": image.mean(),
        "grey, spread of the film": image.std(),
        "grey, mean outside the lungs": outside.mean() if outside.size else 0,
        "black, share": (image < 0.02).mean(),
        "white outside the lungs (marker, letters)": (outside > 0.97).mean(),
        "grain": np.median(np.abs(grain)),
    }


def test_no_single_shortcut_tells_rds(table):
    print(lines := "\n".join(f"{area:.3f}  {name}" for name, area in table.items()))
    telling = {name: round(area, 3) for name, area in table.items() if area > LIMIT}
    assert not telling, lines


def test_what_is_asked_of_the_lungs_is_seen_in_the_table(table):
    """The table would be empty of meaning if its measures did not vary."""
    assert {"lungs, height / width", "film, height / width", "ett present"} <= {*table}
    assert {"grey, mean of the film", "bits stored", "inverted"} <= {*table}
