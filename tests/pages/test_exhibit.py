"""What the exhibition page shows and says, without a server."""

import dataclasses
import os
import re
import sys
import time
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest

from rds_pages import language
from rds_pages.exhibition import exhibit, layout, stage, uploads
from rds_phantoms import phantom
from rds_tf.classification import ensemble
from rds_tf.diagnosis import diagnose, input_checks
from rds_tf.dicom import header, radiograph
from rds_tf.lungs import quality_control, segmenter

FILM = 0.8 * np.random.default_rng(0).random((40, 48)).astype("float32")


@pytest.fixture
def models(monkeypatch):
    """Networks of one rule each: lungs are what is dark, RDS what is bright."""

    def find_lungs(image):
        return segmenter.Segmentation((image < 0.3).astype("uint8"), 1.0)

    def find_rds(film, models):
        probability = round(float(film.image.mean()), 6)
        return diagnose.Diagnosis(
            image=film.image,
            mask=find_lungs(film.image).mask,
            mask_quality=1.0,
            heatmap=film.image * (probability >= 0.5),
            probability=probability,
            decision="RDS" if probability >= 0.5 else "no RDS",
            warnings=film.warnings,
            single=(probability,),
        )

    def segment_steps(model, images):
        return {step: [find_lungs(image) for image in images] for step in model}

    monkeypatch.setattr(diagnose, "diagnose_radiograph", find_rds)
    monkeypatch.setattr(segmenter, "segment_steps", segment_steps)
    manifest = {"input": "whole", "training": {"data": "9 phantoms, no real film"}}
    lungs = SimpleNamespace(model=tuple(segmenter.STEPS), heart="in")
    return diagnose.Models([lungs], [SimpleNamespace(manifest=manifest)])


