import numpy as np
import pandas as pd
import pytest

from rds_tf.classification import classifier
from rds_tf.data import prepare, preprocessing
from rds_tf.lungs import segmenter
from rds_tf.storage import model_store


class Mean:
    """A stand-in for a network: the brighter the window, the likelier RDS."""

    def predict_on_batch(self, batch):
        return np.asarray(batch).mean((1, 2, 3))[:, None].astype("float32")


def stub(name="whole", seen=(), backbone="B0"):
    manifest = {
        "architecture": {"backbone": backbone, "image_size": 16},
        "input": name,
        "training": {"seen": list(seen), "start": "scratch"},
    }
    return classifier.Classifier(Mean(), manifest, None)


@pytest.fixture(scope="module")
def table(prepared):
    return prepare.load_manifest(prepared)


def hashes(rows):
    return rows["pixel_sha256"].str[:16].tolist()


def test_logits_and_probabilities_are_each_others_inverse():
    windows = np.full((3, 4, 4, 1), 0.25, "float32")
    logits = classifier.predict_logits(Mean(), windows)
    np.testing.assert_allclose(logits, np.log(0.25 / 0.75), rtol=1e-5)


def test_a_saturated_probability_keeps_a_finite_logit():
    windows = np.ones((1, 4, 4, 1), "float32")
    assert np.isfinite(classifier.predict_logits(Mean(), windows)).all()


def test_a_case_is_judged_only_by_models_that_did_not_see_it(prepared, table):
    first = stub(seen=hashes(table[table["fold"] != 0]))
    second = stub(seen=hashes(table[table["fold"] != 1]))
    arms = classifier.predict_arms(prepared, table, [first, second])
    judged = np.isfinite(arms["B0 whole"])
    assert set(table["fold"][judged]) == {0, 1}
    np.testing.assert_array_equal(
        judged, classifier.find_judged(table, [first, second])
    )


def test_models_of_one_arm_are_averaged_in_logit_units(prepared, table, monkeypatch):
    logits = iter([np.full(len(table), -1.0), np.full(len(table), 3.0)])
    monkeypatch.setattr(classifier, "predict_logits", lambda *_: next(logits))
    arms = classifier.predict_arms(prepared, table, [stub(), stub()])
    np.testing.assert_allclose(arms["B0 whole"], 1 / (1 + np.exp(-1.0)))


def test_models_that_saw_every_case_are_refused(prepared, table):
    with pytest.raises(model_store.ModelError, match="saw every case"):
        classifier.evaluate(prepared, [stub(seen=hashes(table))])


def test_evaluation_reports_every_arm_beside_both_baselines(prepared, table):
    models = [stub(), stub(backbone="B3")]
    result = classifier.evaluate(prepared, models)
    assert result["num_cases"] == 30
    assert set(result["arms"]) == {
        "baseline: height to width",
        "baseline: mean intensity",
        "B0 whole",
        "B3 whole",
    }
    for scores in result["arms"].values():
        assert np.sum(scores["confusion"]) == 30
        assert set(scores["auroc"]) == {"value", "low", "high"}


def test_a_baseline_is_predicted_by_a_line_that_did_not_see_the_case():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"rds": rng.integers(0, 2, 200), "fold": np.arange(200) % 5})
    told = classifier.predict_baseline(table, table["rds"] + rng.normal(0, 0.1, 200))
    assert ((told > 0.5) == table["rds"]).all()
    # A feature that gives each case away only to a line that saw the case itself.
    noise = classifier.predict_baseline(table, rng.normal(size=200))
    assert 0.3 < np.mean((noise > 0.5) == table["rds"]) < 0.65


def test_masks_come_only_from_a_segmenter_that_did_not_see_the_case(
    prepared, table, monkeypatch
):
    tool = segmenter.Segmenter(None, {}, None)
    rows = table[table["fold"] != 4]
    monkeypatch.setattr(segmenter, "assign_unseen", lambda *_: iter([(tool, rows)]))
    monkeypatch.setattr(
        segmenter,
        "segment_steps",
        lambda model, images, steps: {
            steps[0]: [
                segmenter.Segmentation(np.ones(image.shape, "uint8"), 1.0)
                for image in images
            ]
        },
    )
    assert len(classifier.predict_masks(prepared, rows)) == len(rows)
    with pytest.raises(model_store.ModelError, match="in the training data of every"):
        classifier.predict_masks(prepared, table)


def test_a_classifier_of_films_prepared_otherwise_is_refused(tmp_path, monkeypatch):
    manifest = {"preprocessing": "equalise the histogram"}
    monkeypatch.setattr(model_store, "find_models", lambda *_: [tmp_path / "one"])
    monkeypatch.setattr(model_store, "load_model", lambda *_: (Mean(), manifest))
    with pytest.raises(
        model_store.ModelError, match="one: was trained on films prepared"
    ):
        classifier.load_classifiers(tmp_path)
    manifest["preprocessing"] = preprocessing.DESCRIPTION
    (found,) = classifier.load_classifiers(tmp_path)
    assert found.manifest is manifest
