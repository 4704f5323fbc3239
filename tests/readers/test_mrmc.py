"""The analysis against fractions by hand, the printed oracle, and paired tests."""

import numpy as np
import pytest
from scipy import stats

from rds_readers import mrmc, readings

TRUTH = [1, 1, 0, 0]
# Readers A and B; ratings of the positives P1, P2 and the negatives N1, N2. Share of
# the other class on the right side, of (P1, P2) and (N1, N2), a tie one half:
#   treatment 1  A 3 1 | 2 0   (1, 1/2)   (1/2, 1)   AUROC 3/4
#                B 2 1 | 2 0   (3/4, 1/2) (1/4, 1)   AUROC 5/8
#   treatment 2  A 1 3 | 0 2   (1/2, 1)   (1, 1/2)   AUROC 3/4
#                B 4 3 | 2 1   (1, 1)     (1, 1)     AUROC 1
# A covariance of DeLong is, with two cases of each class, a quarter of the products
# of the differences in the brackets. These are
#   A1 (1/2, -1/2)  B1 (1/4, -3/4)  A2 (-1/2, 1/2)  B2 (0, 0), so that
#   Var  A1 1/8, B1 5/32, A2 1/8, B2 0         mean 13/128
#   Cov1 A1A2 -1/8, B1B2 0                     mean -1/16
#   Cov2 A1B1 1/8, A2B2 0                      mean  1/16
#   Cov3 A1B2 0, B1A2 (-1/8 - 3/8) / 4 = -1/8  mean -1/16
# Differences of the readers: A 0, B -3/8; mean -3/16; half their variance
# MS(TR) = 9/256; MS(T) = 2 (3/16)^2 / 2 = 9/256.
RATINGS = np.array(
    [[[3, 1, 2, 0], [2, 1, 2, 0]], [[1, 3, 0, 2], [4, 3, 2, 1]]], dtype=float
)


def analyse(ratings):
    return mrmc.analyse(*mrmc.score_auroc(TRUTH, ratings))


def test_two_readers_and_four_cases_equal_the_fractions_by_hand():
    found = analyse(RATINGS)
    assert found["each"] == [[3 / 4, 5 / 8], [3 / 4, 1]]
    names = "error_variance", "cov1", "cov2", "cov3"
    np.testing.assert_allclose(
        [found[n] for n in names], [13 / 128, -1 / 16, 1 / 16, -1 / 16], rtol=1e-14
    )
    assert found["difference"] == -3 / 16
    assert found["ms_treatment"] == found["ms_treatment_reader"] == 9 / 256
    # Error: 9/256 + 2 (1/16 + 1/16) = 73/256.
    assert found["f"] == pytest.approx(9 / 73, rel=1e-13)
    assert found["df2"] == pytest.approx((73 / 9) ** 2, rel=1e-13)
    assert found["se"] == pytest.approx(np.sqrt(73) / 16, rel=1e-13)
    # Fixed readers: 13/128 + 1/16 + 1/8 = 37/128; fixed cases: MS(TR), 1 degree.
    fixed, paired = found["designs"].values()
    assert fixed["f"] == pytest.approx(9 / 74) and fixed["df2"] is None
    assert (paired["f"], paired["df2"]) == (1, 1)
    assert paired["p"] == pytest.approx(0.5)  # of Cauchy's distribution at 1
    # Treatment 1: MS(R) 1/128, Cov2 1/8: (1/128 + 2/8) / 2; 33^2 degrees of freedom.
    # Treatment 2: MS(R) 1/32, Cov2 0.
    np.testing.assert_allclose(found["means"]["mean"], [11 / 16, 7 / 8])
    np.testing.assert_allclose(np.square(found["means"]["se"]), [33 / 256, 1 / 64])
    np.testing.assert_allclose(found["means"]["df"], [33**2, 1])


def test_negative_difference_of_covariances_counts_as_nothing():
    # B's treatments exchanged: Cov2 -1/16, Cov3 1/16; the error is MS(TR) alone.
    swapped = RATINGS.copy()
    swapped[:, 1] = RATINGS[::-1, 1]
    found = analyse(swapped)
    assert found["cov2"] - found["cov3"] == pytest.approx(-1 / 8)
    assert (found["difference"], found["f"], found["df2"]) == (3 / 16, 1, 1)
    assert found["p"] == pytest.approx(0.5)
    reach = 12.706204736 * 3 / 16  # Student's t with 1 degree of freedom
    np.testing.assert_allclose(found["ci"], [3 / 16 - reach, 3 / 16 + reach])


