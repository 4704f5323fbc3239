"""A classifier works with the segmenters it was trained with, and with no others."""

import shutil

import numpy as np
import pytest

from rds_tf import config
from rds_tf.classification import classifier
from rds_tf.data import duplicates
from rds_tf.diagnosis import diagnose
from rds_tf.dicom import radiograph
from rds_tf.lungs import segmenter, unet
from rds_tf.storage import disk, model_store

TINY = {"image_size": 16, "filters": 2, "depth": 1}


def save_segmenter(folder, seed, seen=()):
    """Write an untrained segmenter of its own weights; return its SHA-256."""
    model = unet.build_unet(**TINY)
    draw = np.random.default_rng(seed)
    weights = [draw.normal(0, 0.3, part.shape) for part in model.get_weights()]
    model.set_weights([np.abs(part) for part in weights])  # no variance below 0
    record = {"data": f"data {seed}", "seen": list(seen)}
    manifest = {"kind": "segmenter", "architecture": TINY, "training": record}
    model_store.save_model(model, folder, manifest)
    return model_store.read_manifest(folder)["weights"]["sha256"]


def stub(sha256s=None, input_name="combined", heart="in", name="one"):
    """Return a classifier that was trained with the segmenters of these hashes."""
    manifest = {"input": input_name, "training": {"seen": [], "data": "nothing"}}
    manifest["weights"] = {"sha256": "5" * 64}
    if sha256s is not None:
        manifest["segmenters"] = [
            {"name": f"lungs_{i}", "sha256": sha256, "heart": heart}
            for i, sha256 in enumerate(sha256s)
        ]
    return classifier.Classifier(None, manifest, config.SAVED_MODELS.parent / name)


def names(tools):
    return [tool.folder.name for tool in tools]


def test_recorded_segmenters_are_found_by_their_weights_whatever_their_names(tmp_path):
    first = save_segmenter(tmp_path / "renamed", 1)
    second = save_segmenter(tmp_path / "below" / "b", 2)
    save_segmenter(tmp_path / "a_other", 3)
    tools = classifier.load_segmenters([stub([first, second])], tmp_path)
    assert names(tools) == ["renamed", "b"]


def test_shipped_segmenter_is_taken_only_where_it_is_the_recorded_one(tmp_path):
    shipped = segmenter.load_segmenter().describe()
    assert names(classifier.load_segmenters([stub([shipped["sha256"]])], tmp_path)) == [
        shipped["name"]
    ]
    save_segmenter(tmp_path / "mine", 1)
    with pytest.raises(model_store.ModelError) as told:
        classifier.load_segmenters([stub(["ab" * 32])], tmp_path)
    sentence = str(told.value)
    for word in (
        "one: was trained with the lungs of lungs_0 (abababab)",
        "--segmenter",
    ):
        assert word in sentence
    assert f"{tmp_path / 'mine'} (" in sentence and shipped["name"] in sentence


def test_named_segmenter_must_be_one_of_the_recorded(tmp_path):
    first = save_segmenter(tmp_path / "a", 1)
    second = save_segmenter(tmp_path / "b", 2)
    other = save_segmenter(tmp_path / "other", 3)
    one = stub([first, second])
    tools = classifier.load_segmenters([one], tmp_path, tmp_path / "b")
    assert names(tools) == ["b"]
    with pytest.raises(model_store.ModelError) as told:
        classifier.load_segmenters([one], tmp_path, tmp_path / "other")
    assert f"lungs_0 ({first[:8]})" in str(told.value)
    assert f"other ({other[:8]})" in str(told.value)


def test_one_missing_of_five_is_refused_by_its_name(tmp_path):
    first = save_segmenter(tmp_path / "a", 1)
    with pytest.raises(
        model_store.ModelError, match=r"the lungs of lungs_1 \(cdcdcdcd"
    ):
        classifier.load_segmenters([stub([first, "cd" * 32])], tmp_path)


def test_classifier_without_a_record_takes_the_lungs_of_its_folder_and_says_so(
    tmp_path, capsys
):
    assert names(classifier.load_segmenters([stub()], tmp_path)) == ["lung_segmenter"]
    save_segmenter(tmp_path / "mine", 1)
    capsys.readouterr()
    assert names(classifier.load_segmenters([stub()], tmp_path)) == ["mine"]
    (note,) = capsys.readouterr().out.splitlines()
    assert "one does not say which segmenter" in note and str(tmp_path) in note


def test_classifier_of_whole_films_takes_any_lungs_without_a_note(tmp_path, capsys):
    save_segmenter(tmp_path / "mine", 1)
    whole = stub([], "whole")
    assert names(classifier.load_segmenters([whole], tmp_path)) == ["mine"]
    assert names(classifier.load_segmenters([stub(None, "whole")], tmp_path)) == [
        "mine"
    ]
    assert capsys.readouterr().out == ""


