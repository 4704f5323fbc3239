"""Ordinal grades, worked out by hand and by the law of proportional odds."""

import keras
import numpy as np
import pytest
from scipy import special

from rds_tf import errors
from rds_tf.classification import ensemble, grades
from rds_tf.storage import model_store

THRESHOLDS = [0.0, 1.0, 2.0, 4.0]


@pytest.fixture
def line():
    """A classifier of one weight: the logit is the mean grey of the image."""
    inputs = keras.Input((2, 2, 1), name="image")
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    logit = keras.layers.Dense(1, name="logit")(x)
    probability = keras.layers.Activation("sigmoid", name="probability")(logit)
    model = keras.Model(inputs, probability)
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    return model


def test_grades_become_four_questions():
    expected = [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
    np.testing.assert_array_equal(grades.encode([0, 1, 4]), expected)
    with pytest.raises(errors.InputError, match="0 to 4. Received: 5"):
        grades.encode([0, 5])


def test_ordinal_model_gives_the_logit_less_growing_thresholds(line):
    ordinal = grades.build_ordinal(line)
    received = ordinal([np.full((1, 2, 2, 1), 3.0, "float32")]).numpy()
    np.testing.assert_allclose(received, [[3, 1.5, 0, -1.5]], atol=1e-5)
    np.testing.assert_allclose(
        grades.read_thresholds(ordinal), [0, 1.5, 3, 4.5], atol=1e-5
    )


def test_loss_is_the_sum_of_four_binary_cross_entropies():
    targets, logits = grades.encode([2]), np.array([[1.0, 0.5, -1, -2]], "float32")
    right = special.expit([1.0, 0.5, 1.0, 2.0])  # of saying yes, yes, no, no
    received = grades.OrdinalLoss()(targets, logits)
    assert float(received) == pytest.approx(-np.log(right).sum(), rel=1e-5)


def test_training_finds_the_thresholds_that_the_data_were_drawn_with(line):
    # The oracle draws grades by proportional odds; the weight and the four thresholds
    # that made them come back, to within sampling error.
    rng = np.random.default_rng(0)
    greys = rng.uniform(-4, 8, 20_000)
    at_least = special.expit(greys[:, None] - THRESHOLDS)
    drawn = (rng.random((len(greys), 1)) < at_least).sum(1)
    ordinal = grades.build_ordinal(line)
    ordinal.compile(keras.optimizers.Adam(0.01), loss=grades.OrdinalLoss())
    line.get_layer("logit").kernel.assign([[0.3]])
    images = np.tile(greys[:, None, None, None], (1, 2, 2, 1)).astype("float32")
    ordinal.fit(images, grades.encode(drawn), batch_size=2_000, epochs=30, verbose=0)
    np.testing.assert_allclose(grades.read_thresholds(ordinal), THRESHOLDS, atol=0.2)
    assert line.get_layer("logit").get_weights()[0].item() == pytest.approx(1, abs=0.05)


def test_no_training_can_make_thresholds_cross(line):
    ordinal = grades.build_ordinal(line)
    ordinal.layers[-1].steps.assign([-0.5, -0.5, -0.5])
    assert (np.diff(grades.read_thresholds(ordinal)) > 0).all()


def test_distribution_by_hand():
    # P(>= k) at f = 2: sigmoid of 2, 1, 0 and -2.
    found = grades.predict_distribution(special.expit(2.0), THRESHOLDS)
    by_hand = [0.119203, 0.149738, 0.231059, 0.380797, 0.119203]
    np.testing.assert_allclose(found, by_hand, atol=1e-6)


@pytest.mark.parametrize("probability", [0.0, 1e-9, 0.3, 0.5, 0.999, 1.0])
def test_distribution_sums_to_one_and_its_rds_to_the_probability(probability):
    found = grades.predict_distribution(probability, THRESHOLDS)
    assert found.min() >= 0 and found.sum() == pytest.approx(1)
    assert found[1:].sum() == pytest.approx(probability)
    assert grades.predict_distribution([probability] * 3, THRESHOLDS).shape == (3, 5)


def test_grade_is_the_median_and_agrees_with_the_decision_at_every_threshold():
    probabilities = special.expit(np.linspace(-6.1, 8, 57))  # no ties
    found = grades.decide(probabilities, THRESHOLDS)
    distribution = grades.predict_distribution(probabilities, THRESHOLDS)
    below = distribution.cumsum(1) - distribution
    median = (below <= 0.5 + 1e-12).sum(1) - 1
    np.testing.assert_array_equal(found, median)
    assert (np.diff(found) >= 0).all() and {*found} == {0, 1, 2, 3, 4}
    for threshold in (0.1, 0.35, 0.8):
        rds = grades.decide(probabilities, THRESHOLDS, threshold) >= 1
        np.testing.assert_array_equal(rds, probabilities >= threshold)
    assert grades.decide(0.9, THRESHOLDS) == 3  # logit 2.197, above 2 and below 4


def test_classifiers_that_are_averaged_and_scaled_have_their_thresholds_so_too():
    both = [{grades.ENTRY: [0, 1, 2, 3]}, {grades.ENTRY: [0, 2, 4, 6]}]
    np.testing.assert_allclose(grades.join_thresholds(both, 2.0), [0, 0.75, 1.5, 2.25])
    assert grades.join_thresholds([*both, {}]) is None
    assert grades.join_thresholds([]) is None


def test_grade_is_judged_by_the_scaled_thresholds_of_the_ensemble():
    joined = ensemble.Ensemble(temperature=2.0, threshold=0.3)
    manifests = [{grades.ENTRY: THRESHOLDS}]
    # By hand: thresholds become 0, 0.5, 1, 2; at f = 0 the probabilities of at least
    # grade 1 to 4 are 0.5, 0.378, 0.269, 0.119, two of them from 0.3 on.
    found = grades.judge(manifests, joined, 0.5)
    assert found["grade"] == 2
    np.testing.assert_allclose(
        found["grade_distribution"],
        [0.5, 0.122459, 0.108599, 0.149738, 0.119203],
        atol=2e-6,
    )
    assert grades.judge([*manifests, {}], joined, 0.5) == {}


@pytest.mark.parametrize(
    "thresholds",
    [[0, 1, 2], [1, 2, 3, 4], [0, 2, 2, 3], [0, 1, 2, float("nan")], "0123", [0, "a"]],
)
def test_manifest_with_thresholds_that_cannot_be_right_is_refused(thresholds):
    grades.check_manifest({grades.ENTRY: [0.0, 1.0, 2.0, 4.0]}, "folder")
    grades.check_manifest({}, "folder")
    with pytest.raises(model_store.ModelError, match="folder: its grade_thresholds"):
        grades.check_manifest({grades.ENTRY: thresholds}, "folder")
