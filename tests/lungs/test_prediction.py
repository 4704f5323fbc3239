import numpy as np

from rds_tf.lungs import prediction, rotation


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def lungs(film):
    return (film > 0.15) & (film < 0.5)


def test_a_prediction_has_the_size_of_its_film(dark, film):
    (probability,) = prediction.predict(dark, [film])
    assert probability.shape == film.shape
    assert overlap(probability > 0.5, lungs(film)) > 0.8


def test_turning_and_averaging_changes_nothing_for_a_network_without_direction(
    dark, film
):
    plain, turned = (
        prediction.predict(dark, [film])[0],
        prediction.predict_turned(dark, [film])[0],
    )
    assert turned.shape == (4, 90, 120)
    np.testing.assert_array_equal(turned[0], plain)
    assert overlap(plain > 0.5, turned.mean(0) > 0.5) > 0.97


def test_the_upright_pass_comes_back_in_the_orientation_of_the_film(dark, film):
    turned = rotation.rotate(film, 40, expand=True)
    first = prediction.clean(prediction.predict(dark, [turned])[0])
    (second,) = prediction.predict_upright(dark, [turned], [first])
    assert second.shape == (2, *turned.shape)
    for one in second:  # as it stands, and mirrored
        assert overlap(first == 1, prediction.clean(one) == 1) > 0.8


def test_the_mean_of_quarter_turns_turns_with_the_film(tiny_unet):
    film = np.random.default_rng(0).random((16, 16), dtype="float32")
    before = prediction.predict_turned(tiny_unet, [film])[0].mean(0)
    after = prediction.predict_turned(tiny_unet, [np.rot90(film).copy()])[0].mean(0)
    np.testing.assert_allclose(np.rot90(before), after, atol=1e-5)
