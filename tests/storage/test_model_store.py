import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from rds_tf import config
from rds_tf.data import preprocessing
from rds_tf.storage import disk, model_store


def build(units=2):
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(units)(inputs))


@pytest.fixture
def saved(tmp_path):
    model = build()
    manifest = {"kind": "segmenter", "architecture": {"units": 2}, "training": {}}
    return model, model_store.save_model(model, tmp_path / "one", manifest)


def test_a_saved_model_loads_with_the_same_weights(saved):
    model, folder = saved
    loaded, manifest = model_store.load_model(folder, "segmenter", build)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert manifest["num_parameters"] == 3 * 2 + 2
    assert manifest["input_shape"] == [3]


def test_the_state_of_the_optimizer_is_not_shipped(saved, tmp_path):
    model, folder = saved
    model.compile("adam", loss="mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    trained = model_store.save_model(
        model, tmp_path / "two", model_store.read_manifest(folder)
    )
    sizes = [(each / model_store.WEIGHTS).stat().st_size for each in (folder, trained)]
    assert sizes[0] == sizes[1]


def test_nothing_else_is_left_beside_a_saved_model(saved):
    _, folder = saved
    assert {path.name for path in folder.iterdir()} == {
        model_store.MANIFEST,
        model_store.WEIGHTS,
    }


def test_one_flipped_bit_is_refused_before_loading(saved):
    _, folder = saved
    content = bytearray((folder / model_store.WEIGHTS).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / model_store.WEIGHTS).write_bytes(content)
    with pytest.raises(model_store.ModelError, match="was changed or damaged"):
        model_store.load_model(folder, "segmenter", build)


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    model = build()
    model.set_weights([np.full(part.shape, np.nan) for part in model.get_weights()])
    manifest = {"kind": "segmenter", "architecture": {"units": 2}, "training": {}}
    folder = model_store.save_model(model, tmp_path / "one", manifest)
    with pytest.raises(model_store.ModelError, match="not finite"):
        model_store.load_model(folder, "segmenter", build)


def test_weights_that_no_training_leaves_behind_are_refused(tmp_path):
    def build(units=2):
        inputs = keras.Input((3,))
        layer = keras.layers.BatchNormalization()
        return keras.Model(inputs, layer(keras.layers.Dense(units)(inputs)))

    manifest = {"kind": "segmenter", "architecture": {"units": 2}, "training": {}}
    for place, value, cause in ((0, 1e9, "more than"), (-1, -1.0, "below 0")):
        model = build()  # the first is a kernel, the last a variance
        parts = model.get_weights()
        parts[place][...] = value
        model.set_weights(parts)
        folder = model_store.save_model(model, tmp_path / "one", manifest)
        with pytest.raises(model_store.ModelError, match=cause):
            model_store.load_model(folder, "segmenter", build)


def test_a_model_of_the_wrong_kind_is_refused(saved):
    _, folder = saved
    with pytest.raises(
        model_store.ModelError, match="is a segmenter, not a classifier"
    ):
        model_store.load_model(folder, "classifier", build)


def test_another_architecture_than_the_weights_is_refused(saved):
    _, folder = saved
    manifest = model_store.read_manifest(folder)
    disk.write_json(
        folder / model_store.MANIFEST, {**manifest, "architecture": {"units": 5}}
    )
    with pytest.raises(model_store.ModelError, match="does not fit its manifest"):
        model_store.load_model(folder, "segmenter", build)


def test_a_network_too_large_to_be_ours_is_refused_before_it_is_built(saved):
    _, folder = saved
    known = model_store.read_manifest(folder) | {"architecture": {"units": 10**9}}
    disk.write_json(folder / model_store.MANIFEST, known)
    with pytest.raises(model_store.ModelError, match="units 1000000000"):
        model_store.load_model(
            folder, "segmenter", lambda **_: pytest.fail("was built")
        )


def test_a_file_with_a_fitting_hash_is_inspected_all_the_same(saved):
    _, folder = saved
    known = model_store.read_manifest(folder)
    content = b"PK\x03\x04 code"
    (folder / model_store.WEIGHTS).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    known["weights"] |= {"sha256": digest, "bytes": len(content)}
    disk.write_json(folder / model_store.MANIFEST, known)
    with pytest.raises(model_store.ModelError, match="no whole safetensors file"):
        model_store.load_model(folder, "segmenter", build)