def test_analysis_equals_the_printed_one_of_van_dyke(vandyke):
    study = readings.to_arrays(readings.load_readings(vandyke))
    assert study.ratings.shape == (2, 5, 114)
    found = mrmc.analyse(*mrmc.score_auroc(study.truth, study.ratings))
    expected = {  # printed by MRMCaov, as the field notes hold it
        "error_variance": 0.0007921325,
        "cov1": 0.0003420090,
        "cov2": 0.0003395265,
        "cov3": 0.0002358497,
        "f": 4.484854,
        "df2": 15.06611,
        "p": 0.05123303,
        "difference": -0.04380032,
        "se": 0.0206825,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=5e-7), name
    assert found["ci"] == pytest.approx([-0.0878671960, 0.0002665519], abs=1e-10)
    assert found["means"]["mean"] == pytest.approx([0.8970370, 0.9408374], abs=5e-8)


def make_ratings(num_studies=3, num_readers=4, num_cases=30, seed=0):
    generator = np.random.default_rng(seed)
    truth = np.arange(num_cases) % 3 == 0
    size = (num_studies, 2, num_readers, num_cases)
    return truth, np.round(2 * generator.normal(truth, 1, size)) / 2  # with ties


def test_covariances_of_many_studies_equal_those_counted_pair_by_pair():
    truth, ratings = make_ratings()
    scores, covariances = mrmc.score_auroc(truth, ratings)
    for study, score, covariance in zip(ratings, scores, covariances, strict=True):
        positive, negative = (
            study.reshape(8, -1)[:, truth == label] for label in (True, False)
        )
        gap = positive[:, :, None] - negative[:, None]
        wins = (gap > 0) + 0.5 * (gap == 0)  # (8, positives, negatives)
        expected = np.cov(wins.mean(axis=2)) / positive.shape[1]
        expected += np.cov(wins.mean(axis=1)) / negative.shape[1]
        np.testing.assert_allclose(score.ravel(), wins.mean(axis=(1, 2)))
        np.testing.assert_allclose(covariance, expected, atol=1e-15)


def test_many_studies_at_once_equal_each_alone():
    truth, ratings = make_ratings()
    scores, covariances = mrmc.score_auroc(truth, ratings)
    together = mrmc.compare(scores, mrmc.split_errors(covariances))
    for index in range(len(ratings)):
        alone = mrmc.analyse(scores[index], covariances[index])
        for name in ("f", "df2", "p"):
            assert together[name][index] == pytest.approx(alone[name])


def test_fixed_cases_are_a_paired_t_test_of_the_readers():
    truth, ratings = make_ratings(num_studies=1)
    scores, covariance = mrmc.score_auroc(truth, ratings[0])
    found = mrmc.compare(scores, mrmc.split_errors(covariance), "fixed cases")
    expected = stats.ttest_rel(scores[0], scores[1])
    assert found["p"] == pytest.approx(expected.pvalue)
    assert np.sqrt(found["f"]) == pytest.approx(abs(expected.statistic))
    interval = expected.confidence_interval()
    np.testing.assert_allclose(found["ci"], [interval.low, interval.high])


def test_fixed_readers_are_the_normal_test_of_the_mean_difference():
    truth, ratings = make_ratings(num_studies=1, seed=3)
    scores, covariance = mrmc.score_auroc(truth, ratings[0])
    contrast = np.repeat([1, -1], 4) / 4
    expected = np.sqrt(contrast @ covariance @ contrast)
    errors = mrmc.split_errors(covariance)
    assert errors.cov2 > errors.cov3  # else the negative estimate counts as 0
    found = mrmc.compare(scores, errors, "fixed readers")
    assert found["se"] == pytest.approx(expected)


def test_share_has_the_binomial_variance():
    # One reader right on 3 of 4, the other on 2 of 4, alike with both treatments.
    hits = np.array([[[1, 1, 1, 0], [1, 1, 0, 0]]] * 2)
    shares, covariance = mrmc.score_proportion(hits)
    assert shares.tolist() == [[0.75, 0.5], [0.75, 0.5]]
    # p (1 - p) / (M - 1): 3/16 / 3 = 1/16 and 1/4 / 3 = 1/12.
    np.testing.assert_allclose(np.diag(covariance), [1 / 16, 1 / 12] * 2)


def test_no_variance_gives_p_one_or_nothing_and_never_nan():
    same = analyse(np.stack([RATINGS[0], RATINGS[0]]))
    assert (same["difference"], same["f"], same["p"]) == (0, 0, 1)
    perfect = np.broadcast_to([3, 2, 1, 0], (2, 4))
    found = analyse(np.stack([perfect, -perfect]))
    assert (found["difference"], found["p"], found["f"]) == (1, 0, None)
    assert found["ci"] == [1, 1]


def test_one_reader_is_refused():
    errors = mrmc.ErrorCovariances(0, 0, 0, 0, np.zeros(2))
    with pytest.raises(ValueError, match="two readers or more"):
        mrmc.compare(np.zeros((2, 1)), errors)
    with pytest.raises(ValueError, match="`design` must be one of"):
        mrmc.compare(np.zeros((2, 2)), errors, "fixed")