def test_classifiers_of_two_conventions_are_not_used_together(tmp_path):
    shipped = segmenter.load_segmenter().describe()["sha256"]
    (tool,) = classifier.load_segmenters([stub([shipped], heart="out")], tmp_path)
    assert tool.heart == "out"
    pair = [stub([shipped], heart="out"), stub([shipped])]
    with pytest.raises(model_store.ModelError, match="behind the heart, some without"):
        classifier.load_segmenters(pair, tmp_path)


def test_shipped_classifier_was_trained_with_the_shipped_lungs():
    models = diagnose.load_models()
    (recorded,) = classifier.list_recorded([one.manifest for one in models.classifiers])
    assert recorded == segmenter.load_segmenter().describe()
    assert names(models.segmenters) == [recorded["name"]]


def test_folder_of_segmenters_alone_says_what_to_do(tmp_path):
    save_segmenter(tmp_path / "segmenter_fold_0", 1)
    with pytest.raises(
        model_store.ModelError, match="holds no classifier; train one with `python -m"
    ):
        diagnose.load_models(tmp_path)


@pytest.fixture
def five(tmp_path):
    """Five segmenters of a cohort of five films, each trained on four of them."""
    draw = np.random.default_rng(0)
    films = [draw.random((24, 20), "float32") for _ in range(5)]
    films = [np.round(film * 255).astype("float32") / 255 for film in films]
    hashes = [duplicates.hash_pixels(film)[:16] for film in films]
    for fold in range(5):
        seen = [*hashes[:fold], *hashes[fold + 1 :]]
        save_segmenter(tmp_path / f"segmenter_fold_{fold}", fold, seen)
    return films, segmenter.load_segmenters(tmp_path)


def test_film_of_the_cohort_goes_to_the_segmenter_that_did_not_see_it(five):
    films, tools = five
    for fold, film in enumerate(films):
        _, chosen, warnings = diagnose.find_lungs(film, tools)
        assert names(chosen) == [f"segmenter_fold_{fold}"] and warnings == []
    _, chosen, warnings = diagnose.find_lungs(1 - films[0], tools)
    assert chosen == tools and warnings == []


def test_film_that_all_segmenters_saw_gets_a_warning(five):
    films, tools = five
    _, chosen, (warning,) = diagnose.find_lungs(films[0], tools[1:])
    assert chosen == tools[1:] and "saw this film in training" in warning


def test_several_segmenters_answer_with_their_mean_probability(five):
    _, tools = five
    batch = np.random.default_rng(1).random((2, 16, 16, 1), "float32")
    together = segmenter.join_networks(tools).predict_on_batch(batch)
    alone = [tool.model.predict_on_batch(batch) for tool in tools]
    np.testing.assert_allclose(together, sum(alone) / 5, atol=1e-6)
    assert np.ptp(alone, axis=0).max() > 0.01  # each has weights of its own
    assert segmenter.join_networks(tools[:1]) is tools[0].model


def test_segmenters_of_two_image_sizes_are_not_joined(five):
    _, tools = five
    with pytest.raises(model_store.ModelError, match="different image sizes"):
        segmenter.join_networks([*tools, segmenter.load_segmenter()])


def test_record_of_a_diagnosis_names_the_segmenters_that_drew_its_mask(
    five, models, tmp_path
):
    films, tools = five
    recorded = [tool.describe() for tool in tools]
    folder = tmp_path / "classifier"
    shutil.copytree(models / "classifier", folder)
    manifest = disk.read_json(folder / "manifest.json")
    disk.write_json(folder / "manifest.json", manifest | {"segmenters": recorded})
    loaded = diagnose.load_models(tmp_path)
    assert names(loaded.segmenters) == names(tools)
    for film, used in ((films[2], ["segmenter_fold_2"]), (1 - films[2], names(tools))):
        found = diagnose.diagnose_radiograph(radiograph.Radiograph(film, 8), loaded)
        record = diagnose.describe(found, tmp_path / "film.png", loaded)
        listed = record["models"]
        assert [one["name"] for one in listed] == [*used, "classifier"]
        assert listed[0]["trained_on"].startswith("data ")
        assert listed[0]["sha256"] in [one["sha256"] for one in recorded]


def test_classifier_without_a_record_among_others_is_named_too(tmp_path, capsys):
    sha256 = save_segmenter(tmp_path / "mine", 1)
    models = [stub([sha256]), stub(name="old")]
    assert names(classifier.load_segmenters(models, tmp_path)) == ["mine"]
    (note,) = capsys.readouterr().out.splitlines()
    assert "old does not say which segmenter" in note and "those recorded" in note
