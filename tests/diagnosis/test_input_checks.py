import dataclasses

import cv2
import numpy as np
import pytest

from rds_phantoms import phantom
from rds_tf.classification import classifier, ensemble
from rds_tf.diagnosis import batch, diagnose, input_checks
from rds_tf.dicom import header, radiograph
from rds_tf.lungs import quality_control, segmenter

GOOD = input_checks.MIN_QUALITY + 0.01
BAD = input_checks.MIN_QUALITY - 0.01


@pytest.fixture(scope="module")
def chest():
    return phantom.make_phantom(3, (300, 320))


def causes(image, mask, quality=GOOD, pixel_mm=None):
    sentences = input_checks.list_warnings(image, mask, quality, pixel_mm)
    assert all(one.startswith(header.NOT_CHEST) for one in sentences)
    return " ".join(sentences)


@pytest.mark.parametrize("turn", range(4))
def test_a_chest_gives_no_warning_turned_or_mirrored(chest, turn):
    image, mask = np.rot90(chest.image, turn), np.rot90(chest.mask, turn)
    assert causes(image, mask.copy()) == ""
    assert causes(image[:, ::-1], mask[:, ::-1].copy()) == ""


def test_lungs_that_only_some_predictions_show_give_a_warning(chest):
    assert "other places" in causes(chest.image, chest.mask, BAD)


def test_the_warning_of_a_tiny_image_has_its_size(chest):
    tiny = cv2.resize(chest.image, (8, 9), interpolation=cv2.INTER_AREA)
    assert "9 x 8 pixels" in causes(tiny, np.zeros((9, 8), "uint8"))


def test_black_and_white_is_no_film(chest):
    clipped = (chest.image > 0.5).astype("float32")
    assert "black and white" in causes(clipped, chest.mask)
    assert input_checks.grey_proportion(clipped) == 0


def test_lungs_cut_off_at_grey_rows_are_a_truncated_file(chest):
    image, mask = chest.image.copy(), chest.mask.copy()
    middle = int(np.nonzero(mask)[0].mean())
    image[middle:], mask[middle:] = 0.5, 0
    assert "truncated" in causes(image, mask)
    assert "truncated" in causes(image[::-1], mask[::-1])


def test_a_black_border_around_whole_lungs_gives_no_warning(chest):
    framed = np.pad(chest.image, 100)
    assert causes(framed, np.pad(chest.mask, 100)) == ""


def test_a_band_of_rows_over_and_over_gives_a_warning(chest):
    banded = np.tile(chest.image[120:160], (8, 1))
    assert "rows repeat" in causes(banded, chest.mask)


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
    assert "as large as an adult's, 24 cm" in causes(image, mask, pixel_mm=(1, 1))
    # A child of six has two thirds of it; a newborn less; no human has the double.
    for length in (0.66, 0.4, 2):
        assert causes(image, mask, pixel_mm=(length, length)) == ""


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


@pytest.fixture
def models(monkeypatch):
    """Return models that call every film RDS, and find perfect lungs in it."""

    def segment(_, images, steps):
        masks = [np.zeros(image.shape, "uint8") for image in images]
        for mask in masks:
            mask[60:240, 60:130] = mask[60:240, 180:250] = 1
        return {steps[0]: [segmenter.Segmentation(mask, 0.9) for mask in masks]}

    monkeypatch.setattr(segmenter, "segment_steps", segment)
    heat = np.zeros((300, 320), "float32")
    monkeypatch.setattr(
        ensemble, "ask_models", lambda *_: (np.array([2.0]), heat.copy())
    )
    net = segmenter.Segmenter(None, {"training": {"seen": []}}, None)
    return diagnose.Models(
        [net], [classifier.Classifier(None, {"input": "whole"}, None)]
    )


def test_an_out_of_distribution_image_keeps_its_probability_undecided(chest, models):
    plain = diagnose.diagnose_radiograph(radiograph.Radiograph(chest.image, 8), models)
    assert plain.decision == "RDS" and plain.warnings == ()
    says_hand = (f"{header.NOT_CHEST}the header says HAND.",)
    film = radiograph.Radiograph(chest.image, 8, header_warnings=says_hand)
    found = diagnose.diagnose_radiograph(film, models)
    assert found.decision == "not decided" and found.warnings == says_hand
    assert found.probability == plain.probability
    assert found.abstention_reasons == says_hand and plain.abstention_reasons == ()


def test_the_picture_says_why_a_film_is_not_decided(chest, models, monkeypatch):
    captions = []
    monkeypatch.setattr(
        batch.overlay, "draw_overlay", lambda *layers: captions.append(layers[-1])
    )
    says_hand = f"{header.NOT_CHEST}the header says HAND."
    for header_warnings in ((), (says_hand, header.BURNED_IN)):
        film = radiograph.Radiograph(chest.image, 8, header_warnings=header_warnings)
        batch.draw_diagnosis(diagnose.diagnose_radiograph(film, models))
    decided, open_ = captions
    assert decided == "RDS, probability 0.88"  # of a logit of 2
    assert open_ == f"not decided, probability 0.88\n{says_hand}"


def test_models_of_another_finding_say_its_name(chest, models):
    film = radiograph.Radiograph(chest.image, 8)
    for threshold, verdict in ((0.5, "pneumonia"), (0.95, "no pneumonia")):
        joined = ensemble.Ensemble(threshold=threshold, finding="pneumonia")
        others = dataclasses.replace(models, joined=joined)
        found = diagnose.diagnose_radiograph(film, others)
        assert (found.verdict, found.finding) == (verdict, "pneumonia")


def test_a_films_own_ruler_tells_an_adult(chest, models):
    # The lungs of the stand-in segmenter: 180 rows, 190 columns.
    newborn, adult = (
        diagnose.diagnose_radiograph(
            radiograph.Radiograph(chest.image, 8, pixel_mm=mm), models
        )
        for mm in ((0.5, 0.5), (1.3, 1.3))
    )
    assert newborn.decision == "RDS" and adult.decision == "not decided"
    assert "as large as an adult's, 24 cm" in adult.abstention_reasons[0]


def test_burned_in_text_is_a_warning_and_no_reason_to_abstain(chest, models):
    film = radiograph.Radiograph(chest.image, 8, header_warnings=(header.BURNED_IN,))
    found = diagnose.diagnose_radiograph(film, models)
    assert found.decision == "RDS" and found.warnings == (header.BURNED_IN,)
