"""Two hundred odd files for an upload, made from seeds."""

import gzip
import io
import struct
import warnings
import zipfile
import zlib

import numpy as np
import PIL.Image
import pydicom
from pydicom import encaps, uid

SIDE = 64
PATIENT = "KIM^MINJI"


def make_dicom(syntax=uid.ExplicitVRLittleEndian, side=SIDE, **tags) -> pydicom.Dataset:
    """Make an ordinary film of a patient, with what a test changes in it."""
    draw = np.random.default_rng(side)
    stored = draw.integers(0, 4096, (side, side), np.uint16)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = uid.ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "CR", PATIENT, PATIENT
    dataset.Rows = dataset.Columns = side
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    with warnings.catch_warnings(action="ignore"):  # of values that are wrong
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
    return dataset


def write_dicom(dataset: pydicom.Dataset) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def write_picture(kind: str, shape=(SIDE, SIDE), mode="L", **options) -> bytes:
    draw = np.random.default_rng(1)
    bands = () if mode == "L" else (len(mode),)
    levels = draw.integers(0, 255, (*shape, *bands), np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(levels).save(buffer, kind, **options)
    return buffer.getvalue()


def list_uploads(num: int = 200):
    """Yield `(name, content)` of `num` files; those damaged at random fill up."""
    made = [*list_headers(), *list_bombs(), *list_others(), *list_names()]
    yield from made
    whole = [
        write_dicom(make_dicom()),
        write_dicom(make_dicom(uid.DeflatedExplicitVRLittleEndian)),
        write_compressed(uid.JPEG2000Lossless),
        write_compressed(uid.JPEGLSLossless),
        write_compressed(uid.RLELossless),
        write_picture("png"),
        write_picture("jpeg"),
    ]
    draw = np.random.default_rng(7)
    for number in range(num - len(made)):
        content = bytearray(whole[number % len(whole)])
        if number % 2:
            yield "cut.dcm", bytes(content[: draw.integers(1, len(content))])
        else:
            reach = min(len(content), 700)  # headers are more fragile than pixels
            for place in draw.integers(0, reach, 6):
                content[place] = draw.integers(0, 256)
            yield "flipped.dcm", bytes(content)


def list_headers():
    """Yield films whose header lies or is nonsense."""
    for tags in (
        {"Rows": 60_000, "Columns": 60_000},
        {"Rows": 65_535, "Columns": 1},
        {"Rows": 0},
        {"Rows": 1, "Columns": 1},
        {"BitsStored": 99},
        {"BitsAllocated": 1},
        {"PixelRepresentation": 7},
        {"SamplesPerPixel": 3},
        {"SamplesPerPixel": 65_535},
        {"NumberOfFrames": "2000000000"},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"Modality": "<b>MR</b>"},
        {"Modality": f"CR{PATIENT}"},
        {"SpecificCharacterSet": "ISO 2022 IR 999"},
        {"PixelData": b""},
        {"PixelData": bytes(2 * SIDE * SIDE)},
        {"PixelData": b"\xff" * (2 * SIDE * SIDE)},
    ):
        yield "header.dcm", write_dicom(make_dicom(**tags))
    for keyword in ("WindowWidth", "RescaleSlope", "RescaleIntercept", "WindowCenter"):
        for text in (b"NaN ", b"inf ", b"1e99", b"-0  ", b"x\\y "):
            tags = {"WindowCenter": "9999", "WindowWidth": "9999"} | {keyword: "9999"}
            content = write_dicom(make_dicom(**tags))
            place = content.index(pydicom.tag.Tag(keyword).to_bytes(4)[1::-1])
            place = content.index(b"9999", place)
            yield "number.dcm", content[:place] + text + content[place + 4 :]


