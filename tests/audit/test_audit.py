import numpy as np
import pandas as pd
import pytest

from rds_phantoms import phantom
from rds_tf.audit import audit, nuisances, tubes


@pytest.fixture(scope="module")
def cases():
    """Twenty phantoms, every second with a tube, half of either with RDS."""
    made = []
    for seed in range(20):
        names = ("ett",) if seed % 2 else ()
        one = phantom.make_phantom(seed, (160, 140), 0.6 * (seed % 4 > 1), 5.0, names)
        tube = one.device_masks.get("ett", np.zeros((160, 140), "uint8"))
        made.append(
            nuisances.Case(one.image, one.mask, tube, int(seed % 4 > 1), f"p{seed}")
        )
    return made


def probe(cases, predict, name):
    return audit.probe(predict, cases, nuisances.list_nuisances(cases)[name])


def test_a_model_that_counts_tubes_alarms_and_one_that_is_blind_does_not(cases):
    rng = np.random.default_rng(0)
    base = rng.normal(size=len(cases))

    def see(images, owners):  # bright against the film as taken, or its tube cut out
        found = []
        for image, owner in zip(images, owners, strict=True):
            case = cases[owner]
            region = (
                case.tube
                if case.tube.any()
                else tubes.insert(case.image, case.mask, owner)[1]
            )
            cut = tubes.remove(image, region)
            found.append(base[owner] + 100 * np.abs(image - cut)[region > 0].mean())
        return np.array(found)

    assert audit.judge(probe(cases, see, "tube"))["alarm"]

    def blind(images, owners):
        return base[owners]

    result = audit.judge(probe(cases, blind, "tube"))
    assert not result["alarm"]
    assert result["effect"]["value"] == pytest.approx(0, abs=1e-12)
    assert result["flips"]["value"] == 0


def test_effect_flips_and_aurocs_are_those_worked_out_by_hand():
    probes = pd.DataFrame(
        {
            "as_taken": [-1.0, 1.0, -1.0, 1.0],
            "present": [1.0, 1.0, 1.0, 3.0],
            "absent": [-1.0, 1.0, -1.0, 1.0],
            "label": [0, 1, 0, 1],
            "patient_id": list("abcd"),
            "value": [0.0, 0.0, 1.0, 1.0],
        }
    )
    result = audit.judge(probes)
    assert result["logits"]["value"] == pytest.approx((2 + 0 + 2 + 2) / 4)
    deviation = np.std([-1, 1, -1, 1], ddof=1)
    assert result["effect"]["value"] == pytest.approx(1.5 / deviation)
    assert result["flips"]["value"] == pytest.approx(0.5)  # the two negatives
    assert result["alone"] == 0.5
    assert result["auroc"] == result["auroc_absent"] == 1.0
    assert result["auroc_present"] == pytest.approx((0.5 + 1 + 0.5 + 1) / 4)
    assert result["groups"] == [1.0, 1.0] and result["gap"] == 0


@pytest.mark.parametrize(("ratio", "box"), [(1.0, (40, 40)), (0.5, (40, 80))])
def test_a_film_cropped_to_a_ratio_keeps_its_size_and_shows_that_box(ratio, box):
    cropped = nuisances.crop_to_ratio(np.ones((40, 80), "float32"), ratio)
    assert cropped.shape == (40, 80)
    rows, columns = np.nonzero(cropped)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == box


def test_a_nuisance_varied_on_a_model_of_the_films_shape_alarms(cases):
    films = []
    for index, case in enumerate(cases):  # the positives are wide films
        image, mask, tube = case.image, case.mask, case.tube
        if case.label:
            image, mask, tube = image[20:], mask[20:], tube[20:]
        films.append(nuisances.Case(image, mask, tube, case.label, str(index)))

    def shape(images, owners):
        return np.array([np.ptp(np.nonzero(i > 0)[0]) for i in images], float)

    result = audit.judge(probe(films, shape, "ratio"))
    assert result["alone"] == 0.0  # the lower the film, the likelier positive
    assert result["alarm"]


def test_the_verdict_says_whether_to_trust():
    score = {"value": 0.9, "low": 0.7, "high": 1.1}
    result = {"effect": score, "flips": {"value": 0.31}, "alarm": True}
    sentence = audit.state_verdict(result, "endotracheal tube")
    assert sentence.startswith("Alarm.") and "31%" in sentence
    calm = audit.state_verdict({**result, "alarm": False}, "endotracheal tube")
    assert calm.startswith("No alarm.")
