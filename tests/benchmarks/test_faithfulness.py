import json

import baseline_maps
import map_faithfulness as faithfulness
import numpy as np
import pytest

# One pixel of four speaks for RDS: logit ln 3 with it, 0 without it, so the
# probability is 0.75 or 0.5.
FILM = np.array([[1, 0.2], [0.4, 0.8]])
TRUE_MAP = np.array([[9, 3], [2, 1]])
BLACK = np.zeros((2, 2))


class Spy:
    """A linear model that remembers what it was asked: logit = sum(weights image)."""

    def __init__(self, weights):
        self.weights, self.calls = np.asarray(weights), []

    def __call__(self, images):
        self.calls.append(images)
        return (self.weights * images[..., 0]).sum(axis=(1, 2))


def first_pixel():
    return Spy([[np.log(3), 0], [0, 0]])


def patch_model():
    """The logit weighs the rows 2 to 5 and columns 8 to 11 of 16 x 16 pixels."""
    weights = np.zeros((16, 16))
    weights[2:6, 8:12] = 1
    return Spy(weights), weights


def patch_films(count=5):
    """Noise, bright in the patch and in a larger one that the model ignores."""
    films = np.random.default_rng(3).uniform(0, 0.2, (count, 16, 16, 1))
    films[:, 2:6, 8:12] += 0.6
    films[:, 9:15, :6] += 0.8
    return films - 0.45


