"""Files that a model's writer could have prepared against its user."""

import io
import json
import tracemalloc
import zipfile

import h5py
import keras
import numpy as np
import pytest

from rds_tf.storage import disk, model_checks, model_store


def build(units=2):
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(units)(inputs))


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.weights.h5"
    build().save_weights(path)
    return path


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / "model.keras"
    build().save(path)
    return path


def link_softly(file):
    file["_shadow"] = h5py.SoftLink("/layers")


def link_outside(file):
    file["_shadow"] = h5py.ExternalLink("/etc/hostname.h5", "/")


def link_back(file):
    file["layers"]["up"] = file["/"]


def keep_numbers_elsewhere(file):
    place = [("/etc/hostname", 0, 8)]
    file.create_dataset("_raw", (2,), "float32", external=place)


def make_virtual(file):
    layout = h5py.VirtualLayout((2,), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "x", (2,))
    file.create_virtual_dataset("_virtual", layout)


def hold_text(file):
    file["_text"] = np.array(["import os"], dtype=h5py.string_dtype())


def hold_references(file):
    file.create_dataset("_reference", (1,), h5py.ref_dtype)


def hold_a_type(file):
    file["_type"] = np.dtype("float32")


def inflate(file):
    file.create_dataset("_huge", (2**40,), "float32", chunks=(2**20,))


SPOILED = {
    link_softly: "link to elsewhere",
    link_outside: "link to elsewhere",
    link_back: "held twice",
    keep_numbers_elsewhere: "lie in another file",
    make_virtual: "lie in another file",
    hold_text: "not numbers",
    hold_references: "not numbers",
    hold_a_type: "neither a group nor an array",
    inflate: "would take",
}


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__)
def test_weights_that_are_more_than_numbers_are_refused(weights, spoil):
    model_checks.check_weights(weights)
    with h5py.File(weights, "a") as file:
        spoil(file)
    with pytest.raises(ValueError, match=SPOILED[spoil]):
        model_checks.check_weights(weights)


def test_a_model_folder_with_a_fitting_hash_is_inspected_all_the_same(tmp_path):
    manifest = {"kind": "segmenter", "architecture": {"units": 2}, "training": {}}
    folder = model_store.save_model(build(), tmp_path / "one", manifest)
    with h5py.File(folder / model_store.WEIGHTS, "a") as file:
        link_outside(file)
    content = (folder / model_store.WEIGHTS).read_bytes()
    known = model_store.read_manifest(folder)
    digest = model_store.hashlib.sha256(content).hexdigest()
    known["weights"] |= {"sha256": digest, "bytes": len(content)}
    disk.write_json(folder / model_store.MANIFEST, known)
    with pytest.raises(model_store.ModelError, match="link to elsewhere"):
        model_store.load_model(folder, "segmenter", build)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_truncated_weights_file_is_refused(weights, share):
    content = weights.read_bytes()
    weights.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="no whole HDF5 file"):
        model_checks.check_weights(weights)


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\x80\x04N.", b"hello"])
def test_another_file_under_the_name_of_weights_is_refused(weights, content):
    weights.write_bytes(content)
    with pytest.raises(ValueError, match="no whole HDF5 file"):
        model_checks.check_weights(weights)


def test_a_network_too_large_to_be_ours_is_refused_before_it_is_built(tmp_path):
    manifest = {"kind": "segmenter", "architecture": {"units": 2}, "training": {}}
    folder = model_store.save_model(build(), tmp_path / "one", manifest)
    known = model_store.read_manifest(folder) | {"architecture": {"units": 10**9}}
    disk.write_json(folder / model_store.MANIFEST, known)
    with pytest.raises(model_store.ModelError, match="units 1000000000"):
        model_store.load_model(folder, "segmenter", build)


def test_a_whole_model_of_keras_own_layers_loads_with_its_weights(whole):
    model = model_store.load_keras_file(whole)
    twin = keras.saving.load_model(whole)
    x = np.ones((1, 3), "float32")
    np.testing.assert_array_equal(model(x), twin(x))


