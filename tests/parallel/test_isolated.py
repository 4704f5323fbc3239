"""A film at which GDCM ends its process costs that film and no other."""

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import uid

from rds_tf.dicom import radiograph
from rds_tf.parallel import isolated


@pytest.fixture(autouse=True)
def fresh_process():
    """Let a test begin and end without a process that another one left."""
    isolated.end_idle()
    yield
    isolated.end_idle()


@pytest.fixture
def film(tmp_path, make_dicom):
    """A JPEG film of noise, and a function that doubles one byte of its frame."""
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


def test_film_that_ends_its_decoders_process_is_refused_and_the_next_is_read(film):
    with pytest.raises(radiograph.RadiographError, match=r"a\.dcm: its decoder crashe"):
        radiograph.read_image(film(place=251))  # in a table of Huffman codes
    assert radiograph.read_image(film()).shape == (48, 64)


def test_film_whose_decoder_does_not_return_is_refused(film, monkeypatch):
    monkeypatch.setattr(isolated, "CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(isolated, "MOST_SECONDS", 0.5)
    with pytest.raises(radiograph.RadiographError, match="takes more than 0.5 s"):
        radiograph.read_image(film())


def test_one_process_decodes_film_after_film_and_gives_the_decoders_pixels(film):
    path, processes = film(), []
    for _ in range(3):
        stored, fault = isolated.decode_isolated(path, pydicom.dcmread(path))
        (process,) = isolated._idle
        processes.append(process.pid)
        here = radiograph.decode_pixels(path, pydicom.dcmread(path))
        np.testing.assert_array_equal(stored, here, strict=True)
        assert fault == ""
    assert len(set(processes)) == 1


def test_process_that_an_earlier_film_ended_is_not_held_against_this_one(film):
    radiograph.read_image(film())
    (process,) = isolated._idle
    process.kill()
    assert radiograph.read_image(film()).shape == (48, 64)
    assert isolated._idle and isolated._idle != [process]


def test_decoder_that_raises_apart_is_left_to_the_caller(film):
    dataset = pydicom.dcmread(film())
    dataset.PixelData = pydicom.encaps.encapsulate([b"no frame"])
    assert isolated.decode_isolated("a.dcm", dataset) == (None, "")


def test_uncompressed_film_has_no_trial(make_dicom, monkeypatch):
    monkeypatch.setattr(isolated, "_start", None)
    dataset = make_dicom(np.zeros((4, 4), np.uint8))
    assert isolated.decode_isolated("a.dcm", dataset) == (None, "")
