"""Radiographs read right or refused by name, and PNGs that keep their bits."""

import gzip
import io
import itertools
import struct
import tracemalloc
import zipfile
import zlib

import cv2
import numpy as np
import PIL.Image
import pydicom
import pytest
from pydicom import uid

from rds_tf.dicom import radiograph

GREYS = np.array([[0, 51], [102, 255]], np.uint8)
EXPECTED = np.array([[0, 0.2], [0.4, 1]], np.float32)


@pytest.fixture
def dicom(tmp_path, write_dicom):
    """A whole and ordinary radiograph."""
    return write_dicom(tmp_path / "a.dcm", GREYS, PatientID="1234")


def refused(path, cause):
    name = path.name.replace(".", r"\.")
    return pytest.raises(radiograph.RadiographError, match=rf"{name}: .*{cause}.*\.$")


def test_dicom_is_read_with_bits_and_pseudonym(dicom):
    film = radiograph.read_radiograph(dicom)
    np.testing.assert_array_equal(film.image, EXPECTED)
    assert film.image.dtype == np.float32
    # echo -n 1234 | sha256sum
    assert (film.bits_stored, film.patient_id) == (8, "P03ac6742")
    assert film.warnings == ()


@pytest.mark.parametrize(
    "syntax",
    [
        *(uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian),
        *(uid.DeflatedExplicitVRLittleEndian, uid.RLELossless, uid.JPEGLSLossless),
        uid.JPEG2000Lossless,
    ],
)
def test_lossless_syntaxes_give_the_same_image(tmp_path, make_dicom, syntax):
    stored = np.random.default_rng(0).integers(0, 4096, (64, 80), np.uint16)
    dataset = make_dicom(stored, BitsStored=12)
    path = tmp_path / "a.dcm"
    if syntax.is_encapsulated:
        dataset.compress(syntax)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == uid.ExplicitVRBigEndian:
        dataset.PixelData = stored.byteswap().tobytes()
    dataset.save_as(path, enforce_file_format=True)
    np.testing.assert_allclose(radiograph.read_image(path), stored / 4095, 1e-6)


