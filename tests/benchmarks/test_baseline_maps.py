import baseline_maps
import keras
import numpy as np
import pytest


def two_conv_model():
    keras.utils.set_random_seed(3)
    layers = keras.layers
    inputs = keras.Input((12, 12, 1))
    x = layers.Conv2D(4, 3, strides=2, activation="relu", name="conv_1")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, name="conv_2")(x))
    return keras.Model(inputs, layers.Dense(1, name="logit")(x))


def changed_layers(model, other):
    return [
        layer.name
        for layer, its in zip(model.layers, other.layers, strict=True)
        if any(
            (one != two).any()
            for one, two in zip(layer.get_weights(), its.get_weights(), strict=True)
        )
    ]


def test_heat_is_shared_out_as_by_hand():
    heatmap = np.array([[4, 3], [2, 1]])
    left, top = np.array([[1, 0], [1, 0]]), np.array([[1, 1], [0, 0]])
    proportions = baseline_maps.heat_proportions(heatmap, {"left": left, "top": top})
    assert proportions == pytest.approx({"left": 0.6, "top": 0.7, "outside": 0.1})
    assert baseline_maps.heat_proportions(heatmap, {}) == {"outside": 1.0}
    empty = baseline_maps.heat_proportions(0 * heatmap, {"left": left})
    assert all(np.isnan(proportion) for proportion in empty.values())


def test_heat_proportions_refuses_a_region_called_outside_and_negative_heat():
    for heatmap, name in ((np.ones((2, 2)), "outside"), (-np.ones((2, 2)), "left")):
        with pytest.raises(ValueError, match="Received: minimum"):
            baseline_maps.heat_proportions(heatmap, {name: np.ones((2, 2))})


def test_pointing_game_allows_its_tolerance_and_no_more():
    heatmap, cause = np.zeros((5, 6)), np.zeros((5, 6))
    heatmap[0, 0] = 1
    cause[3, 4:] = 1  # a (3, 4, 5) triangle away
    assert not baseline_maps.points_at(heatmap, cause)
    assert not baseline_maps.points_at(heatmap, cause, 4.9)
    assert baseline_maps.points_at(heatmap, cause, 5)
    heatmap[3, 5] = 2
    assert baseline_maps.points_at(heatmap, cause)


def test_nothing_is_pointed_at_without_heat_or_without_cause():
    assert not baseline_maps.points_at(np.ones((2, 2)), np.ones((2, 2)))
    assert not baseline_maps.points_at(np.eye(2), np.zeros((2, 2)), 9)
    with pytest.raises(ValueError, match=r"shape \(2, 2\)"):
        baseline_maps.points_at(np.eye(2), np.zeros((2, 3)))


def test_shuffling_the_top_layer_leaves_the_original_and_the_layers_below():
    model = two_conv_model()
    before = model.get_weights()
    copy = baseline_maps.randomise_weights(model, seed=1, proportion=0.1)
    assert changed_layers(model, copy) == ["logit"]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_shuffling_goes_down_from_the_logit_and_keeps_the_values():
    model = two_conv_model()
    half = baseline_maps.randomise_weights(model, proportion=0.5)
    assert changed_layers(model, half) == ["conv_2", "logit"]
    every = baseline_maps.randomise_weights(model, proportion=1)
    assert changed_layers(model, every) == ["conv_1", "conv_2", "logit"]
    for old, new in zip(model.get_weights(), every.get_weights(), strict=True):
        np.testing.assert_array_equal(np.sort(old, None), np.sort(new, None))
    images = np.random.default_rng(5).random((1, 12, 12, 1))
    assert model.predict_on_batch(images) != every.predict_on_batch(images)


def test_shuffling_has_its_seed_and_refuses_a_share_of_nothing():
    model = two_conv_model()
    first, again, other = (
        baseline_maps.randomise_weights(model, seed) for seed in (1, 1, 2)
    )
    assert changed_layers(first, again) == []
    assert changed_layers(first, other) == ["conv_1", "conv_2", "logit"]
    with pytest.raises(ValueError, match="Received: 0"):
        baseline_maps.randomise_weights(model, proportion=0)


def test_efficientnet_is_copied_and_shuffled(classifier):
    copy = baseline_maps.randomise_weights(classifier, proportion=0.02)
    assert changed_layers(classifier, copy) == ["top_conv", "top_bn", "logit"]


def test_similarity_knows_only_the_order():
    heatmap = np.array([[1, 2], [3, 4]])
    assert baseline_maps.similarity(heatmap, heatmap**3) == pytest.approx(1)
    assert baseline_maps.similarity(heatmap, -heatmap) == pytest.approx(-1)
    # Ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * (1 + 1 + 1 + 1) / (4 * 15) = 0.6.
    assert baseline_maps.similarity(heatmap, [[2, 1], [4, 3]]) == pytest.approx(0.6)
    assert baseline_maps.similarity(heatmap, np.ones((2, 2))) == 0
    with pytest.raises(ValueError, match="one shape"):
        baseline_maps.similarity(heatmap, heatmap[:1])


def test_every_film_has_controls_of_its_own():
    films = np.random.default_rng(1).random((2, 8, 8))
    drawn = baseline_maps.draw_baselines(films, seed=3)
    assert tuple(drawn) == baseline_maps.BASELINES
    assert all(one.shape == films.shape for one in drawn.values())
    for name in ("blurred", "random"):
        assert (drawn[name][0] != drawn[name][1]).any()
    other = baseline_maps.draw_baselines(films, seed=4)
    assert (drawn["random"] != other["random"]).any()


def test_random_baseline_has_as_few_cells_as_it_is_told():
    small, large = (baseline_maps.random_baseline((n, n), 5) for n in (4, 7))
    np.testing.assert_allclose(large[::2, ::2], small, atol=1e-6)
    between = (small[:, 1:] + small[:, :-1]) / 2
    np.testing.assert_allclose(large[::2, 1::2], between, atol=1e-6)
    assert small.min() == 0 and small.max() == 1 and small.dtype == np.float32
    assert (small != baseline_maps.random_baseline((4, 4), 6)).any()


def test_centre_baseline_falls_from_the_centre_alike_on_all_sides():
    bell = baseline_maps.centre_baseline((9, 5))
    assert bell[4, 2] == bell.max() == 1
    np.testing.assert_allclose(bell, bell[::-1, ::-1])
    # From the centre 4 of 9 rows up: exp(-8 (4 / 9) ** 2).
    assert bell[0, 2] == pytest.approx(np.exp(-128 / 81))


def test_blurred_baseline_is_hot_along_an_edge_whichever_side_is_bright():
    film = np.zeros((32, 32))
    film[:, 20:] = 1
    heatmap = baseline_maps.blurred_baseline(film)
    assert set(heatmap.argmax(axis=1)) <= {19, 20}
    assert heatmap[:, :8].max() < 0.01
    np.testing.assert_allclose(heatmap, baseline_maps.blurred_baseline(1 - film))
    assert not baseline_maps.blurred_baseline(np.ones((8, 8))).any()