def rewrite(path, change):
    """Write a `.keras` file again with one member changed or added."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def put(part):
    """Put a layer's configuration into that of the model."""

    def change(members):
        content = json.loads(members["config.json"])
        content["config"]["layers"].append(part)
        members["config.json"] = json.dumps(content).encode()

    return change


def add_member(members):
    members["assets/run.py"] = b"print(1)"


def drop_member(members):
    del members["config.json"]


def link_weights_outside(members):
    file = io.BytesIO(members["model.weights.h5"])
    with h5py.File(file, "a") as opened:
        link_outside(opened)
    members["model.weights.h5"] = file.getvalue()


def nest_deeply(members):
    members["config.json"] = b"[" * 100_000 + b"]" * 100_000


HOSTILE = {
    "lambda layer": put({"module": "keras.layers", "class_name": "Lambda"}),
    "marshalled lambda": put({"class_name": "__lambda__", "config": {}}),
    "class of another module": put({"module": "os", "class_name": "system"}),
    "class without a module": put({"class_name": "Dense", "config": {}}),
    "function of another module": put(
        {"module": "builtins", "class_name": "function", "config": "eval"}
    ),
    "private module": put({"module": "keras.src.utils", "class_name": "get_file"}),
    "saved model": put({"module": "keras.layers", "class_name": "TFSMLayer"}),
    "type by name": put({"class_name": "__typespec__", "spec_name": "x"}),
    "one member more": add_member,
    "one member less": drop_member,
    "weights that link": link_weights_outside,
    "deep nesting": nest_deeply,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_whole_model_that_could_carry_code_is_refused(whole, name):
    rewrite(whole, HOSTILE[name])
    with pytest.raises(
        model_store.ModelError, match=r"model.keras: cannot be loaded safely"
    ):
        model_store.load_keras_file(whole)


@pytest.mark.parametrize("value", [255, "/etc/passwd", {"name": "x"}, None])
def test_a_configuration_that_keras_cannot_build_is_told_in_one_line(whole, value):
    def change(members):
        content = json.loads(members["config.json"]) | {"config": value}
        members["config.json"] = json.dumps(content).encode()

    rewrite(whole, change)
    with pytest.raises(
        model_store.ModelError, match="cannot be loaded safely"
    ) as caught:
        model_store.load_keras_file(whole)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_zip_bomb_is_refused_before_it_is_inflated(whole):
    def change(members):
        members["model.weights.h5"] = bytes(100_000_000)

    rewrite(whole, change)
    assert whole.stat().st_size < 200_000
    bomb = bytearray(whole.read_bytes())  # let its list of contents claim 4 GB
    place = bomb.index(b"PK\1\2") + 24
    bomb[place : place + 4] = b"\xff\xff\xff\xf0"
    whole.write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(model_store.ModelError, match="inflate without measure"):
        model_store.load_keras_file(whole)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x89HDF\r\n\x1a\n"])
def test_a_file_that_is_no_archive_is_refused(whole, content):
    whole.write_bytes(content)
    with pytest.raises(model_store.ModelError, match="no whole .keras file"):
        model_store.load_keras_file(whole)


def test_an_encrypted_keras_file_is_refused_in_a_sentence(whole):
    data = bytearray(whole.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # APPNOTE 4.4.4
        place = data.find(mark)
        while place >= 0:
            data[place + flags] |= 1
            place = data.find(mark, place + 1)
    whole.write_bytes(data)
    with pytest.raises(model_store.ModelError, match="encrypted"):
        model_store.load_keras_file(whole)


def test_an_archive_that_inflates_without_measure_is_refused(whole, monkeypatch):
    monkeypatch.setattr(model_checks, "MAX_BYTES", 1000)
    with pytest.raises(model_store.ModelError, match="inflate without measure"):
        model_store.load_keras_file(whole)
