"""Model folders of version 0.1, whose weights are HDF5."""

import ast
import hashlib
import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from rds_tf.classification import efficientnet
from rds_tf.lungs import unet
from rds_tf.storage import disk, model_store, weights_hdf5

ROOT = Path(__file__).parents[2]
KERNEL = "layers/dense_1/vars/0"  # of the second layer, (2, 1)


def build(units=2):
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(units)(inputs)))


def vouch(folder):
    """Let the manifest say the size and hash of the file as it is now."""
    content = (folder / weights_hdf5.FILE).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    manifest = json.loads((folder / model_store.MANIFEST).read_text())
    manifest["weights"] = {
        "file": weights_hdf5.FILE,
        "bytes": len(content),
        "sha256": digest,
    }
    disk.write_json(folder / model_store.MANIFEST, manifest)


@pytest.fixture
def old(tmp_path):
    """A model, and its folder as version 0.1 wrote it."""
    model = build()
    manifest = {"kind": "segmenter", "architecture": {"units": 2}, "training": {}}
    folder = model_store.save_model(model, tmp_path / "old", manifest)
    (folder / model_store.WEIGHTS).unlink()
    model.save_weights(folder / weights_hdf5.FILE)
    vouch(folder)
    return model, folder


def test_old_folder_loads_with_one_note(old, capfd):
    model, folder = old
    loaded, _ = model_store.load_model(folder, "segmenter", build)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    note = f"{folder}: holds weights of version 0.1 as HDF5; save it again"
    assert capfd.readouterr().out.count(note) == 1


def test_old_folder_saved_again_is_a_new_one(old, capfd):
    model, folder = old
    loaded, manifest = model_store.load_model(folder, "segmenter", build)
    capfd.readouterr()
    model_store.save_model(loaded, folder, manifest)
    assert {path.name for path in folder.iterdir()} == {
        model_store.MANIFEST,
        model_store.WEIGHTS,
    }
    again, changed = model_store.load_model(folder, "segmenter", build)
    assert capfd.readouterr().out == ""
    assert {**changed, "weights": 0} == {**manifest, "weights": 0}
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "build",
    [
        lambda: unet.build_unet(image_size=32, filters=2, num_masks=2),
        lambda: efficientnet.build_classifier("B0", image_size=32),
    ],
    ids=["U-Net", "EfficientNet"],
)
def test_networks_of_version_0_1_are_read_as_keras_reads_them(build, tmp_path):
    saved, model = build(), build()
    saved.save_weights(tmp_path / weights_hdf5.FILE)
    found = weights_hdf5.unpack((tmp_path / weights_hdf5.FILE).read_bytes(), model)
    model.load_weights(tmp_path / weights_hdf5.FILE)
    for array, weight in zip(found, model.get_weights(), strict=True):
        np.testing.assert_array_equal(array, weight)


def put_kernel(put):
    """Put something in the place of a weight."""

    def change(file):
        values = file[KERNEL][()]
        del file[KERNEL]
        put(file, values)

    return change


def link_softly(file, values):
    file["elsewhere"] = values
    file[KERNEL] = h5py.SoftLink("/elsewhere")


def link_outside(file, values):
    other = Path(file.filename).with_name("other.h5")
    with h5py.File(other, "w") as opened:
        opened["kernel"] = values
    file[KERNEL] = h5py.ExternalLink(str(other), "/kernel")


def keep_numbers_outside(file, values):
    other = Path(file.filename).with_name("other.raw")
    other.write_bytes(values.tobytes())
    file.create_dataset(KERNEL, (2, 1), "float32", external=[(str(other), 0, 8)])


def make_virtual(file, values):
    file["elsewhere"] = values
    layout = h5py.VirtualLayout((2, 1), "float32")
    layout[:] = h5py.VirtualSource(".", "/elsewhere", (2, 1))
    file.create_virtual_dataset(KERNEL, layout)