def test_the_tube_setting_swaps_which_of_two_films_comes_first(models):
    on = exhibit.show_phantom(exhibit.Settings(tube=True), models, size=64)
    off = exhibit.show_phantom(exhibit.Settings(tube=False), models, size=64)
    for one, other in zip(on.without_and_with, off.without_and_with, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(on.truth, off.truth)
    without, with_tube = on.without_and_with
    assert (without.image != with_tube.image).any()
    assert on.found is with_tube and off.found.probability == without.probability


def test_the_tip_of_the_tube_moves_only_the_tube_and_the_weeks_the_infant(models):
    def show(**settings):
        return exhibit.show_phantom(exhibit.Settings(**settings), models, size=64)

    low, high, older = show(tube_tip=-0.5), show(tube_tip=2.5), show(weeks=44.0)
    np.testing.assert_array_equal(low.other.image, high.other.image)  # without it
    np.testing.assert_array_equal(low.truth, high.truth)
    assert (low.found.image != high.found.image).any()
    assert (older.truth != low.truth).any()


@pytest.mark.parametrize("heart", ["in", "out"])
def test_dice_is_that_of_the_mask_the_segmenter_was_trained_for(models, heart):
    models.segmenters[0].heart = heart
    settings = exhibit.Settings(severity=0.2, tube=False, seed=5, weeks=34)
    shown = exhibit.show_phantom(settings, models, size=64)
    made = phantom.make_phantom(5, (64, 64), 0.2, 20.0)
    truth = made.mask if heart == "in" else made.mask_without_heart
    found = made.image < 0.3
    expected = 2 * (truth * found).sum() / (truth.sum() + found.sum())
    assert list(shown.steps) == list(segmenter.STEPS)
    assert shown.steps["median"].dice == pytest.approx(float(expected))


def test_an_uploaded_film_is_shown_as_it_is_and_again_with_a_tube(models):
    shown = exhibit.show_film(radiograph.Radiograph(FILM, 8), models)
    without, with_tube = shown.without_and_with
    assert without is shown.found and without.probability == round(FILM.mean(), 6)
    assert with_tube.probability > without.probability  # a tube only adds shadow
    assert shown.severity is None and shown.truth is None
    assert all(step.dice is None for step in shown.steps.values())


@pytest.mark.parametrize(
    "settings",
    [
        {"severity": 2.0},
        {"angle_degrees": float("nan")},
        {"seed": -1},
        {"weeks": 23.0},
        {"weeks": float("nan")},
        {"tube_tip": float("nan")},
    ],
)
def test_settings_out_of_range_do_not_stop_the_page(models, settings, caplog):
    chosen = exhibit.Settings(**settings)
    assert layout.attempt(lambda: exhibit.show_phantom(chosen, models)) == ""
    assert "An exhibit failed." in caplog.text


def test_large_films_are_shrunk_for_the_screen(models):
    large = np.tile(FILM, (30, 30))
    shown = exhibit.show_film(radiograph.Radiograph(large, 8), models)
    assert shown.found.image.shape == (533, 640)
    assert shown.found.mask.shape == shown.steps["none"].mask.shape == (533, 640)
    assert set(np.unique(shown.found.mask)) <= {0, 1}


@pytest.mark.parametrize("code", ["en", "ko"])
def test_page_says_what_was_found_and_describes_every_picture(models, code):
    say = language.speak(stage.WORDS, code)
    film = radiograph.Radiograph(FILM, 8, "P1", ("<script>alert(1)</script>",))
    page = stage.draw(exhibit.show_film(film, models), code)
    assert (
        f"<strong>{FILM.mean():.2f}</strong>" in page
        and say("negative", finding="RDS") in page
    )
    assert say("map_none") in page
    assert "<script>" not in page and "&lt;script&gt;" in page
    pictures = re.findall(r"<img[^>]*>", page)
    assert len(pictures) == 2 + len(segmenter.STEPS) + 2
    assert all(re.search(r'alt="[^"]{8,}"', one) for one in pictures)
    assert f'lang="{code}"' in page


@pytest.mark.parametrize("code", ["en", "ko"])
def test_page_of_an_undecided_film_gives_the_reasons_and_no_number(
    models, monkeypatch, code
):
    rule, hand = diagnose.diagnose_radiograph, "The header says HAND, no chest."

    def undecide(film, models):
        found = rule(film, models)
        return dataclasses.replace(
            found,
            probability=None,
            heatmap=0 * found.heatmap,
            decision="not decided",
            warnings=(hand,),
            abstention_reasons=(hand,),
        )

    monkeypatch.setattr(diagnose, "diagnose_radiograph", undecide)
    shown = exhibit.show_film(radiograph.Radiograph(FILM, 8), models)
    page = stage.draw(shown, code)
    say = language.speak(stage.WORDS, code)
    assert say("undecided") in page and say("map_withheld") in page
    assert page.count(stage.translate(hand, code)) == 1  # not among the warnings too
    assert say("no_warnings") in page and say("change") not in page
    assert "gauge" not in page and "0.40" not in page  # FILM's mean


@pytest.mark.parametrize(("severity", "label"), [(0.19, "no RDS"), (0.20, "RDS")])
def test_page_says_whether_the_models_were_right(models, severity, label):
    settings = exhibit.Settings(severity=severity)
    shown = exhibit.show_phantom(settings, models, size=64)
    right = shown.found.decision == label
    page = stage.draw(shown, "en")
    grade = "0" if label == "no RDS" else "I"  # grade I is where RDS begins
    assert f"Drawn with severity {severity:.2f}: {label} (grade {grade} of IV" in page
    assert ("The models are right." in page) == right
    assert ("The models are wrong." in page) != right


def test_masks_are_painted_by_what_is_right_and_wrong():
    black = np.zeros((2, 2))
    mask, truth = np.array([[1, 1], [0, 0]]), np.array([[1, 0], [1, 0]])
    rgb = stage.compare_masks(black, mask, truth)
    expected = [
        [np.multiply(0.65, stage.FOUND), np.multiply(0.65, (232, 63, 190))],
        [np.multiply(0.65, stage.MISSED), (0, 0, 0)],
    ]
    np.testing.assert_array_equal(rgb, np.rint(expected))
    unknown = stage.compare_masks(black, mask)
    np.testing.assert_array_equal(unknown[0, 1], np.rint(expected[0][0]))


def warnings_of_the_modules():
    one, two = np.zeros((20, 20), "uint8"), np.zeros((20, 20), "uint8")
    one[5:7, 5:6] = two[2:18, 2:8] = two[5:8, 12:14] = 1
    yield from quality_control.mask_warnings(np.zeros((9, 9), "uint8"))
    yield from quality_control.mask_warnings(one, 0.5)
    yield from quality_control.mask_warnings(two)
    rule = ensemble.Ensemble()
    yield from rule.explain_abstention(np.array([3.0, -1.0]), 0.2)
    yield uploads.ODD
    yield from (input_checks.INVERTED, input_checks.NEGATIVE, input_checks.ONE_LUNG)
    yield from (diagnose.SEEN, diagnose.SEEN_BY_ALL, diagnose.RESHAPED)
    yield diagnose.SEEN_BY_SOME.format(count=1, all=5)
    tiny = np.zeros((9, 8), "float32")
    yield from input_checks.list_failures(
        input_checks.Found(tiny, np.zeros((9, 8), "uint8"), 0.0)
    ).values()
    flat = np.zeros((400, 400), "float32")
    lungs = np.zeros((400, 400), "uint8")
    lungs[100:340, 20:140] = lungs[100:340, 260:380] = 1
    found = input_checks.Found(flat, lungs, 0.1, (1.0, 1.0))
    yield from input_checks.list_failures(found).values()
    yield input_checks.check_truncation(dataclasses.replace(found, quality=1.0))
    header_of_all = pydicom.Dataset()
    header_of_all.BodyPartExamined, header_of_all.ViewPosition = "HAND", "LL"
    header_of_all.PatientSpeciesDescription, header_of_all.PatientAge = "DOG", "040Y"
    header_of_all.PresentationIntentType = "FOR PROCESSING"
    header_of_all.PixelAspectRatio = [9, 1]
    failed = header.list_failures(header_of_all)
    assert failed.keys() == header.CHECKS.keys()
    yield from failed.values()


def test_every_warning_of_the_modules_is_said_in_korean():
    said = [sentence for sentence in warnings_of_the_modules() if sentence]
    assert len(said) >= 24
    for sentence in said:
        korean = stage.translate(sentence, "ko")
        assert re.search("[가-힣]", korean)
        numbers = re.findall(r"\d\.\d+", sentence)
        assert set(numbers) <= set(re.findall(r"\d\.\d+", korean))
        assert stage.translate(sentence, "en") == sentence
    assert stage.translate("Something new.", "ko") == "Something new."


def test_a_refusal_is_translated_with_its_cause_and_escaped():
    sentence = "Cannot use this film: its Modality <b> is no projection radiograph."
    page = stage.draw(sentence, "ko")
    assert "이 사진을 사용할 수 없습니다: &lt;b&gt;은(는) X선 사진이 아닙니다." in page
    assert stage.WORDS["failed"]["en"] in stage.draw("", "en")


@pytest.fixture
def film_file(tmp_path):
    path = tmp_path / "KIM_MINJI.png"
    radiograph.write_png(path, FILM)
    return path


def test_an_upload_is_read_in_another_process_and_deleted(film_file):
    expected = radiograph.read_image(film_file)
    film = uploads.read_upload(film_file, film_file.parent)
    np.testing.assert_array_equal(film.image, expected)
    assert film.patient_id == "" and film.warnings == ()
    assert list(film_file.parent.iterdir()) == []


def test_a_refused_upload_is_deleted_and_not_named(film_file):
    film_file.write_bytes(b"hello")
    with pytest.raises(radiograph.RadiographError) as refusal:
        uploads.read_upload(film_file, film_file.parent)
    assert str(refusal.value) == (
        "Cannot use this film: it is neither DICOM nor PNG nor JPEG."
    )
    assert list(film_file.parent.iterdir()) == []


def test_words_of_a_decoder_are_not_shown(film_file):
    film_file.write_bytes(film_file.read_bytes()[:-60])
    with pytest.raises(radiograph.RadiographError, match=f"film: {uploads.DAMAGED}"):
        uploads.read_upload(film_file, film_file.parent)


def test_an_upload_that_stalls_or_ends_its_reader_costs_only_itself(
    film_file, monkeypatch
):
    content = film_file.read_bytes()
    with pytest.raises(radiograph.RadiographError, match="takes over 0.001 seconds"):
        uploads.read_upload(film_file, film_file.parent, seconds=0.001)
    film_file.write_bytes(content)
    monkeypatch.setattr(uploads, "_read", sys.exit)  # ends without an answer
    with pytest.raises(radiograph.RadiographError, match="breaks the program"):
        uploads.read_upload(film_file, film_file.parent)
    assert list(film_file.parent.iterdir()) == []


@pytest.mark.parametrize("shape", [(31, 500), (500, 8193), (8000, 8000)])
def test_films_of_impossible_size_are_refused(shape):
    with pytest.raises(radiograph.RadiographError, match=f"{shape[0]} x {shape[1]}"):
        uploads.check_shape(shape)


def test_a_file_that_was_not_uploaded_is_refused_and_left_alone(film_file, tmp_path):
    (tmp_path / "uploads").mkdir()
    with pytest.raises(radiograph.RadiographError, match="was not uploaded"):
        uploads.read_upload(film_file, tmp_path / "uploads")
    assert film_file.is_file()


def test_sweep_deletes_what_is_old_and_folders_left_empty(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "film").write_bytes(b"x")
    for path in (tmp_path / "old" / "film", tmp_path / "old"):
        os.utime(path, (time.time() - 500,) * 2)
    assert uploads.sweep(tmp_path, age_seconds=100) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "film"]


def test_a_film_made_smaller_keeps_its_size_in_millimetres(models, monkeypatch):
    seen = []
    rule = diagnose.diagnose_radiograph
    monkeypatch.setattr(
        diagnose,
        "diagnose_radiograph",
        lambda film, models: seen.append(film) or rule(film, models),
    )
    image = np.random.default_rng(0).random((2 * exhibit.WORK_PX, 300), "float32")
    exhibit.show_film(radiograph.Radiograph(image, 8, pixel_mm=(0.1, 0.2)), models)
    height, width = seen[0].image.shape
    assert height == exhibit.WORK_PX
    lengths = np.multiply(seen[0].pixel_mm, (height, width))
    np.testing.assert_allclose(lengths, (0.2 * exhibit.WORK_PX, 60))  # as before
