import cv2
import numpy as np
import pytest

from rds_tf import store
from rds_tf.data import prepare
from rds_tf.lungs import ladder, postprocess, segmenter


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def lungs(film):
    return (film > 0.15) & (film < 0.5)


def test_a_prediction_has_the_size_of_its_film(dark, film):
    (probability,) = segmenter.predict(dark, [film])
    assert probability.shape == film.shape
    assert overlap(probability > 0.5, lungs(film)) > 0.8


def test_turning_and_averaging_changes_nothing_for_a_network_without_direction(
    dark, film
):
    plain, turned = (
        segmenter.predict(dark, [film])[0],
        segmenter.predict_turned(dark, [film])[0],
    )
    assert overlap(plain > 0.5, turned > 0.5) > 0.97


def test_the_upright_pass_comes_back_in_the_orientation_of_the_film(dark, film):
    turned = postprocess.rotate(film, 40, expand=True)
    first = segmenter.predict(dark, [turned])
    (second,) = segmenter.predict_upright(dark, [turned], first)
    first, second = (segmenter.clean(p) == 1 for p in (first[0], second))
    assert overlap(first, second) > 0.8


def test_each_step_gives_one_mask_a_film_of_its_size(dark, film):
    masks = segmenter.segment_steps(dark, [film, film[:60]])
    assert set(masks) == set(segmenter.STEPS)
    for step in segmenter.STEPS:
        assert [mask.shape for mask in masks[step]] == [(90, 120), (60, 120)]
        assert all(mask.dtype == np.uint8 for mask in masks[step])


def test_a_film_larger_than_the_network_keeps_its_size(dark, film):
    large = cv2.resize(film, (600, 450))
    (mask,) = segmenter.segment(dark, [large], "median")
    assert mask.shape == (450, 600)
    assert overlap(mask == 1, lungs(large)) > 0.8


def test_an_unknown_step_is_refused(dark, film):
    with pytest.raises(ValueError, match="`steps` must be among"):
        segmenter.segment(dark, [film], "polish")


def test_implausible_masks_are_named():
    two = np.zeros((100, 100), "uint8")
    two[20:80, 10:40] = 1
    assert segmenter.mask_warnings(0 * two) == ["No lung was found."]
    (sentence,) = segmenter.mask_warnings(two)
    assert "Only one lung" in sentence
    two[20:80, 60:90] = 1
    assert segmenter.mask_warnings(two) == []
    two[20:60, 60:90] = 0
    (sentence,) = segmenter.mask_warnings(two)
    assert "more than twice" in sentence


def test_a_perfect_network_climbs_to_the_top_of_the_ladder(prepared, monkeypatch):
    table = prepare.load_manifest(prepared)
    table = table[table["mask"] != ""]
    truths = {}
    for row in table.itertuples():
        image, truth = ladder.read_case(prepared, row)
        truths[image.tobytes()] = (truth > 0.5).astype("uint8")

    def perfect(model, images, steps):
        return {step: [truths[image.tobytes()] for image in images] for step in steps}

    monkeypatch.setattr(segmenter, "segment_steps", perfect)
    scores = ladder.score_cases(None, prepared, table)
    for step in segmenter.STEPS:
        assert scores[step].shape == (len(table), 3)
        assert (scores[step] == 1).all()


def test_a_case_goes_to_a_segmenter_that_did_not_see_its_patient(
    prepared, tiny_unet, tmp_path, monkeypatch
):
    table = prepare.load_manifest(prepared)
    for fold in range(2):
        seen = table.loc[table["fold"] != fold, "pixel_sha256"].str[:16].tolist()
        manifest = {
            "kind": "segmenter",
            "architecture": {"image_size": 16, "filters": 2, "depth": 1},
            "training": {"seen": seen},
        }
        store.save_model(tiny_unet, tmp_path / f"fold_{fold}", manifest)
    parts = list(segmenter.assign_unseen(table, tmp_path))
    assert [set(rows["fold"]) for _, rows in parts] == [{0}, {1}]
    with pytest.raises(store.ModelError, match="every one was seen"):
        list(segmenter.assign_unseen(table[table["fold"] > 1], tmp_path))
