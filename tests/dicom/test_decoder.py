"""Decoders agree, and a film at which one crashes or hangs costs that film only."""

import importlib

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import pixels, uid

from rds_tf.dicom import radiograph
from rds_tf.parallel import isolated


@pytest.fixture(autouse=True)
def no_child_of_another_test():
    isolated.end_waiting()
    yield
    isolated.end_waiting()


@pytest.fixture
def write_jpeg(tmp_path, make_dicom):
    """Return a function that writes a JPEG film of noise, one byte of it doubled."""
    noise = np.random.default_rng(7).integers(0, 255, (48, 64), np.uint8)
    frame = cv2.imencode(".jpg", noise)[1].tobytes()
    dataset = make_dicom(noise, uid.JPEGBaseline8Bit)
    path = tmp_path / "a.dcm"

    def write(place=0):
        doubled = frame[:place] + frame[place - 1 : place] + frame[place:]
        dataset.PixelData = pydicom.encaps.encapsulate([doubled])
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


def test_film_that_ends_its_decoders_process_is_refused_and_the_next_is_read(
    write_jpeg,
):
    with pytest.raises(
        radiograph.RadiographError, match=r"a\.dcm: its decoder crashes"
    ):
        radiograph.read_image(write_jpeg(place=251))  # in a table of Huffman codes
    assert radiograph.read_image(write_jpeg()).shape == (48, 64)


def test_film_whose_decoder_does_not_return_is_refused(
    write_jpeg, monkeypatch, tmp_path
):
    code = "import time\ndef decode(path, dataset):\n    time.sleep(60)\n"
    (tmp_path / "slow_decoder.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    slow = importlib.import_module("slow_decoder")
    monkeypatch.setattr(radiograph, "_try_decoding", slow.decode)
    monkeypatch.setattr(radiograph, "DECODER_SECONDS", 0.5)
    with pytest.raises(radiograph.RadiographError, match=r"takes more than 0\.5 s"):
        radiograph.read_image(write_jpeg())


def test_one_process_decodes_film_after_film_and_gives_the_decoders_pixels(write_jpeg):
    path, processes = write_jpeg(), set()
    for _ in range(3):
        stored = radiograph._decode(path, pydicom.dcmread(path))
        (child,) = isolated._waiting
        processes.add(child.process.pid)
        here = radiograph.decode_pixels(path, pydicom.dcmread(path))
        np.testing.assert_array_equal(stored, here, strict=True)
    assert len(processes) == 1


def test_error_in_the_child_is_raised_by_the_caller(write_jpeg):
    dataset = pydicom.dcmread(path := write_jpeg())
    dataset.PixelData = pydicom.encaps.encapsulate([b"no frame"])
    with pytest.raises(RuntimeError, match="Unable to decode"):
        radiograph._decode(path, dataset)
    assert len(isolated._waiting) == 1  # the child lives on


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless])
def test_pixels_that_python_decodes_need_no_other_process(
    syntax, make_dicom, monkeypatch, tmp_path
):
    monkeypatch.setattr(isolated, "run", None)
    dataset = make_dicom(np.eye(4, dtype=np.uint8))
    if syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    np.testing.assert_array_equal(
        radiograph._decode(tmp_path / "a.dcm", dataset), np.eye(4)
    )


def test_worker_decodes_by_itself(write_jpeg, monkeypatch):
    monkeypatch.setattr(isolated, "run", None)
    monkeypatch.setenv(isolated.WORKER_MARK, "1")
    assert radiograph.read_image(write_jpeg()).shape == (48, 64)


@pytest.fixture
def stored():
    """All values of 12 bits, each once, in an order that compresses badly."""
    values = np.random.default_rng(7).permutation(4096)
    return values.reshape(64, 64).astype(np.uint16)


@pytest.mark.parametrize(
    "syntax", radiograph.QUICKEST, ids=lambda syntax: syntax.keyword
)
def test_quickest_decoder_gives_the_values_of_every_other_one(
    syntax, stored, make_dicom
):
    dataset = make_dicom(stored, BitsStored=12)
    dataset.compress(syntax, generate_instance_uid=False)
    others = pixels.get_decoder(syntax).available_plugins
    assert radiograph.QUICKEST[syntax] in others and len(others) > 1
    np.testing.assert_array_equal(radiograph.decode_pixels("a.dcm", dataset), stored)
    for plugin in others:
        array = pixels.pixel_array(dataset, index=0, decoding_plugin=plugin)
        np.testing.assert_array_equal(array, stored)


def test_film_that_the_quickest_decoder_cannot_read_is_read_by_another(
    stored, make_dicom, monkeypatch
):
    def refuse(dataset, *, index, decoding_plugin=""):
        if decoding_plugin:
            raise RuntimeError("this one cannot")
        return pixel_array(dataset, index=index)

    dataset = make_dicom(stored, BitsStored=12)
    dataset.compress(uid.JPEGLSLossless, generate_instance_uid=False)
    pixel_array = pixels.pixel_array
    monkeypatch.setattr(pixels, "pixel_array", refuse)
    np.testing.assert_array_equal(radiograph.decode_pixels("a.dcm", dataset), stored)
