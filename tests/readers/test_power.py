"""Power by formula against laws, SciPy's bivariate normal, and simulation."""

import numpy as np
import pytest
from scipy import stats

from rds_readers import mrmc, power, roe_metz

STRUCTURES = roe_metz.STRUCTURES
AUROCS, CASES = (0.8, 0.87), (40, 60)


@pytest.mark.parametrize("correlation", [-0.9, 0.3, 0.99])
def test_quadrant_gain_is_that_of_the_bivariate_normal(correlation):
    # About the origin it has a closed form (Sheppard, 1899).
    expected = np.arcsin(correlation) / (2 * np.pi)
    assert power.quadrant_gain(0, 0, 0, correlation) == pytest.approx(expected)
    joint = stats.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
    expected = joint.cdf([0.4, 1.2]) - stats.norm.cdf(0.4) * stats.norm.cdf(1.2)
    found = power.quadrant_gain(0.4, 1.2, 0, correlation)
    assert found == pytest.approx(expected, abs=1e-9)


def test_quadrant_gain_up_to_full_correlation_is_the_variance_of_one_event():
    probability = stats.norm.cdf(0.9)
    expected = probability * (1 - probability)
    assert power.quadrant_gain(0.9, 0.9, 0, 1) == pytest.approx(expected, rel=1e-10)


def test_error_of_one_auroc_without_reader_effects_is_that_of_bamber():
    # Bamber (1975): [A (1 - A) + (n1 - 1)(Q1 - A^2) + (n0 - 1)(Q2 - A^2)] / (n0 n1);
    # in the binormal case of equal variances Q1 = Q2, a quadrant at correlation 1/2.
    variances = roe_metz.Variances(0, 0, 0.3, 0.3, 0.2, 0.2)
    auroc = 0.8
    point = stats.norm.ppf(auroc)
    joint = stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]])
    excess = joint.cdf([point, point]) - auroc**2
    expected = (auroc * (1 - auroc) + (39 + 59) * excess) / (40 * 60)
    found = power.convert(variances, (auroc, auroc), CASES)
    assert found.error == pytest.approx(expected, rel=1e-6)
    assert found.reader == found.treatment_reader == 0


@pytest.mark.parametrize("name", STRUCTURES)
def test_conversion_equals_the_moments_of_simulated_aurocs(name):
    generator = np.random.default_rng(2)
    truth, ratings = roe_metz.simulate(
        STRUCTURES[name],
        AUROCS,
        num_readers=3,
        num_cases=CASES,
        num_studies=6000,
        generator=generator,
    )
    scores, _ = mrmc.score_auroc(truth, ratings)
    covariance = np.cov(scores.reshape(6000, -1), rowvar=False)
    total = mrmc.split_errors(covariance)  # of readers and errors together
    found = power.convert(STRUCTURES[name], AUROCS, CASES)
    expected = [
        found.reader + found.treatment_reader + found.error,
        found.reader + found.cov1,
        found.cov2,
        found.cov3,
    ]
    # Three standard errors of a covariance, the mean of six pairs of readers or more.
    reach = 3 * expected[0] / np.sqrt(6000 * 3)
    np.testing.assert_allclose(total[:4], expected, rtol=0.02, atol=reach)


def test_power_without_effect_is_the_level_and_rises_with_every_means():
    small = power.convert(STRUCTURES["HL"], (0.8, 0.8), (50, 50))
    assert power.power(small, 5, 0) == pytest.approx(mrmc.ALPHA)
    parameters = power.convert(STRUCTURES["HL"], (0.8, 0.86), (50, 50))
    base = power.power(parameters, 5, 0.06)
    assert power.power(parameters, 5, -0.06) == base  # two-sided
    assert power.power(parameters, 6, 0.06) > base
    assert power.power(parameters, 5, 0.07) > base
    larger = power.convert(STRUCTURES["HL"], (0.8, 0.86), (60, 60))
    assert power.power(larger, 5, 0.06) > base


def test_power_of_readers_alone_is_that_of_the_paired_t_test():
    # No error over cases: the test is a t-test of R differences of variance 2 TR.
    parameters = power.Parameters(0.001, 0.002, 0, 0, 0, 0)
    bound, shift = stats.f.isf(0.05, 1, 4), 5 * 0.1**2 / (2 * 0.002)
    expected = stats.ncf.sf(bound, 1, 4, shift)
    assert power.power(parameters, 5, 0.1) == pytest.approx(expected, rel=1e-6)


