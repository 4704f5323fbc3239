"""What a diagnosis says, and what it keeps to itself where it does not decide."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from rds_phantoms import phantom
from rds_tf.classification import classifier, ensemble
from rds_tf.data import duplicates
from rds_tf.diagnosis import batch, diagnose, input_checks
from rds_tf.dicom import header, radiograph
from rds_tf.lungs import segmenter

HAND = {"body part": "The header says HAND, no chest."}


@pytest.fixture(scope="module")
def chest():
    return phantom.make_phantom(3, (300, 320))


def stub(kind, name="one", seen=(), **manifest):
    training = {"training": {"data": f"9 {name}s", "seen": list(seen)}}
    manifest = {**training, "weights": {"sha256": "5" * 64}, **manifest}
    return kind(None, manifest, Path(name))


@pytest.fixture
def shapes(monkeypatch):
    """Networks that call every film RDS, and find perfect lungs in it.

    A list of the shapes of the images that they were asked about.
    """
    asked = []

    def segment(_, images, steps):
        masks = [np.zeros(image.shape, "uint8") for image in images]
        for mask in masks:
            height, width = np.multiply(mask.shape, 0.01)
            rows = slice(round(20 * height), round(80 * height))
            mask[rows, round(19 * width) : round(40 * width)] = 1
            mask[rows, round(56 * width) : round(78 * width)] = 1
        return {steps[0]: [segmenter.Segmentation(mask, 0.9) for mask in masks]}

    def ask(classifiers, image, mask):
        asked.append((image.shape, len(classifiers)))
        return np.full(len(classifiers), 2.0), mask.astype("float32"), 0.25

    monkeypatch.setattr(segmenter, "segment_steps", segment)
    monkeypatch.setattr(ensemble, "ask_models", ask)
    return asked


@pytest.fixture
def models(shapes):
    lungs, one = stub(segmenter.Segmenter), stub(classifier.Classifier, input="whole")
    return diagnose.Models([lungs], [one])


def judge(image, models, **film):
    return diagnose.diagnose_radiograph(radiograph.Radiograph(image, 8, **film), models)


def test_a_film_that_fails_a_check_has_neither_probability_nor_map(chest, models):
    plain = judge(chest.image, models)
    assert plain.decision == "RDS" and plain.warnings == ()
    assert plain.probability == plain.score == pytest.approx(0.880797)  # logit 2
    assert plain.heatmap.any() and plain.failed_checks == {}
    found = judge(chest.image, models, header_failures=HAND)
    assert found.decision == "not decided" and found.failed_checks == HAND
    assert found.probability is None and not found.heatmap.any()
    assert found.warnings == found.abstention_reasons == tuple(HAND.values())
    assert found.score == plain.score  # to measure models on many films


def test_the_record_of_an_undecided_film_holds_no_probability(chest, models):
    def describe(**film):
        found = judge(chest.image, models, **film)
        return diagnose.describe(found, Path("a.dcm"), models)

    decided, open_ = describe(), describe(header_failures=HAND)
    assert decided["probability"] == decided["probability_of_each_classifier"]["one"]
    assert decided["statement"] == "probability of RDS 0.88: RDS"
    assert decided["heat_in_lungs"] == 0.25 and decided["reasons"] == []
    assert open_["probability"] is None and open_["heat_in_lungs"] is None
    assert open_["probability_of_each_classifier"] == {"one": None}
    assert open_["statement"] == "not decided: The header says HAND, no chest."
    assert open_["reasons"] == [*HAND.values()] and open_["failed_checks"] == HAND
    assert "0.88" not in str(open_)


def test_a_film_whose_mask_is_bad_has_no_probability_where_models_look_through_it(
    chest, models, monkeypatch
):
    bad = segmenter.Segmentation(chest.mask, 0.7)
    monkeypatch.setattr(segmenter, "segment_steps", lambda *_: {_[2][0]: [bad]})
    assert judge(chest.image, models).probability is not None
    cropped = stub(classifier.Classifier, input="combined")
    found = judge(chest.image, dataclasses.replace(models, classifiers=[cropped]))
    assert found.decision == "not decided" and found.probability is None


def test_the_caption_says_the_probability_of_what_and_what_the_models_learnt_from(
    chest, models, monkeypatch
):
    captions = []
    monkeypatch.setattr(
        batch.overlay, "draw_overlay", lambda *layers: captions.append(layers[-1])
    )
    for failed in ({}, HAND):
        batch.draw_diagnosis(judge(chest.image, models, header_failures=failed))
    decided, open_ = (caption.splitlines() for caption in captions)
    assert decided == [
        "probability of RDS 0.88: RDS",
        "Heat map: context, not evidence. 25% of it lay in the lungs.",
        "All models were trained on 9 ones.",
    ]
    assert open_ == [
        "not decided: The header says HAND, no chest.",
        "All models were trained on 9 ones.",
    ]


def test_models_name_each_set_that_they_were_trained_on_once(models):
    others = [stub(classifier.Classifier, name) for name in ("film", "film", "twin")]
    both = dataclasses.replace(models, classifiers=others)
    assert both.trained_on == (
        "The model of the lungs was trained on 9 ones, that of RDS on 9 films and "
        "9 twins."
    )


def test_models_of_another_finding_say_its_name(chest, models):
    for threshold, verdict in ((0.5, "pneumonia"), (0.95, "no pneumonia")):
        joined = ensemble.Ensemble(threshold=threshold, finding="pneumonia")
        found = judge(chest.image, dataclasses.replace(models, joined=joined))
        assert (found.verdict, found.finding) == (verdict, "pneumonia")
        assert found.statement == f"probability of pneumonia 0.88: {verdict}"


def test_a_films_own_ruler_tells_an_adult(chest, models):
    # The lungs of the stand-in segmenter: 180 rows, 190 columns.
    newborn, adult = (
        judge(chest.image, models, pixel_mm=(mm, mm)) for mm in (0.5, 1.3)
    )
    assert newborn.decision == "RDS" and adult.decision == "not decided"
    assert adult.failed_checks == {
        "size": "The lungs are as large as an adult's, 24 cm."
    }


def test_burned_in_text_is_a_warning_and_no_reason_to_abstain(chest, models):
    found = judge(chest.image, models, header_warnings=(header.BURNED_IN,))
    assert found.decision == "RDS" and found.warnings == (header.BURNED_IN,)


def test_lungs_of_the_negative_alone_tell_inverted_greys(models, monkeypatch):
    slope = np.add.outer(*[np.linspace(0, 0.07, 100, dtype="float32")] * 2)
    image = 0.3 + slope  # the negative of a chest
    image[20:80, 20:40] += 0.5
    image[20:80, 60:80] += 0.5

    def segment(_, images, steps):  # finds what is darker than its neighbourhood
        dark = images[0] < 0.5
        dark[:2] = dark[-2:] = False
        good = dark.mean() < 0.5
        return {steps[0]: [segmenter.Segmentation(dark.astype("uint8"), 0.9 * good)]}

    monkeypatch.setattr(segmenter, "segment_steps", segment)
    found = judge(image, models)
    assert found.failed_checks == {"inversion": input_checks.NEGATIVE}
    assert judge(1 - image, models).failed_checks == {}
    flat = judge(0.3 + slope, models)
    assert "lungs" in flat.failed_checks and "inversion" not in flat.failed_checks


def test_oblong_pixels_are_made_square_for_the_models_and_the_picture(
    chest, models, shapes
):
    half = cv2.resize(chest.image, (320, 150), interpolation=cv2.INTER_AREA)
    found = judge(half, models, pixel_ratio=2.0, pixel_mm=(0.4, 0.2))
    assert shapes == [((300, 320), 1)]  # what the classifier saw
    assert found.decision == "RDS" and diagnose.RESHAPED in found.warnings
    # Layers lie on the film's own pixels, as annotations and DICOM need them.
    assert found.mask.shape == found.heatmap.shape == found.image.shape == (150, 320)
    assert found.mask.sum() == pytest.approx(0.43 * 0.6 * half.size, rel=0.02)
    picture = batch.draw_diagnosis(found)
    assert picture.shape[1] == 640 and picture.shape[0] > 600


def test_pixels_of_an_impossible_shape_are_not_made_square(chest, models, shapes):
    failed = {"pixel shape": "The header says that a pixel is 1000 times as high."}
    found = judge(chest.image, models, pixel_ratio=1000.0, header_failures=failed)
    assert shapes == [((300, 320), 1)] and found.pixel_ratio == 1
    assert found.decision == "not decided"


def test_a_film_is_judged_by_the_models_that_never_saw_it(chest, models, shapes):
    pixels = duplicates.hash_pixels(chest.image)[:16]

    def ask(*seen):
        several = [
            stub(classifier.Classifier, f"fold_{n}", one, input="whole")
            for n, one in enumerate(seen)
        ]
        return judge(chest.image, dataclasses.replace(models, classifiers=several))

    some = ask([pixels], ["other"], [])
    assert shapes[-1][1] == 2 and some.decision == "RDS"
    assert np.isnan(some.single).tolist() == [True, False, False]
    assert some.warnings == (
        "1 of 3 models saw this film in training and were not asked about it.",
    )
    every = ask([pixels], [pixels, "other"])
    assert every.failed_checks == {"seen in training": diagnose.SEEN_BY_ALL}
    assert every.decision == "not decided" and every.probability is None
    assert ask(["other"], []).warnings == ()
