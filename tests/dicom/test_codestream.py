"""Frames that say another size than their header, by hand and by other encoders."""

import io
import struct

import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom import uid

from rds_tf.dicom import codestream, radiograph

TALL = np.random.default_rng(0).integers(0, 255, (80, 64), np.uint8)


def frame_of(dataset):
    return next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))


def write_frame(path, make_dicom, frame, syntax, rows=16, columns=16):
    """Write a frame under a header of its own."""
    dataset = make_dicom(np.zeros((rows, columns), np.uint8), syntax)
    dataset.PixelData = pydicom.encaps.encapsulate([frame])
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless])
def test_size_of_a_frame_written_by_its_library_is_read(make_dicom, syntax):
    dataset = make_dicom(TALL)
    dataset.compress(syntax)
    assert codestream.read_size(frame_of(dataset)) == (80, 64)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": b"x" * 99}])
def test_size_of_a_jpeg_is_read(options):
    buffer = io.BytesIO()
    PIL.Image.fromarray(TALL).save(buffer, "jpeg", **options)
    assert codestream.read_size(buffer.getvalue()) == (80, 64)


def test_size_is_read_inside_a_jp2_file_and_less_its_offset():
    siz = struct.pack(">2H2x4I", 0xFF51, 41, 70, 90, 6, 10)
    assert codestream.read_size(b"\xff\x4f" + siz) == (80, 64)
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\0jp2c"
    assert codestream.read_size(boxes + b"\xff\x4f" + siz) == (80, 64)


@pytest.mark.parametrize(
    "frame",
    [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xda\0\4\0\0"]
    + [b"\xff\xd8" + b"\xff" * 99, b"\xff\x4f\xff\x51\0\0", b"jp2c", bytes(64)],
)
def test_a_frame_without_a_size_has_none(frame):
    assert codestream.read_size(frame) is None


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless])
def test_a_large_frame_under_a_small_header_is_refused(tmp_path, make_dicom, syntax):
    dataset = make_dicom(TALL)
    dataset.compress(syntax)
    path = write_frame(tmp_path / "a.dcm", make_dicom, frame_of(dataset), syntax)
    sentence = "compressed pixels are 80 x 64, its header says 16 x 16"
    with pytest.raises(radiograph.RadiographError, match=sentence):
        radiograph.read_image(path)


@pytest.mark.parametrize("samples", [0, 2, 3, 4, 255])
def test_a_jpeg_of_other_samples_than_its_header_never_meets_its_decoder(
    tmp_path, make_dicom, samples
):
    """GDCM would end the whole process, and with it all other films of a run."""
    buffer = io.BytesIO()
    PIL.Image.fromarray(TALL).save(buffer, "jpeg")
    frame = bytearray(buffer.getvalue())
    frame[frame.index(b"\xff\xc0") + 9] = samples
    syntax = uid.JPEGBaseline8Bit
    path = write_frame(tmp_path / "a.dcm", make_dicom, bytes(frame), syntax, 80, 64)
    with pytest.raises(radiograph.RadiographError, match=f"have {samples} samples"):
        radiograph.read_image(path)


def test_rle_that_unpacks_to_more_than_its_header_is_refused(tmp_path, make_dicom):
    bomb = struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\x00" * 100_000
    path = write_frame(tmp_path / "a.dcm", make_dicom, bomb, uid.RLELossless)
    with pytest.raises(radiograph.RadiographError, match="RLE data is longer"):
        radiograph.read_image(path)


def test_noise_that_rle_makes_longer_is_read(tmp_path, make_dicom):
    dataset = make_dicom(TALL)
    dataset.compress(uid.RLELossless)
    assert len(frame_of(dataset)) > TALL.size
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    image = radiograph.read_image(tmp_path / "a.dcm")
    np.testing.assert_allclose(image, TALL / 255, atol=1e-6)