def list_bombs():
    """Yield small files that claim, or unpack to, far too much."""
    pixels = bytes(100_000_000)
    deflated = uid.DeflatedExplicitVRLittleEndian
    yield "deflated.dcm", write_dicom(make_dicom(deflated, PixelData=pixels))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.dcm", pixels)
    yield "film.zip", buffer.getvalue()
    yield "film.dcm", buffer.getvalue()
    yield "film.dcm.gz", gzip.compress(pixels, 1)
    large = io.BytesIO()
    PIL.Image.new("L", (9_000, 9_000)).save(large, "png")
    yield "black.png", large.getvalue()
    yield "claim.png", claim_png(write_picture("png"), 60_000)
    jpeg = bytearray(write_picture("jpeg"))
    struct.pack_into(">2H", jpeg, jpeg.index(b"\xff\xc0") + 5, 60_000, 60_000)
    yield "claim.jpg", bytes(jpeg)
    yield "text.png", put_chunk(write_picture("png"), b"zTXt", b"a\0\0" + squeeze())
    for syntax, mark, offset, size in (
        (uid.JPEG2000Lossless, b"\xff\x51", 6, ">2I"),
        (uid.JPEGLSLossless, b"\xff\xf7", 5, ">2H"),
    ):
        frame = bytearray(compress(syntax))
        place = frame.index(mark) + offset
        struct.pack_into(size, frame, place, 60_000, 60_000)
        yield "claim.dcm", write_frame(syntax, bytes(frame))
    runs = struct.pack("<16L", 2, 64, 200_064, *[0] * 13) + b"\x81\x00" * 200_000
    yield "runs.dcm", write_frame(uid.RLELossless, runs)
    item = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    yield "nested.dcm", bytes(128) + b"DICM" + 5000 * item


def list_others():
    """Yield what is no film at all, or none that can be used."""
    for content in (
        b"",
        b"\0",
        b"hello",
        bytes(5000),
        b"<svg onload=alert(1)>",
        b"%PDF-1.7\n",
        b"{}",
        b"DICM",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"II*\0" + bytes(99),
        b"BM" + b"\xff" * 60,
        b"\x7fELF" + bytes(99),
        "안녕하세요".encode(),
        np.random.default_rng(3).bytes(20_000),
    ):
        yield "other.dcm", content
    yield "colour.png", write_picture("png", mode="RGB")
    yield "alpha.png", write_picture("png", mode="RGBA")
    yield "film.gif", write_picture("gif")
    yield "film.tiff", write_picture("tiff")
    for shape in ((1, 1), (31, 31), (32, 8193), (2, 8000), (33, 4000)):
        yield "shape.png", write_picture("png", shape)


def list_names():
    """Yield good films under bad names."""
    content = write_picture("png")
    for name in (
        "../../../../etc/passwd",
        "..\\..\\boot.ini",
        "film",
        ".png",
        "한국어.png",
        "a b & c;d.png",
        f"{PATIENT}.dcm",
        '"><img src=x onerror=alert(1)>.png',
        "n" * 300 + ".png",
        "con.png",
    ):
        yield name, content


def compress(syntax) -> bytes:
    dataset = make_dicom()
    dataset.compress(syntax)
    return next(encaps.generate_frames(dataset.PixelData, number_of_frames=1))


def write_compressed(syntax) -> bytes:
    return write_frame(syntax, compress(syntax))


def write_frame(syntax, frame: bytes) -> bytes:
    return write_dicom(make_dicom(syntax, PixelData=encaps.encapsulate([frame])))


def squeeze(num_bytes: int = 100_000_000) -> bytes:
    return zlib.compress(bytes(num_bytes), 9)


def put_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """Put a chunk behind the header of a PNG."""
    chunk = struct.pack(">I", len(data)) + kind + data
    return png[:33] + chunk + struct.pack(">I", zlib.crc32(kind + data)) + png[33:]


def claim_png(png: bytes, side: int) -> bytes:
    """Let the header of a PNG claim `side` x `side` pixels."""
    head = b"IHDR" + struct.pack(">2I", side, side) + png[24:29]
    return png[:12] + head + struct.pack(">I", zlib.crc32(head)) + png[33:]
