"""Paired differences against brute force, SciPy's own tests, and cases by hand."""

import itertools
import json

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as oracle

from rds_tf.stats import paired_tests


def make_scores(num_cases=60, num_arms=3, seed=0):
    """Labels, and scores in steps of 0.5, so that many are equal."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(num_cases) % 3 == 0).astype(int)
    noise = generator.normal(0, 1, (num_arms, num_cases))
    shared = generator.normal(labels, 1)
    return labels, np.round(2 * (shared + noise)) / 2


def place(positive, negative):
    """Return 1, 0.5 or 0: the pair in the right order, tied, in the wrong one."""
    return (positive > negative) + 0.5 * (positive == negative)


def test_delong_equals_placement_values_counted_pair_by_pair():
    labels, scores = make_scores(num_arms=2)
    wins = [
        np.array([[place(p, n) for n in row[labels == 0]] for p in row[labels == 1]])
        for row in scores
    ]
    gap = wins[0] - wins[1]
    variance = gap.mean(axis=1).var(ddof=1) / labels.sum()
    variance += gap.mean(axis=0).var(ddof=1) / (1 - labels).sum()
    result = paired_tests.delong(labels, *scores)
    assert result["difference"] == pytest.approx(gap.mean())
    assert result["high"] - gap.mean() == pytest.approx(1.959964 * variance**0.5)


def test_delong_variance_equals_the_jackknife_of_each_class():
    labels, scores = make_scores(240, num_arms=2)

    def differ(kept):
        first, second = (oracle.roc_auc_score(labels[kept], s[kept]) for s in scores)
        return first - second

    kept = ~np.eye(len(labels), dtype=bool)
    # A jackknife a class, because DeLong holds the numbers of each class fixed.
    variance = 0
    for value in (0, 1):
        left_out = np.array([differ(kept[i]) for i in np.flatnonzero(labels == value)])
        variance += (len(left_out) - 1) * left_out.var()
    result = paired_tests.delong(labels, *scores)
    deviation = (result["high"] - result["low"]) / (2 * 1.959964)
    assert deviation**2 == pytest.approx(variance, rel=1e-6)
    assert result["difference"] == pytest.approx(differ(kept.any(axis=0)))
    z = abs(result["difference"]) / deviation
    assert result["p"] == pytest.approx(2 * (1 - stats.norm.cdf(z)))


def test_delong_turns_with_the_order_of_the_arms():
    labels, (first, second, _) = make_scores()
    forth, back = (
        paired_tests.delong(labels, *arms)
        for arms in ((first, second), (second, first))
    )
    assert forth["p"] == back["p"]
    assert forth["difference"] == -back["difference"] != 0
    assert forth["low"] == pytest.approx(-back["high"])


def test_delong_finds_a_true_null_significant_about_as_often_as_it_says():
    p_values = []
    for seed in range(400):
        labels, scores = make_scores(num_arms=2, seed=seed)
        p_values.append(paired_tests.delong(labels, *scores)["p"])
    assert 0.02 <= np.mean(np.array(p_values) < 0.05) <= 0.08


def test_scores_of_one_order_do_not_differ():
    labels, (first, *_) = make_scores(61)
    nothing = {"difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    assert paired_tests.delong(labels, first, first) == nothing
    assert paired_tests.delong(labels, first, np.exp(first)) == nothing


def test_perfect_against_reversed_order_has_no_width():
    result = paired_tests.delong([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1])
    assert result == {"difference": 1.0, "low": 1.0, "high": 1.0, "p": 0.0}


def test_equal_aurocs_of_other_order_have_p_1_and_an_interval():
    # Each arm gets 3 of 4 pairs right, another pair wrong.
    result = paired_tests.delong([0, 0, 1, 1], [0, 2, 1, 3], [2, 0, 3, 1])
    assert result["difference"] == 0 and result["p"] == 1
    assert result["low"] == pytest.approx(-result["high"])
    assert result["low"] < 0


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 0, 0], [1, 2, 3], "two cases of each class.*0 positive and 3 negative"),
        ([0, 0, 1], [1, 2, 3], "1 positive and 2 negative"),
        ([0, 1], [1, 2, 3], "`labels` and `scores` must have one length.*2 and 3"),
        ([0, 0, 1, 1], [1, 2, 3, np.nan], "`scores` must be finite numbers"),
        ([0, 0, 1, 2], [1, 2, 3, 4], "`labels` must be 0 or 1"),
    ],
)
def test_delong_refuses_what_has_no_variance(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        paired_tests.delong(labels, scores, scores)


def test_mcnemar_counts_what_only_one_got_right():
    # First alone is right on 5 (both kinds), second alone on 1, both on 1, none on 1:
    # p = 2 (1 + 6) / 2^6.
    labels = [1, 1, 1, 0, 0, 0, 1, 0]
    first_ = [1, 1, 1, 0, 0, 1, 1, 1]
    second = [0, 0, 0, 1, 1, 0, 1, 1]
    result = paired_tests.mcnemar(labels, first_, second)
    assert result == {"first_only": 5, "second_only": 1, "p": pytest.approx(14 / 64)}


@pytest.mark.parametrize(
    ("first", "second"), [(0, 7), (4, 4), (12, 3), (3, 12), (1, 0)]
)
def test_mcnemar_equals_the_binomial_test(first, second):
    decisions = np.repeat([[1, 0], [0, 1]], [first, second], axis=0).T
    result = paired_tests.mcnemar(np.ones(first + second), *decisions)
    assert result["p"] == pytest.approx(stats.binomtest(first, first + second).pvalue)
    assert (result["first_only"], result["second_only"]) == (first, second)


def test_identical_decisions_have_p_1():
    result = paired_tests.mcnemar([0, 1, 1], [1, 0, 1], [True, False, True])
    assert result == {"first_only": 0, "second_only": 0, "p": 1.0}


def test_mcnemar_refuses_probabilities():
    with pytest.raises(ValueError, match="`second_decisions` must be 0 or 1"):
        paired_tests.mcnemar([0, 1], [0, 1], [0.2, 0.9])


def test_bootstrap_draws_both_arms_together():
    # Arms of one order: the difference is 0 in every resample, so the interval too.
    labels, (first, second, _) = make_scores()
    same = paired_tests.paired_bootstrap(labels, first, 3 * first - 7)
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0}
    other = paired_tests.paired_bootstrap(labels, first, second)
    assert other["low"] < other["value"] < other["high"]


def test_bootstrap_takes_logits_below_zero():
    difference = paired_tests.paired_bootstrap([0, 1], [-1, 0], [0, -1])
    assert difference == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_bootstrap_is_near_delong_where_each_case_is_a_patient():
    labels, scores = make_scores(300, num_arms=2)
    bootstrap = paired_tests.paired_bootstrap(labels, *scores)
    delong = paired_tests.delong(labels, *scores)
    assert bootstrap["value"] == pytest.approx(delong["difference"])
    width = delong["high"] - delong["low"]
    assert bootstrap["low"] == pytest.approx(delong["low"], abs=width / 10)
    assert bootstrap["high"] == pytest.approx(delong["high"], abs=width / 10)


def test_bootstrap_draws_patients_whole():
    # Every case four times over, under one name: the interval stays that of one copy.
    labels, scores = make_scores(40, num_arms=2)
    once = paired_tests.paired_bootstrap(labels, *scores)
    copies = [np.tile(values, 4) for values in (labels, *scores, np.arange(40))]
    again = paired_tests.paired_bootstrap(*copies)
    assert again == pytest.approx(once)


def test_difference_on_one_class_or_of_one_patient_is_not_defined():
    undefined = {"value": None, "low": None, "high": None}
    assert paired_tests.paired_bootstrap([1, 1], [1, 2], [2, 1]) == undefined
    one = paired_tests.paired_bootstrap([0, 1], [1, 2], [2, 1], groups=["A", "A"])
    assert one == {"value": 1.0, "low": None, "high": None}


def make_arms(num_arms=3):
    labels, scores = make_scores(num_arms=num_arms)
    probabilities = 1 / (1 + np.exp(-scores))
    return labels, dict(zip("abcd"[:num_arms], probabilities, strict=True))


def test_each_pair_of_arms_is_compared_once_by_every_test():
    labels, arms = make_arms()
    groups = np.arange(60) // 2
    rows = paired_tests.compare_arms(labels, arms, 0.6, groups)
    assert [row["first"] + row["second"] for row in rows] == ["ab", "ac", "bc"]
    for row in rows:
        pair = arms[row["first"]], arms[row["second"]]
        assert row["delong"] == paired_tests.delong(labels, *pair)
        decisions = (probabilities >= 0.6 for probabilities in pair)
        assert row["mcnemar"] == paired_tests.mcnemar(labels, *decisions)
        assert row["auroc"] == paired_tests.paired_bootstrap(labels, *pair, groups)
        assert row["p_holm"] >= row["delong"]["p"]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_arms_are_decided_at_one_threshold():
    labels, arms = [0, 0, 1, 1], {"a": [0.1, 0.4, 0.6, 0.9], "b": [0.1, 0.2, 0.3, 0.4]}
    shared = paired_tests.compare_arms(labels, arms)[0]["mcnemar"]
    assert (shared["first_only"], shared["second_only"]) == (2, 0)
    lower = paired_tests.compare_arms(labels, arms, 0.3)[0]["mcnemar"]
    assert (lower["first_only"], lower["second_only"]) == (0, 1)  # a's second case


def test_identical_arms_have_p_1_after_holm():
    labels, arms = make_arms(1)
    (row,) = paired_tests.compare_arms(labels, {**arms, "same": arms["a"]})
    assert row["auroc"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert row["delong"]["p"] == row["mcnemar"]["p"] == row["p_holm"] == 1


def test_holm_equals_the_steps_made_by_hand():
    # Smallest first: 3 * 0.01, 2 * 0.03, then 1 * 0.04, raised to the one before it.
    expected = [0.03, 0.06, 0.06]
    np.testing.assert_allclose(paired_tests._holm([0.01, 0.04, 0.03]), expected)
    assert paired_tests._holm([0.6, 0.7]).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"a": [0.1, 0.2, 0.3, 0.4]}, r"two arms or more. Received: \['a'\]"),
        ({"a": [0] * 4, "b": [0, 0, 0, 2]}, r"`b` must be in \[0, 1\]"),
        ({"a": [0] * 4, "b": [0]}, "`labels` and `b` .* 4 and 1"),
    ],
)
def test_arms_which_cannot_be_compared_are_refused(arms, message):
    with pytest.raises(ValueError, match=message):
        paired_tests.compare_arms([0, 0, 1, 1], arms)


def test_matching_prefers_more_pairs_to_nearer_ones():
    # Nearest first would pair 1.0 with 1.1 and leave 0.0 and 2.0 too far apart.
    labels, values = [1, 1, 0, 0], [0.0, 1.0, 1.1, 2.0]
    assert paired_tests.match_on(labels, values, 1.2).tolist() == [0, 1, 2, 3]
    assert paired_tests.match_on(labels, values, 1.0).tolist() == [1, 2]
    assert paired_tests.match_on(labels, values, 0.1).tolist() == []


def best_matching(labels, values, caliper):
    """Number of pairs and their summed distance, of all ways to pair."""
    positive, negative = values[labels == 1], values[labels == 0]
    if len(positive) > len(negative):
        positive, negative = negative, positive
    results = []
    for chosen in itertools.permutations(negative, len(positive)):
        gaps = np.abs(positive - chosen)
        gaps = gaps[gaps <= caliper]
        results.append((-len(gaps), gaps.sum()))
    return min(results)


@pytest.mark.parametrize("seed", range(20))
def test_matching_is_the_best_of_all_ways_to_pair(seed):
    generator = np.random.default_rng(seed)
    labels = generator.permutation([1, 1, 1, 1, 0, 0, 0, 0, 0, 0][seed % 3 :])
    values = generator.random(len(labels))
    chosen = paired_tests.match_on(labels, values, 0.15)
    # On a line the best pairs are those of the sorted values.
    positive, negative = (np.sort(values[chosen[labels[chosen] == v]]) for v in (1, 0))
    gaps = np.abs(positive - negative)
    num, total = best_matching(labels, values, 0.15)
    assert (len(gaps), gaps.max(initial=0) <= 0.15) == (-num, True)
    assert gaps.sum() == pytest.approx(total)


def test_matching_draws_the_same_of_equal_pairs_each_time():
    labels, values = [1] + [0] * 9, [0.5] * 10
    first, again = (paired_tests.match_on(labels, values, 0).tolist() for _ in range(2))
    assert first == again and len(first) == 2 and 0 in first


def test_matching_on_one_class_is_empty_and_can_still_index():
    chosen = paired_tests.match_on([1, 1], [0.5, 0.6], 1)
    assert np.array(["a", "b"])[chosen].tolist() == []


@pytest.mark.parametrize("caliper", [-0.1, np.inf, np.nan])
def test_matching_refuses_a_caliper_without_meaning(caliper):
    with pytest.raises(ValueError, match="`caliper` must be finite and >= 0"):
        paired_tests.match_on([0, 1], [1, 2], caliper)
