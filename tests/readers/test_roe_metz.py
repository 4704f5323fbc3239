"""Simulated readings have the moments that the model states."""

import numpy as np
import pytest

from rds_readers import mrmc, roe_metz

HL = roe_metz.STRUCTURES["HL"]


@pytest.mark.parametrize("name", roe_metz.STRUCTURES)
def test_structures_add_up_to_one_as_roe_and_metz_have_them(name):
    variances = roe_metz.STRUCTURES[name]
    assert sum(variances[2:]) == pytest.approx(1)
    assert variances.reader == variances.treatment_reader


def test_readings_share_what_the_model_says_they_share():
    variances = roe_metz.Variances(0.5, 0.3, 0.4, 0.2, 0.6, 0.1)
    generator = np.random.default_rng(0)
    truth, ratings = roe_metz.simulate(
        variances,
        (0.7, 0.8),
        num_readers=2,
        num_cases=(2, 2),
        num_studies=60_000,
        generator=generator,
    )
    assert truth.tolist() == [0, 0, 1, 1] and ratings.shape == (60_000, 2, 2, 4)
    one = ratings[:, 0, 0, 0]
    expected = {  # the effects that a reading has in common with the first
        (0, 0, 0): sum(variances),
        (1, 0, 0): 0.5 + 0.4 + 0.6,  # reader, case, reader and case
        (0, 1, 0): 0.4 + 0.2,  # case, treatment and case
        (1, 1, 0): 0.4,  # case
        (0, 0, 1): 0.5 + 0.3,  # reader, treatment and reader
        (1, 0, 1): 0.5,  # reader
        (0, 1, 1): 0,
        (0, 0, 2): 0,  # the diseased have effects of their own
    }
    for (treatment, reader, case), wanted in expected.items():
        other = ratings[:, treatment, reader, case]
        assert np.cov(one, other)[0, 1] == pytest.approx(wanted, abs=0.04)


def test_readers_reach_the_aurocs_asked_for():
    generator = np.random.default_rng(1)
    truth, ratings = roe_metz.simulate(
        HL,
        (0.75, 0.9),
        num_readers=4,
        num_cases=(40, 30),
        num_studies=2000,
        generator=generator,
    )
    scores, _ = mrmc.score_auroc(truth, ratings)
    np.testing.assert_allclose(scores.mean(axis=(0, 2)), [0.75, 0.9], atol=0.004)


def test_correlations_come_back_as_variances():
    found = roe_metz.set_correlations(HL, 0.8, 0.45, 0.4)
    np.testing.assert_allclose(found, [0.0055, 0.0055, 0.4, 0.05, 0.4, 0.15])
    with pytest.raises(ValueError, match="correlations must satisfy"):
        roe_metz.set_correlations(HL, 0.8, 0.6, 0.3)
    with pytest.raises(ValueError, match="correlations must satisfy"):
        roe_metz.set_correlations(HL, 0.3, 0.6, 0.4)


def test_test_keeps_its_level_and_blocks_change_nothing_but_the_draws(monkeypatch):
    options = {"num_readers": 5, "num_cases": (50, 50), "num_studies": 1000, "seed": 3}
    done = []
    options["update"] = done.append
    false = roe_metz.simulate_rejections(HL, (0.8, 0.8), **options)
    assert 0.03 <= false <= 0.07  # three standard errors about 0.05
    assert done == [1000]
    monkeypatch.setattr(roe_metz, "BLOCK", 400_000)
    again = roe_metz.simulate_rejections(HL, (0.8, 0.8), **options)
    assert 0.03 <= again <= 0.07
    assert done[1:] == [400, 400, 200]


def test_aurocs_outside_the_unit_are_refused():
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        roe_metz.separate(HL, (0.9, 1.0))
