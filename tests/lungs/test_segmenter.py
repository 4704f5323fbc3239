import cv2
import numpy as np
import pytest

from rds_tf.data import prepare
from rds_tf.lungs import segmenter, unet
from rds_tf.storage import model_store


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def lungs(film):
    return (film > 0.15) & (film < 0.5)


def test_each_step_gives_one_mask_a_film_of_its_size(dark, film):
    found = segmenter.segment_steps(dark, [film, film[:60]])
    assert set(found) == set(segmenter.STEPS)
    for step in segmenter.STEPS:
        assert [one.mask.shape for one in found[step]] == [(90, 120), (60, 120)]
        assert all(one.mask.dtype == np.uint8 for one in found[step])
        assert all(0 <= one.quality <= 1 for one in found[step])


@pytest.mark.parametrize("step", segmenter.STEPS)
def test_a_step_alone_finds_what_it_finds_among_all_and_costs_what_it_says(
    dark, film, step
):
    together = segmenter.segment_steps(dark, [film])[step][0]
    seen = []

    class Counted(type(dark)):
        def predict_on_batch(self, batch):
            seen.append(len(batch))
            return super().predict_on_batch(batch)

    alone = segmenter.segment_steps(Counted(), [film], (step,))[step][0]
    np.testing.assert_array_equal(alone.mask, together.mask)
    assert sum(seen) == segmenter.STEPS[step]


def test_a_film_larger_than_the_network_keeps_its_size(dark, film):
    large = cv2.resize(film, (600, 450))
    (mask,) = segmenter.segment(dark, [large], "median")
    assert mask.shape == (450, 600)
    assert overlap(mask == 1, lungs(large)) > 0.8


def test_an_enlarged_border_lies_where_the_probability_passes_a_half():
    probability = np.tile(np.float32([1, 1, 0.75, 0, 0, 0]), (6, 1))
    mask = (probability > 0.5).astype("uint8")
    large = segmenter._enlarge(mask, probability, (60, 60))
    # 0.75 stands at 2.5 and 0 at 3.5: one half at 2.5 + 1 / 3.
    assert abs(large[30].sum() - 10 * (2.5 + 1 / 3)) <= 1
    cleaned = mask.copy()
    cleaned[:, 2] = 0  # cleaning took the column, the probability is not asked
    assert not segmenter._enlarge(cleaned, probability, (60, 60))[:, 25:].any()


def test_an_unknown_step_is_refused(dark, film):
    with pytest.raises(ValueError, match="`steps` must be among"):
        segmenter.segment(dark, [film], "polish")


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
        model_store.save_model(tiny_unet, tmp_path / f"fold_{fold}", manifest)
    tools = segmenter.load_segmenters(tmp_path)
    parts = list(segmenter.assign_unseen(table, tools))
    assert [set(rows["fold"]) for _, rows in parts] == [{0}, {1}]
    with pytest.raises(model_store.ModelError, match="every one was seen"):
        list(segmenter.assign_unseen(table[table["fold"] > 1], tools))


def test_a_segmenter_of_two_conventions_draws_the_one_asked_for(tmp_path):
    model = unet.build_unet(16, filters=2, depth=1, num_masks=2)
    manifest = {
        "kind": "segmenter",
        "architecture": {"image_size": 16, "filters": 2, "depth": 1, "num_masks": 2},
        "hearts": ["in", "out"],
        "training": {"seen": []},
    }
    folder = model_store.save_model(model, tmp_path / "both", manifest)
    batch = np.random.default_rng(0).random((2, 16, 16, 1), dtype="float32")
    both = model.predict_on_batch(batch)
    for index, heart in enumerate(segmenter.HEARTS):
        one = segmenter.load_segmenter(folder, heart).model.predict_on_batch(batch)
        np.testing.assert_array_equal(one, both[..., index : index + 1])
    assert segmenter.load_segmenter(folder).heart == "in"


def test_a_convention_that_was_not_learned_is_refused(tmp_path, tiny_unet):
    manifest = {
        "kind": "segmenter",
        "architecture": {"image_size": 16, "filters": 2, "depth": 1},
        "hearts": ["in"],
        "training": {"seen": []},
    }
    folder = model_store.save_model(tiny_unet, tmp_path / "in", manifest)
    with pytest.raises(model_store.ModelError, match="with heart in, not out"):
        segmenter.load_segmenter(folder, "out")


def test_a_segmenter_of_films_prepared_otherwise_is_refused(tmp_path, tiny_unet):
    manifest = {
        "kind": "segmenter",
        "architecture": {"image_size": 16, "filters": 2, "depth": 1},
        "preprocessing": "equalise the histogram",
        "training": {"seen": []},
    }
    folder = model_store.save_model(tiny_unet, tmp_path / "one", manifest)
    with pytest.raises(
        model_store.ModelError, match="films prepared by 'equalise the his"
    ):
        segmenter.load_segmenter(folder)