def test_power_of_cases_alone_is_that_of_the_normal_test():
    # All error shared by the readers of an arm: two independent means.
    parameters = power.Parameters(0, 0, 0.001, 0, 0.001, 0)
    shift = 0.1 / np.sqrt(2 * 0.001)
    expected = stats.norm.sf(1.959964 - shift) + stats.norm.cdf(-1.959964 - shift)
    assert power.power(parameters, 5, 0.1) == pytest.approx(expected, rel=1e-4)


def test_power_with_nothing_left_to_chance_is_one():
    assert power.power(power.Parameters(0, 0, 0, 0, 0, 0), 5, 0.1) == 1
    with pytest.raises(ValueError, match="two readers or more"):
        power.power(power.Parameters(0, 0, 1, 0, 0, 0), 1, 0.1)


@pytest.mark.parametrize("name", ["HL", "LH"])
def test_power_by_formula_agrees_with_simulation(name):
    studies = {"num_readers": 5, "num_cases": (60, 60), "num_studies": 1500}
    simulated = roe_metz.simulate_rejections(
        STRUCTURES[name], AUROCS, **studies, seed=4
    )
    parameters = power.convert(STRUCTURES[name], AUROCS, (60, 60))
    # 0.03 is what is asked; three standard errors of 1,500 studies are 0.039.
    assert power.power(parameters, 5, 0.07) == pytest.approx(simulated, abs=0.04)


def test_readers_spread_as_asked():
    variances = power.spread_readers(STRUCTURES["HL"], 0.8, 0.03, 0.02)
    found = power.convert(variances, (0.8, 0.8), CASES)
    np.testing.assert_allclose(np.sqrt(found[:2]), [0.03, 0.02], rtol=1e-8)
    assert variances[2:] == STRUCTURES["HL"][2:]
    with pytest.raises(ValueError, match="cannot spread"):
        power.spread_readers(STRUCTURES["HL"], 0.8, 0.45, 0)
    with pytest.raises(ValueError, match="0 or more"):
        power.spread_readers(STRUCTURES["HL"], 0.8, -0.01, 0)


@pytest.mark.parametrize("name", STRUCTURES)
def test_pilot_gives_back_the_model_that_it_came_from(name):
    found = power.convert(STRUCTURES[name], (0.8, 0.8), CASES)
    fitted = power.fit_pilot(found, (0.8, 0.8), CASES)
    np.testing.assert_allclose(fitted, STRUCTURES[name], rtol=1e-6)


def test_pilot_that_no_model_explains_gives_the_nearest():
    found = power.Parameters(-0.001, -0.001, 0.002, 0.0019, 0.0018, 0.0019)
    fitted = power.fit_pilot(found, (0.8, 0.85), CASES)
    assert fitted[:2] == (0, 0) and min(fitted) >= 0
    assert sum(fitted[2:]) == pytest.approx(1)


def test_estimates_of_one_pilot_equal_the_fractions_by_hand():
    # The scores of the four cases in test_mrmc: MS(TR) 9/256; over readers the two
    # arms vary together by (1/16)(-1/8) + (-1/16)(1/8) = -1/64. Cov2 - Cov3 is 3/32.
    errors = mrmc.ErrorCovariances(13 / 128, -1 / 16, 1 / 16, -1 / 32, np.zeros(2))
    found = power.estimate(np.array([[3 / 4, 5 / 8], [3 / 4, 1]]), errors)
    assert found.treatment_reader == 9 / 256 - 13 / 128 - 1 / 16 + 3 / 32
    assert found.reader == -1 / 64 + 1 / 16 - 1 / 32
    assert found[2:] == (13 / 128, -1 / 16, 1 / 16, -1 / 32)


def test_estimates_of_many_pilots_scatter_about_the_truth():
    generator = np.random.default_rng(5)
    truth, ratings = roe_metz.simulate(
        STRUCTURES["LH"],
        (0.8, 0.8),
        num_readers=6,
        num_cases=CASES,
        num_studies=1500,
        generator=generator,
    )
    found = [
        power.estimate(score, mrmc.split_errors(covariance))
        for score, covariance in zip(*mrmc.score_auroc(truth, ratings), strict=True)
    ]
    expected = power.convert(STRUCTURES["LH"], (0.8, 0.8), CASES)
    np.testing.assert_allclose(np.mean(found, axis=0), expected, rtol=0.06, atol=6e-5)
