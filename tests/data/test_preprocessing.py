import numpy as np
import pytest

from rds_tf.data import preprocessing


def test_letterbox_keeps_proportions_and_centres():
    wide = np.ones((50, 100), "float32")
    square = preprocessing.letterbox(wide, 64)
    assert square.shape == (64, 64)
    np.testing.assert_allclose(square[16:48], 1, atol=1e-6)
    assert (square[:16] == 0).all() and (square[48:] == 0).all()


@pytest.mark.parametrize("shape", [(40, 100), (100, 40), (77, 77), (300, 200)])
def test_unletterbox_undoes_letterbox(shape):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    ramp = ((rows / shape[0] + columns / shape[1]) / 2).astype("float32")
    back = preprocessing.unletterbox(preprocessing.letterbox(ramp, 128), shape)
    assert back.shape == shape
    assert np.abs(back - ramp).max() < 0.02


def test_stretch_takes_exposure_out():
    rng = np.random.default_rng(0)
    film = rng.uniform(0.1, 0.9, (64, 64)).astype("float32")
    darker = 0.5 * film + 0.1
    np.testing.assert_allclose(
        preprocessing.stretch(film), preprocessing.stretch(darker), atol=1e-5
    )


def test_stretch_maps_the_percentiles_to_the_ends():
    film = np.linspace(0.2, 0.8, 10_000, dtype="float32").reshape(100, 100)
    out = preprocessing.stretch(film)
    assert (out == 0).mean() == pytest.approx(0.01, abs=0.001)
    assert (out == 1).mean() == pytest.approx(0.01, abs=0.001)


def test_a_black_film_stays_black():
    assert not preprocessing.preprocess(np.zeros((30, 40), "float32"), 32).any()