def test_areas_of_four_pixels_are_those_computed_by_hand():
    deleted = faithfulness.deletion(first_pixel(), FILM, TRUE_MAP, 4, BLACK)
    np.testing.assert_allclose(deleted.proportions, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(deleted.probabilities, [0.75, 0.5, 0.5, 0.5, 0.5])
    assert deleted.area == pytest.approx(0.25 * 0.625 + 0.75 * 0.5)
    inserted = faithfulness.insertion(first_pixel(), FILM, TRUE_MAP, 4, BLACK)
    np.testing.assert_allclose(inserted.probabilities, [0.5, 0.75, 0.75, 0.75, 0.75])
    assert inserted.area == pytest.approx(0.25 * 0.625 + 0.75 * 0.75)


def test_areas_of_the_map_upside_down_are_those_computed_by_hand():
    deleted = faithfulness.deletion(first_pixel(), FILM, -TRUE_MAP, 4, BLACK)
    assert deleted.area == pytest.approx(0.75 * 0.75 + 0.25 * 0.625)
    inserted = faithfulness.insertion(first_pixel(), FILM, -TRUE_MAP, 4, BLACK)
    assert inserted.area == pytest.approx(0.75 * 0.5 + 0.25 * 0.625)


def test_pixels_go_in_the_order_of_their_heat_and_in_one_call():
    spy = first_pixel()
    faithfulness.deletion(spy, FILM[..., None], [[2, 4], [3, 1]], 4, "mean")
    (images,) = spy.calls
    mean = 0.6
    expected = [
        [[1, 0.2], [0.4, 0.8]],
        [[1, mean], [0.4, 0.8]],
        [[1, mean], [mean, 0.8]],
        [[mean, mean], [mean, 0.8]],
        [[mean, mean], [mean, mean]],
    ]
    np.testing.assert_allclose(images[..., 0], expected, rtol=1e-6)
    assert images.dtype == np.float32 and images.shape == (5, 2, 2, 1)


def test_insertion_goes_from_the_blurred_film_to_the_film_and_deletion_back():
    spy, weights = patch_model()
    (film,) = patch_films(1)
    for change in (faithfulness.insertion, faithfulness.deletion):
        change(spy, film, weights, 2)
    inserted, deleted = spy.calls
    np.testing.assert_array_equal(inserted[[0, -1]], deleted[[-1, 0]])
    np.testing.assert_array_equal(inserted[-1], film.astype("float32"))
    blurred = inserted[0]
    steps = [np.abs(np.diff(one, axis=0)).mean() for one in (blurred, film)]
    assert steps[0] < 0.5 * steps[1]
    assert blurred.mean() == pytest.approx(film.mean(), abs=0.02)


def test_pixels_of_one_heat_go_from_the_heat_outwards():
    spy = Spy(np.zeros((8, 8)))
    heatmap = np.zeros((8, 8))
    heatmap[1, 6] = 1
    faithfulness.deletion(spy, np.ones((8, 8)), heatmap, 64, np.zeros((8, 8)))
    survived = spy.calls[0].sum(axis=0)[..., 0]  # steps until a pixel went
    assert survived[1, 6] == survived.min() and survived[7, 0] == survived.max()
    assert survived[:3, 5:].max() < survived[:, :2].min()


def test_road_of_nine_pixels_is_the_one_computed_by_hand():
    film = np.array([[12, 0, 0], [6, 8, 0], [0, 0, 0]])
    heatmap = np.array([[5, 4, 4], [4, 9, 4], [4, 4, 1]])
    spy = Spy(np.log(3) / 6 * np.eye(3)[1] * np.eye(3)[[1]].T)  # the middle alone
    # The middle falls from 8 to 2: odds 3 ** (8 / 6) fall to 3 ** (2 / 6).
    found = faithfulness.road(spy, film, heatmap, [100 / 9], noise=0)
    hot, cold = 3 ** (2 / 6), 3 ** (8 / 6)
    np.testing.assert_allclose(found.most_first, [hot / (1 + hot)], rtol=1e-6)
    np.testing.assert_allclose(found.least_first, [cold / (1 + cold)], rtol=1e-6)
    assert found.score == pytest.approx(cold / (1 + cold) - hot / (1 + hot))
    # The corner becomes 8 / 12 over its weights 5 / 12, and nothing else changes.
    (images,) = spy.calls
    without_middle, without_corner = film.copy(), film.astype(float)
    without_middle[1, 1], without_corner[2, 2] = 2, 8 / 5
    expected = [without_middle, without_corner]
    np.testing.assert_allclose(images[..., 0], expected, rtol=1e-6)


def test_true_map_beats_its_opposite_and_a_random_map():
    predict, weights = patch_model()
    (film,) = patch_films(1)
    rivals = [-weights, baseline_maps.random_baseline((16, 16), seed=0)]
    for rival in rivals:
        for curve, sign in ((faithfulness.insertion, 1), (faithfulness.deletion, -1)):
            ours, theirs = (curve(predict, film, one).area for one in (weights, rival))
            assert sign * (ours - theirs) > 0.2
        ours, theirs = (
            faithfulness.road(predict, film, one).score for one in (weights, rival)
        )
        assert ours - theirs > 0.2


def test_maps_are_judged_beside_every_control():
    predict, weights = patch_model()
    films = patch_films()
    maps = {"true": np.stack([weights] * 5), "upside down": np.stack([-weights] * 5)}
    judged = faithfulness.judge_maps(predict, films, maps)
    assert list(judged) == ["true", "upside down", "blurred", "random", "centre"]
    areas = [faithfulness.deletion(predict, film, weights).area for film in films]
    assert judged["true"]["deletion"]["value"] == pytest.approx(np.mean(areas))
    for baseline in baseline_maps.BASELINES:
        found = judged["true"]["against"][baseline]
        assert found["insertion"]["low"] > 0 and found["deletion"]["high"] < 0
        gap = judged["true"]["road"]["value"] - judged[baseline]["road"]["value"]
        assert found["road"]["value"] == pytest.approx(gap)
        assert judged["upside down"]["against"][baseline]["road"]["high"] < 0
        # Around a lone patch the edges enclose all of it: as good for ROAD.
        assert found["road"]["low"] > 0 or baseline == "blurred"
        assert "against" not in judged[baseline]
    json.dumps(judged)


def test_every_film_is_judged_against_a_ground_of_its_own():
    predict, weights = patch_model()
    films = patch_films(2)
    grounds = np.stack([films[0, ..., 0], np.full((16, 16), -9.0)])
    judged = faithfulness.judge_maps(
        predict, films, {"true": np.stack([weights] * 2)}, fill=grounds
    )
    # The first is replaced by itself. The second is out after the first step of 20,
    # and wholly in after the second: 13 pixels a step, 16 in the patch.
    first, second = (
        1 / (1 + np.exp(-film[2:6, 8:12].sum())) for film in films.astype("float32")
    )
    areas = {"deletion": second * 0.05 / 2, "insertion": second * (0.9 + 0.05 / 2)}
    for metric, area in areas.items():
        expected = pytest.approx((first + area) / 2, abs=1e-4)
        assert judged["true"][metric]["value"] == expected


def test_intervals_are_over_patients():
    predict, weights = patch_model()
    maps = {"true": np.stack([weights] * 2)}
    films = patch_films(2)
    judged = faithfulness.judge_maps(predict, films, maps, groups=["a", "a"])
    assert judged["true"]["road"]["low"] is None
    assert judged["true"]["against"]["centre"]["road"]["high"] is None


def test_refuses_what_it_cannot_judge():
    spy = first_pixel()
    with pytest.raises(ValueError, match=r"Received: \(2, 2\) and \(2, 3\)"):
        faithfulness.deletion(spy, FILM, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        faithfulness.insertion(spy, FILM, FILM * np.nan)
    with pytest.raises(ValueError, match="Received: 'grey'"):
        faithfulness.deletion(spy, FILM, TRUE_MAP, fill="grey")
    with pytest.raises(ValueError, match="and not all"):
        faithfulness.road(spy, FILM, TRUE_MAP, percentages=[50, 100])
    with pytest.raises(ValueError, match="'random'"):
        faithfulness.judge_maps(spy, FILM[None, ..., None], {"random": FILM[None]})
    assert not spy.calls
