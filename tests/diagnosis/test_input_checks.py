import cv2
import numpy as np
import pytest

from rds_phantoms import phantom
from rds_tf.diagnosis import input_checks
from rds_tf.lungs import quality_control

GOOD = input_checks.MIN_QUALITY + 0.01
BAD = input_checks.MIN_QUALITY - 0.01


@pytest.fixture(scope="module")
def chest():
    return phantom.make_phantom(3, (300, 320))


def fail(image, mask, quality=GOOD, pixel_mm=None):
    return input_checks.list_failures(
        input_checks.Found(image, mask, quality, pixel_mm)
    )


@pytest.mark.parametrize("turn", range(4))
def test_a_chest_fails_no_check_turned_or_mirrored(chest, turn):
    image, mask = np.rot90(chest.image, turn), np.rot90(chest.mask, turn)
    assert fail(image, mask.copy()) == {}
    assert fail(image[:, ::-1], mask[:, ::-1].copy()) == {}


def test_lungs_that_only_some_predictions_show_are_none(chest):
    assert "other places" in fail(chest.image, chest.mask, BAD)["lungs"]


def test_an_image_without_lungs_says_so(chest):
    empty = np.zeros_like(chest.mask)
    assert fail(chest.image, empty, 0.0) == {"lungs": "No lung was found."}


def test_the_sentence_on_a_tiny_image_has_its_size_and_stands_alone(chest):
    tiny = cv2.resize(chest.image, (8, 9), interpolation=cv2.INTER_AREA)
    failed = fail(tiny, np.zeros((9, 8), "uint8"), 0.0)
    assert failed == {"pixels": "The film is only 9 x 8 pixels."}


def test_black_and_white_is_no_film(chest):
    clipped = (chest.image > 0.5).astype("float32")
    assert "black and white" in fail(clipped, chest.mask)["greys"]
    assert input_checks.grey_proportion(clipped) == 0


def test_lungs_cut_off_at_grey_rows_are_a_truncated_file(chest):
    image, mask = chest.image.copy(), chest.mask.copy()
    middle = int(np.nonzero(mask)[0].mean())
    image[middle:], mask[middle:] = 0.5, 0
    assert "truncated" in fail(image, mask)["truncation"]
    assert "truncated" in fail(image[::-1], mask[::-1])["truncation"]


def test_a_black_border_around_whole_lungs_fails_no_check(chest):
    assert fail(np.pad(chest.image, 100), np.pad(chest.mask, 100)) == {}


def test_a_band_of_rows_over_and_over_is_no_film(chest):
    banded = np.tile(chest.image[120:160], (8, 1))
    assert "repeat" in fail(banded, np.pad(chest.mask, ((0, 20), (0, 0))))["repetition"]


def draw_lungs(lung, between):
    """Two lungs of one grey, side by side, what lies between them of another."""
    image, mask = np.full((200, 200), between, "float32"), np.zeros((200, 200), "uint8")
    mask[20:180, 20:80] = mask[20:180, 120:180] = 1
    image[mask > 0] = lung
    return image + np.linspace(0, 0.05, 200, dtype="float32"), mask


@pytest.mark.parametrize("lung", [0.2, 0.4, 0.49])
def test_lungs_brighter_than_what_lies_between_them_are_a_negative(lung):
    image, mask = draw_lungs(lung, 0.5)
    assert fail(image, mask) == {}
    assert fail(1 - image, mask) == {"inversion": input_checks.INVERTED}
    # The border of a printed film is white, that of a collimated one black.
    for border in (0, 1):
        framed = np.pad(image, 50, constant_values=border)
        assert not input_checks.is_inverted(framed, np.pad(mask, 50))
        assert input_checks.is_inverted(1 - framed, np.pad(mask, 50))


def test_one_lung_alone_is_no_frontal_view_and_says_nothing_of_the_greys():
    image, mask = draw_lungs(0.8, 0.3)
    mask[:, 100:] = 0
    assert fail(image, mask) == {"both lungs": input_checks.ONE_LUNG}
    assert not input_checks.is_inverted(image, mask)
    assert not input_checks.is_inverted(image, np.zeros_like(mask))


@pytest.mark.parametrize("noise_level", [0.0, 0.05, 0.1, 0.2, 1.0])
def test_repeated_rows_are_those_of_the_plain_formula(noise_level):
    rng = np.random.default_rng(0)
    band, noise = rng.random((12, 40)), rng.random((96, 40))
    film = (np.tile(band, (8, 1)) + noise_level * noise).astype("float32")
    spread = np.abs(film - film.mean(0)).mean()
    apart = [np.abs(film[lag:] - film[:-lag]).mean() for lag in range(3, 48)]
    expected = min(apart) < input_checks.SAME_ROWS * spread
    assert input_checks.repeats_rows(film) == expected == (noise_level < 0.1)


def test_two_lungs_that_run_together_below_a_notch_are_still_a_chest():
    mask = np.zeros((200, 200), "uint8")
    mask[20:180, 20:80] = mask[20:180, 120:180] = 1
    mask[20:60, 80:120] = 1
    # One component: the balance is a half, and the score falls by its root.
    assert quality_control.balance(mask) == 0.5
    like = input_checks.MIN_JOINED + 0.01
    assert input_checks.shows_lungs(mask, like * 0.5**0.5)
    assert not input_checks.shows_lungs(mask, (like - 0.02) * 0.5**0.5)
    one = mask.copy()
    one[:, 80:] = 0  # a half of a chest: no notch
    assert not input_checks.shows_lungs(one, like * 0.5**0.5)


@pytest.mark.parametrize("turn", range(4))
def test_lungs_of_an_adults_size_are_no_infants(turn):
    mask = np.zeros((300, 300), "uint8")
    mask[40:260, 20:120] = mask[40:260, 160:280] = 1  # 220 rows, 260 columns
    mask = np.rot90(mask, turn).copy()
    # Of 1 mm a pixel: the root of 219 x 259 mm is 238 mm, a grown person.
    image = np.random.default_rng(0).random(mask.shape, "float32")
    assert input_checks.measure_mm(mask, (1, 1)) == pytest.approx(238.2, abs=0.1)
    image[mask > 0] *= 0.5
    (sentence,) = fail(image, mask, pixel_mm=(1, 1)).values()
    assert sentence == "The lungs are as large as an adult's, 24 cm."
    # A child of six has two thirds of it; a newborn less; no human has the double.
    for length in (0.66, 0.4, 2):
        assert fail(image, mask, pixel_mm=(length, length)) == {}


def test_a_lungs_size_is_the_same_at_any_angle_and_with_oblong_pixels():
    canvas = np.zeros((600, 600), "uint8")
    box = cv2.boxPoints(((300, 300), (200, 300), 30)).astype(int)
    turned = cv2.fillPoly(canvas, [box], 1)
    expected = (200 * 300) ** 0.5
    assert input_checks.measure_mm(turned, (1, 1)) == pytest.approx(expected, rel=0.01)
    upright = np.zeros((600, 600), "uint8")
    upright[:101, :201] = 1  # 100 rows of 3 mm and 200 columns of 1 mm
    assert input_checks.measure_mm(upright, (3, 1)) == pytest.approx(expected, rel=0.01)
    assert input_checks.measure_mm(np.zeros((9, 9), "uint8"), (1, 1)) == 0