def test_file_without_preamble_or_without_meta_is_read(tmp_path, make_dicom, dicom):
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(dicom.read_bytes()[132:])
    np.testing.assert_array_equal(radiograph.read_image(bare), EXPECTED)
    dataset = make_dicom(GREYS)
    del dataset.file_meta
    dataset.save_as(bare, implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(radiograph.read_image(bare), EXPECTED)


def test_grey_film_exported_as_rgb_is_read(tmp_path, write_dicom):
    tags = {"PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    rgb = np.repeat(GREYS[..., None], 3, axis=2)
    path = write_dicom(tmp_path / "a.dcm", rgb, **tags)
    np.testing.assert_array_equal(radiograph.read_image(path), EXPECTED)
    rgb[0, 0] = 200, 0, 0
    with refused(write_dicom(path, rgb, **tags), "in colour"):
        radiograph.read_image(path)


@pytest.mark.filterwarnings("ignore:The value length")  # as the test file is written
def test_warnings_of_the_decoders_are_kept(tmp_path, write_dicom):
    path = write_dicom(tmp_path / "a.dcm", GREYS, PatientID="9" * 66)
    (warning,) = radiograph.read_radiograph(path).warnings
    assert warning.startswith("The value length (66) exceeds")


@pytest.mark.parametrize(
    ("tags", "cause"),
    [
        ({"Modality": "MR"}, "Modality MR is no projection radiograph"),
        ({"NumberOfFrames": 3}, "3 frames, not one"),
        ({"PixelData": b""}, "no pixel data"),
        ({"Rows": None}, "header has no Rows"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR, not grey"),
        ({"BitsAllocated": 32}, "BitsAllocated is 32, not 8 or 16"),
        ({"HighBit": 5}, "HighBit 5 is not BitsStored - 1"),
        ({"Rows": 60_000, "Columns": 60_000}, "more than 1073741824 bytes"),
        ({"Rows": 3}, "pixel data is less than expected"),
        ({"BitsStored": 99}, "[Bb]its [Ss]tored"),
    ],
)
def test_unusable_header_is_refused(tmp_path, write_dicom, tags, cause):
    path = write_dicom(tmp_path / "a.dcm", GREYS, **tags)
    with refused(path, cause):
        radiograph.read_image(path)


def test_a_header_that_runs_together_does_not_tell_the_patients_name(tmp_path, dicom):
    content = bytearray(dicom.read_bytes())
    length = content.index(b"\x08\x00\x60\x00CS") + 6
    content[length : length + 2] = (200).to_bytes(2, "little")
    dicom.write_bytes(content.replace(b"1234", b"KIM "))
    with refused(dicom, r"its Modality \(not a code\)") as refusal:
        radiograph.read_image(dicom)
    assert "KIM" not in str(refusal.value)


def test_dicom_cut_anywhere_is_refused(tmp_path, dicom):
    data, path = dicom.read_bytes(), tmp_path / "cut.dcm"
    for length in range(0, len(data), 3):
        path.write_bytes(data[:length])
        with refused(path, ""):
            radiograph.read_image(path)


def press(make_dicom, syntax):
    """Compress noise in one syntax, baseline JPEG by OpenCV."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    dataset = make_dicom(noise)
    if syntax != uid.JPEGBaseline8Bit:
        dataset.compress(syntax)
        return dataset
    _, frame = cv2.imencode(".jpg", noise)
    dataset.PixelData = pydicom.encaps.encapsulate([frame.tobytes()])
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


@pytest.mark.parametrize(
    "syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.JPEGBaseline8Bit]
)
def test_compressed_frame_cut_short_is_refused(tmp_path, make_dicom, syntax):
    dataset = press(make_dicom, syntax)
    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    path = tmp_path / "a.dcm"
    dataset.save_as(path, enforce_file_format=True)
    radiograph.read_image(path)  # the whole one is read
    for share, tail in itertools.product((0.1, 0.5, 0.99), (b"", bytes(900))):
        part = frame[: int(share * len(frame))] + tail
        dataset.PixelData = pydicom.encaps.encapsulate([part])
        dataset.save_as(path, enforce_file_format=True)
        with refused(path, "compressed pixels end too soon"):
            radiograph.read_image(path)


def test_deflated_bomb_is_refused_before_it_is_inflated(
    tmp_path, write_dicom, monkeypatch
):
    bomb = bytes(20_000_000)
    syntax = uid.DeflatedExplicitVRLittleEndian
    path = write_dicom(tmp_path / "a.dcm", GREYS, PixelData=bomb, syntax=syntax)
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(radiograph, "MAX_BYTES", 100_000)
    tracemalloc.start()
    with refused(path, "more than 100000 bytes"):
        radiograph.read_image(path)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.filterwarnings("ignore:The number of bytes of pixel data")  # by pydicom
def test_pixels_beyond_the_one_frame_are_left_out(tmp_path, write_dicom):
    path = write_dicom(tmp_path / "a.dcm", GREYS, PixelData=GREYS.tobytes() * 5)
    film = radiograph.read_radiograph(path)
    np.testing.assert_array_equal(film.image, EXPECTED)
    assert "sufficient to contain 5 frames" in film.warnings[0]


@pytest.mark.parametrize("depth", [400, 2000])
def test_deeply_nested_header_is_refused(tmp_path, depth):
    item = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + item * depth)
    with refused(path, ""):
        radiograph.read_image(path)


def test_film_with_400_nested_sequences_is_read_or_refused_by_name(tmp_path, dicom):
    start = (
        b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    )
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    data = dicom.read_bytes()
    place = data.index(b"\x10\x00\x20\x00LO")  # PatientID, the next group
    dicom.write_bytes(data[:place] + start * 400 + end * 400 + data[place:])
    try:
        image = radiograph.read_image(dicom)
    except radiograph.RadiographError as error:
        assert "a.dcm" in str(error) and "recursion" in str(error)
    else:
        np.testing.assert_array_equal(image, EXPECTED)


def test_header_that_claims_60000_x_60000_pixels_is_refused(tmp_path, write_dicom):
    path = write_dicom(tmp_path / "a.dcm", GREYS, Rows=60_000, Columns=60_000)
    with refused(path, "more than 1073741824 bytes"):
        radiograph.read_image(path)


def write_png_bytes(width, height, chunk=b"", pixels=b"\0\0"):
    """Write a grey PNG by hand, with the size in its header that is asked for."""

    def pack(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = pack(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    body = pack(b"IDAT", zlib.compress(pixels, 9)) + pack(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + chunk + body, pack


def test_png_bombs_are_refused_and_never_fill_the_memory(tmp_path):
    path = tmp_path / "a.png"
    good, pack = write_png_bytes(1, 1, pixels=b"\0\x33")
    path.write_bytes(good)
    np.testing.assert_allclose(radiograph.read_image(path), [[0.2]], atol=1e-6)
    text = pack(b"zTXt", b"x\0\0" + zlib.compress(bytes(200_000_000), 9))
    bombs = {
        "claims 60000 x 60000": write_png_bytes(60_000, 60_000)[0],
        "claims 2**31 - 1 rows": write_png_bytes(1, 2**31 - 1)[0],
        "claims 9000 x 9000": write_png_bytes(9_000, 9_000)[0],
        "text of 200 MB": write_png_bytes(1, 1, text)[0],
        "200 MB behind one pixel": write_png_bytes(1, 1, pixels=bytes(200_000_000))[0],
    }
    for name, content in bombs.items():
        assert len(content) < 1_000_000
        path.write_bytes(content)
        tracemalloc.start()
        try:
            assert radiograph.read_image(path).shape == (1, 1), name
        except radiograph.RadiographError as error:
            assert "a.png" in str(error)
        assert tracemalloc.get_traced_memory()[1] < 300_000_000, name
        tracemalloc.stop()


@pytest.mark.parametrize("wrap", ["zip", "npz", "gz"])
def test_archive_under_the_name_of_a_film_is_refused_unread(tmp_path, wrap):
    path = tmp_path / "a.dcm"
    buffer = io.BytesIO()
    if wrap == "npz":
        np.savez_compressed(buffer, film=np.zeros(50_000_000, np.uint8))
    elif wrap == "gz":
        buffer.write(gzip.compress(bytes(50_000_000), 1))
    else:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("film.dcm", bytes(50_000_000))
    path.write_bytes(buffer.getvalue())
    with refused(path, "neither DICOM nor PNG nor JPEG"):
        radiograph.read_image(path)


@pytest.mark.parametrize("data", [b"", b"hello", bytes(500), b"\x89PNG", b"II*\0"])
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "a.dcm"
    path.write_bytes(data)
    with refused(path, ""):
        radiograph.read_image(path)


def test_missing_file_and_folder_are_refused(tmp_path):
    with refused(tmp_path / "gone.dcm", "No such file"):
        radiograph.read_image(tmp_path / "gone.dcm")
    with refused(tmp_path, "directory"):
        radiograph.read_image(tmp_path)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (12, np.uint16)])
def test_png_keeps_every_stored_value(tmp_path, bits, dtype):
    top = 2**bits - 1
    image = (np.arange(top + 1) / top).astype(np.float32).reshape(16, -1)
    path = tmp_path / "a.png"
    radiograph.write_png(path, image, bits)
    with PIL.Image.open(path) as picture:
        assert np.asarray(picture).dtype == dtype
    film = radiograph.read_radiograph(path)
    assert film.bits_stored == np.iinfo(dtype).bits
    np.testing.assert_array_equal(np.rint(film.image * top), np.rint(image * top))


def test_png_of_12_bits_holds_the_nearest_values_of_16(tmp_path):
    path = tmp_path / "a.png"
    radiograph.write_png(path, np.array([[0, 819, 2048, 4095]]) / 4095, 12)
    with PIL.Image.open(path) as picture:  # 2048 / 4095 * 65535 = 32775.502
        assert np.asarray(picture).tolist() == [[0, 13107, 32776, 65535]]


def test_jpeg_is_read_by_its_content_and_colour_is_refused(tmp_path):
    path = tmp_path / "a.dcm"
    PIL.Image.new("L", (16, 8), 102).save(path, "jpeg", quality=95)
    image = radiograph.read_image(path)
    assert image.shape == (8, 16)
    np.testing.assert_allclose(image, 0.4, atol=0.01)
    PIL.Image.new("RGB", (16, 8), (200, 0, 0)).save(path, "png")
    with refused(path, "in colour"):
        radiograph.read_image(path)


def test_png_cut_short_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(noise).save(buffer, "png")
    path = tmp_path / "a.png"
    path.write_bytes(buffer.getvalue()[:2000])
    with refused(path, "truncated"):
        radiograph.read_image(path)


def test_png_that_cannot_be_written_names_its_file(tmp_path):
    with pytest.raises(OSError, match=r"Cannot write .*a\.png"):
        radiograph.write_png(tmp_path / "gone" / "a.png", EXPECTED)


@pytest.mark.parametrize("name", ["J2KR", "JLSL", "JPLL", "RLE"])
def test_real_lossless_syntaxes_equal_the_uncompressed_original(real, name):
    expected = radiograph.read_image(real / "odd_dicom/RG2_UNC")
    image = radiograph.read_image(real / f"odd_dicom/RG2_{name}")
    np.testing.assert_array_equal(image, expected)


def test_real_12_bit_jpeg_cut_short_is_refused(real, tmp_path):
    dataset = pydicom.dcmread(real / "odd_dicom/RG2_JPLY")
    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = pydicom.encaps.encapsulate([frame[:100_000]])
    path = tmp_path / "a.dcm"
    dataset.save_as(path)
    with refused(path, "its compressed pixels end too soon"):
        radiograph.read_image(path)


@pytest.mark.parametrize("name", ["J2KI", "JLSN", "JPLY"])
def test_real_lossy_syntaxes_come_close_to_the_original(real, name):
    expected = radiograph.read_image(real / "odd_dicom/RG2_UNC")
    image = radiograph.read_image(real / f"odd_dicom/RG2_{name}")
    assert np.abs(image - expected).mean() < 0.005


def test_odd_files_are_read_or_refused_and_nothing_else(real):
    refusals = 0
    for path in sorted((real / "odd_dicom").iterdir()):
        try:
            image = radiograph.read_image(path)
        except radiograph.RadiographError as error:
            assert path.name in str(error)
            refusals += 1
        else:
            assert 0 <= image.min() < image.max() <= 1
    assert refusals == 14
