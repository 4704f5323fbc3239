import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rds_tf.classification import classifier, ensemble
from rds_tf.storage import disk, model_store


def test_members_are_averaged_in_logit_units_and_cooled_once():
    joined = ensemble.Ensemble(temperature=2.0, intercept=1.0)
    found = joined.predict(np.array([[1.0, 3.0], [np.nan, -4.0]]))
    np.testing.assert_allclose(found, 1 / (1 + np.exp([-0.5, 2.5])))


def test_agreement_is_the_share_of_members_on_the_ensembles_side():
    joined = ensemble.Ensemble()
    logits = np.array([[3.0, 1.0, -0.5, 2.0], [-1.0, np.nan, -1.0, 0.5]])
    np.testing.assert_allclose(joined.count_agreement(logits), [3 / 4, 2 / 3])


@pytest.mark.parametrize(
    ("logits", "quality", "reasons"),
    [
        ([2.0, 2.0, 2.0, 2.0, 2.0], 1.0, []),
        ([2.0, 2.0, 2.0, 2.0, -1.0], 1.0, []),  # four of five still agree
        ([2.0, 2.0, 2.0, -1.0, -1.0], 1.0, ["models disagree: 60%"]),
        ([2.0, 2.0, 2.0, 2.0, 2.0], 0.5, ["lung mask may be wrong"]),
    ],
)
def test_the_ensemble_abstains_on_dissent_and_on_a_bad_mask(logits, quality, reasons):
    found = ensemble.Ensemble().explain_abstention(np.array(logits), quality)
    assert len(found) == len(reasons)
    for sentence, reason in zip(found, reasons, strict=True):
        assert reason in sentence


def make_cases(num=400, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, num)
    cases = pd.DataFrame({"rds": labels, "fold": np.arange(num) % 5})
    cases["patient_id"] = [f"p{i}" for i in range(num)]
    logit = 1.5 * (2 * labels - 1) + rng.normal(0, 1.2, (3, num))
    return cases, logit.T


def test_logits_that_are_three_times_too_sure_come_back_calibrated():
    cases, logits = make_cases()
    once, thrice = (ensemble.evaluate(cases, k * logits) for k in (1, 3))
    assert thrice["temperature"] == pytest.approx(3 * once["temperature"], rel=1e-3)
    np.testing.assert_allclose(
        thrice["probabilities"], once["probabilities"], atol=1e-4
    )
    assert thrice["raw"]["ece"]["value"] > thrice["calibrated"]["ece"]["value"]


def test_the_sensitive_operating_point_finds_nineteen_of_twenty():
    cases, logits = make_cases()
    joined = ensemble.fit(cases["rds"].to_numpy(), logits)
    called = joined.predict(logits) >= joined.sensitive_threshold
    assert 0.95 <= called[cases["rds"] == 1].mean() < 0.96


def test_cases_abstained_from_are_those_of_dissent_or_of_a_bad_mask():
    cases, logits = make_cases()
    quality = np.ones(len(cases))
    quality[:40] = 0.1
    found = ensemble.evaluate(cases, logits, quality)["abstention"]
    assert found["poor_masks"] == 40
    assert found["abstained"]["value"] >= max(40, found["disagree"]) / 400
    assert found["answered"]["value"] > found["not_answered"]["value"]


def test_what_was_fitted_is_read_back(tmp_path):
    assert ensemble.load(tmp_path) == ensemble.Ensemble()
    nobody = np.nextafter(1, 2)  # what `threshold_for_accuracy` may choose
    joined = ensemble.Ensemble(1.5, -0.2, nobody, 0.1, ("seed_0/a",), "pneumonia")
    disk.write_json(tmp_path / "ensemble.json", dataclasses.asdict(joined))
    assert ensemble.load(tmp_path) == joined


@pytest.mark.parametrize(
    "text",
    ["[1]", '{"heat": 1}', "{", '{"temperature": 0}', "[" * 100_000]
    + ['{"threshold": NaN}', '{"threshold": 1.5}', '{"sensitive_threshold": -0.1}']
    + ['{"finding": " "}', '{"finding": "a\\nb"}', '{"finding": 7}']
    + ['{"segmenters": [7]}', '{"segmenters": [{"name": "a"}]}', '{"intercept": NaN}']
    + ['{"temperature": Infinity}', '{"offset": -Infinity}', '{"offset": "nan"}'],
)
def test_a_damaged_ensemble_is_refused_by_name(tmp_path, text):
    (tmp_path / "ensemble.json").write_text(text)
    with pytest.raises(model_store.ModelError, match=r"ensemble\.json"):
        ensemble.load(tmp_path)


@pytest.mark.parametrize("shape", [(128, 128), (128, 96)])
def test_members_of_equal_logits_weigh_the_same_whatever_their_size(monkeypatch, shape):
    def explain(models, square):
        # As Grad-CAM does: the cells of a map sum to the logit, here in one half each.
        side = square.shape[0]
        said = np.zeros((side, side), "float32")
        half = slice(0, side // 2) if side == 64 else slice(side // 2, side)
        said[:, half] = 6 / (side // 32) ** 2
        return SimpleNamespace(logits=np.full(len(models), 6.0), mean=said, counter=0)

    monkeypatch.setattr(ensemble.grad_cam, "explain", explain)
    manifests = [
        {"input": "whole", "architecture": {"image_size": size}} for size in (64, 128)
    ]
    models = [classifier.Classifier(None, one, None) for one in manifests]
    image = np.ones(shape, "float32")
    logits, heat, _ = ensemble.ask_models(models, image, np.zeros(shape, "uint8"))
    assert logits.tolist() == [6, 6]
    left, right = heat[:, : shape[1] // 2 - 4], heat[:, shape[1] // 2 + 4 :]
    assert left.mean() == pytest.approx(right.mean(), rel=0.02) and left.min() > 0.5