def compress(file, values):
    file.create_dataset(KERNEL, data=values, compression="gzip")


def halve(file, values):
    file[KERNEL] = values.astype("float16")


def turn(file, values):
    file[KERNEL] = values.T


def inflate(file, values):
    file.create_dataset(KERNEL, (2**40, 1), "float32", chunks=(2**20, 1))


def hold_text(file, values):
    file.create_dataset(KERNEL, (2, 1), h5py.string_dtype())


def hold_references(file, values):
    file.create_dataset(KERNEL, (2, 1), h5py.ref_dtype)


def hold_a_type(file, values):
    file[KERNEL] = np.dtype("float32")


def hold_a_group(file, values):
    file.create_group(KERNEL)


def lead_back(file, values):
    file[KERNEL] = file["/"]


def hold_nan(file, values):
    file[KERNEL] = values * np.nan


def leave_out(file, values):
    pass


def link_all_layers(file):
    file.move("layers", "elsewhere")
    file["layers"] = h5py.SoftLink("/elsewhere")


def add_a_weight(file):
    file["layers/dense/vars/2"] = np.zeros(2, "float32")


def hold_no_groups(file):
    del file["layers"]
    file["layers"] = np.zeros(2, "float32")


HOSTILE = {
    link_softly: "vars/0' is behind a link",
    link_outside: "vars/0' is behind a link",
    keep_numbers_outside: "is virtual, external or compressed",
    make_virtual: "is virtual, external or compressed",
    compress: "is virtual, external or compressed",
    halve: "type float16, not .* float32",
    turn: r"shape \(1, 2\) .* not \(2, 1\)",
    inflate: r"shape \(1099511627776, 1\)",
    hold_text: "type object, not",
    hold_references: "type object, not",
    hold_a_type: "is no array",
    hold_a_group: "is no array",
    lead_back: "is no array",
    hold_nan: "not finite",
    leave_out: "vars/0' is missing",
    link_all_layers: "is behind a link",
    add_a_weight: "'layers/dense' has more than its weights",
    hold_no_groups: "lies below no group",
}
WHOLE_FILE = link_all_layers, add_a_weight, hold_no_groups


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_old_weights_that_are_more_than_plain_numbers_are_refused(old, change):
    _, folder = old
    with h5py.File(folder / weights_hdf5.FILE, "a") as file:
        (change if change in WHOLE_FILE else put_kernel(change))(file)
    vouch(folder)
    with pytest.raises(model_store.ModelError, match=HOSTILE[change]):
        model_store.load_model(folder, "segmenter", build)


@pytest.mark.parametrize("proportion", [0, 0.1, 0.5, 0.99])
def test_truncated_old_weights_are_refused(old, proportion):
    _, folder = old
    content = (folder / weights_hdf5.FILE).read_bytes()
    kept = content[: int(proportion * len(content))]
    (folder / weights_hdf5.FILE).write_bytes(kept)
    with pytest.raises(model_store.ModelError, match="was changed or damaged"):
        model_store.load_model(folder, "segmenter", build)
    vouch(folder)
    with pytest.raises(model_store.ModelError, match="no whole HDF5 file"):
        model_store.load_model(folder, "segmenter", build)


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\x80\x04N.", b"hello"])
def test_another_file_under_the_name_of_old_weights_is_refused(old, content):
    _, folder = old
    (folder / weights_hdf5.FILE).write_bytes(content)
    vouch(folder)
    with pytest.raises(model_store.ModelError, match="no whole HDF5 file"):
        model_store.load_model(folder, "segmenter", build)


def test_no_other_file_of_the_packages_opens_hdf5():
    folders = ("rds_tf", "rds_phantoms", "rds_readers", "rds_pages")
    opening = {"h5py", "load_weights", "save_weights"}
    found = {
        path.name
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, (ast.Import, ast.ImportFrom))
            else [getattr(node, "attr", "")]
        )
        if name in opening
    }
    assert found == {"weights_hdf5.py"}