def test_a_function_may_take_the_weights_in_place_of_the_model(saved):
    model, folder = saved
    network = build()
    before = network.get_weights()
    (received, arrays), _ = model_store.load_model(
        folder, "segmenter", lambda units: network, lambda *both: both
    )
    assert received is network
    for array, weight in zip(arrays, model.get_weights(), strict=True):
        np.testing.assert_array_equal(array, weight)
    for now, then in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_file_of_another_size_is_refused_before_it_is_read(saved, monkeypatch):
    _, folder = saved
    with (folder / model_store.WEIGHTS).open("ab") as file:
        file.write(b"0")
    manifest = model_store.read_manifest(folder)
    monkeypatch.setattr(model_store, "read_manifest", lambda folder: manifest)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"read {path}"))
    with pytest.raises(model_store.ModelError, match="bytes and not the manifest's"):
        model_store.load_model(folder, "segmenter", build)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("input_shape", [4], r"its input_shape is \[3\], not \[4\]"),
        ("num_parameters", 9, "its num_parameters is 8, not 9"),
        ("num_parameters", None, "its num_parameters is 8, not None"),
    ],
)
def test_a_manifest_that_describes_another_network_is_refused(saved, name, value, told):
    _, folder = saved
    changed = {**model_store.read_manifest(folder), name: value}
    disk.write_json(folder / model_store.MANIFEST, changed)
    with pytest.raises(model_store.ModelError, match=told):
        model_store.load_model(folder, "segmenter", build)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"kind": "segmenter"}', "[" * 100_000]
)
def test_a_broken_manifest_is_one_sentence(saved, text):
    _, folder = saved
    (folder / model_store.MANIFEST).write_text(text)
    with pytest.raises(model_store.ModelError, match=model_store.MANIFEST):
        model_store.load_model(folder, "segmenter", build)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("architecture", wrong) for wrong in (None, 3, "x", [])),
        *(("training", wrong) for wrong in (3, {"seen": None}, {"seen": [5]})),
        *(("hearts", wrong) for wrong in (3, [], [None], ["in", "in"], "in")),
        *(("weights", None), ("weights", {}), ("kind", ["segmenter"]), ("input", 1)),
        ("weights", {"file": "../x", "bytes": 1, "sha256": ""}),
    ],
)
def test_an_entry_of_a_manifest_of_another_kind_is_told(saved, name, value):
    _, folder = saved
    known = json.loads((folder / model_store.MANIFEST).read_text()) | {name: value}
    disk.write_json(folder / model_store.MANIFEST, known)
    with pytest.raises(model_store.ModelError, match=f"its {name} cannot be right"):
        model_store.read_manifest(folder)


def test_models_are_found_by_kind_in_a_folder_or_as_the_folder(saved, tmp_path):
    _, folder = saved
    assert model_store.find_models(tmp_path, "segmenter") == [folder]
    assert model_store.find_models(folder, "segmenter") == [folder]
    with pytest.raises(model_store.ModelError, match="holds no classifier"):
        model_store.find_models(tmp_path, "classifier")


def test_without_models_of_its_own_a_run_takes_the_shipped_ones(saved, tmp_path):
    assert model_store.choose_models(tmp_path, "segmenter") == tmp_path
    shipped = model_store.choose_models(tmp_path / "nowhere", "segmenter")
    assert shipped.name == "saved_models"


def test_json_never_holds_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        disk.write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not (tmp_path / "x.json").exists()
    disk.write_json(tmp_path / "x.json", {"name": "폐"})
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == {"name": "폐"}


@pytest.mark.parametrize("name", ["lung_segmenter", "rds_classifier"])
def test_a_shipped_manifest_says_hash_size_shape_and_preprocessing(name):
    manifest = model_store.read_manifest(config.SAVED_MODELS / name)
    content = (config.SAVED_MODELS / name / model_store.WEIGHTS).read_bytes()
    assert manifest["weights"]["bytes"] == len(content)
    assert manifest["weights"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["input_shape"] == [128, 128, 1]
    assert manifest["num_parameters"] > 1e6
    assert manifest["preprocessing"] == preprocessing.DESCRIPTION
