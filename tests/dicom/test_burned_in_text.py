import cv2
import numpy as np
import pytest

from rds_phantoms import phantom
from rds_tf.dicom import burned_in_text


@pytest.fixture(scope="module")
def film():
    """A phantom with one marker letter and no line of text."""
    made = [phantom.make_phantom(seed, (400, 400)) for seed in range(8)]
    return next(one.image for one in made if one.text in (("R",), ("L",)))


def write(film, text, at, size=0.6, grey=255):
    ink = np.zeros(film.shape, "uint8")
    cv2.putText(ink, text, at, 0, size, 255, 1, cv2.LINE_AA)
    cover = ink / np.float32(255)
    return (1 - cover) * film + cover * np.float32(grey / 255)


def test_a_film_without_text_shows_none(film):
    assert burned_in_text.find_lines(film) == []
    assert burned_in_text.list_warnings(film) == []


@pytest.mark.parametrize("text", ["R", "L", "AP"])
def test_a_marker_is_no_line_of_text(text):
    blank = np.zeros((400, 400), "float32")
    assert burned_in_text.find_lines(write(blank, text, (10, 40), 1.0)) == []


def test_a_name_near_the_border_is_found_where_it_stands(film):
    (box, *_) = burned_in_text.find_lines(write(film, "KIM MINJUN", (10, 390)))
    top, bottom, left, right = box
    (wide, tall), _ = cv2.getTextSize("KIM MINJUN", 0, 0.6, 1)
    assert abs(top - (390 - tall)) <= 5 and abs(bottom - 391) <= 3
    assert abs(left - 10) <= 4 and abs(right - (10 + wide)) <= 4


def test_text_that_is_turned_or_dark_is_found():
    grey = np.full((400, 400), 0.6, "float32")
    dark = write(grey, "2024-03-17", (10, 30), grey=0)
    assert burned_in_text.list_warnings(dark) == [burned_in_text.WARNING]
    assert burned_in_text.list_warnings(np.rot90(dark).copy()) == [
        burned_in_text.WARNING
    ]


def test_text_in_the_middle_is_not_near_the_border():
    blank = np.zeros((400, 400), "float32")
    assert burned_in_text.find_lines(write(blank, "2024-03-17", (140, 205))) == []


def test_a_large_film_is_searched_on_a_smaller_copy_and_answered_in_its_pixels():
    large = write(np.zeros((4096, 1000), "float32"), "KIM MINJUN", (100, 4000), 3)
    (top, bottom, left, _), *_ = burned_in_text.find_lines(large)
    assert 3900 < top < bottom < 4020 and 90 < left < 120


def test_strokes_side_by_side_are_text_in_one_grey_and_none_where_each_has_another():
    beads = np.zeros((400, 400), "float32")
    for index in range(8):
        beads[20:30, 20 + 11 * index : 25 + 11 * index] = 0.2
    assert burned_in_text.find_lines(beads)
    ramp = np.clip((np.arange(400, dtype="float32") - 20) / 110, 0, 0.8)
    assert burned_in_text.find_lines(ramp + beads) == []


def test_greys_measured_all_at_once_are_those_of_numpy_stroke_by_stroke():
    rng = np.random.default_rng(4)
    owners = rng.permutation(np.repeat(range(9), range(1, 10)))
    values = rng.random(len(owners), dtype=np.float32) * 0.2
    greys, shares = burned_in_text._measure_greys(values, owners)
    for stroke in range(9):
        inside = values[owners == stroke]
        grey = np.percentile(inside, 90)
        core = inside[inside >= np.median(inside)]
        assert greys[stroke] == pytest.approx(grey, rel=1e-6)
        assert shares[stroke] == np.mean(np.abs(core - grey) < 0.04)


def test_a_raster_of_dots_costs_no_more_than_a_film_with_text(monkeypatch):
    raster = np.zeros((1024, 1024), "float32")
    raster[::6, ::6] = 1
    raster = cv2.dilate(raster, np.ones((3, 3)))  # 29,000 dots
    name = write(np.zeros_like(raster), "KIM MINJI 0123", (20, 60), 2.0)
    raster[:90] = name[:90]
    boxes, _ = burned_in_text._find_strokes(raster)
    assert len(boxes) <= burned_in_text.MAX_STROKES
    assert burned_in_text.find_lines(raster)  # letters are taller than dots
