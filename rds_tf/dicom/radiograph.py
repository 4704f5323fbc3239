"""One radiograph: a DICOM, PNG or JPEG file -> float32 (H, W) in [0, 1], or a refusal.

The way of a DICOM file: parse -> check header -> check compressed frame -> decode ->
modality LUT -> VOI LUT -> [0, 1] -> inversion; see `_read_dicom`.
"""

import contextlib
import io
import logging
import warnings
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pydicom
from pydicom import filereader, pixels, uid

from rds_tf import errors
from rds_tf.dicom import codestream, header, lut, privacy
from rds_tf.parallel import isolated
from rds_tf.storage import disk

MAX_BYTES = 2**30  # of a file, and of its decoded pixels
# Computed, digital and digitised film; OT and SC are exports of them, DR a misnomer.
MODALITIES = ("CR", "DX", "DR", "RG", "OT", "SC", "")
PHOTOMETRICS = (
    *("MONOCHROME1", "MONOCHROME2"),
    *("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"),  # grey in three samples
)
REQUIRED = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "PixelRepresentation"),
)
COLOUR_TOLERANCE = 3  # levels of 255 by which lossy coding parts R, G and B of a grey
DECODER_SECONDS = 60.0
# Lossless codings, where all decoders must agree; others go in pydicom's own order.
QUICKEST = {uid.JPEGLSLossless: "pyjpegls", uid.JPEG2000Lossless: "pylibjpeg"}
logging.getLogger("pydicom").propagate = False  # it logs the values it warns of


class RadiographError(errors.InputError):
    """A refused file, in one sentence that names the file and the cause."""


@dataclass(frozen=True)
class Radiograph:
    """A radiograph as it should look on a screen, and what its file says of it."""

    image: np.ndarray  # float32 (H, W) in [0, 1], air dark and bone bright
    bits_stored: int  # of a pixel in the file, 1 to 16
    patient_id: str = ""  # pseudonym of the DICOM PatientID, "" without one
    warnings: tuple[str, ...] = ()  # of the decoders, redacted
    header_warnings: tuple[str, ...] = ()  # see `header.list_warnings`
    pixel_mm: tuple[float, float] | None = None  # height, width; `header.find_pixel_mm`
    pixel_ratio: float = 1.0  # height by width of a pixel; `header.find_pixel_ratio`
    header_failures: dict[str, str] = field(default_factory=dict)  # `list_failures`


def read_image(path: str | Path) -> np.ndarray:
    """Read the image alone, float32 (H, W) in [0, 1], as `read_radiograph` does."""
    return read_radiograph(path).image


def read_radiograph(path: str | Path) -> Radiograph:
    """Read one radiograph with its bit depth, pseudonym and warnings.

    Args:
        path: DICOM, PNG or JPEG file; its content decides which, not its name.

    Raises:
        RadiographError: the file is missing or damaged, larger than 1 GiB once
            decoded, in colour, of several frames, without pixels, or not a
            projection radiograph.
    """
    path = Path(path)
    try:
        with privacy.record_warnings() as recorded:
            data = disk.read_whole(path, MAX_BYTES)
            is_dicom = not _is_png_or_jpeg(data)
            film = _read_dicom(path, data) if is_dicom else _read_png_or_jpeg(data)
    except RadiographError as error:
        raise RadiographError(f"Cannot use {path.name}: {error}.") from error
    except Exception as error:  # pydicom and its decoders raise some ten types
        cause = privacy.describe_cause(error)
        raise RadiographError(f"Cannot read {path.name}: {cause}.") from error
    redacted = dict.fromkeys(privacy.redact(warning) for warning in recorded)
    return replace(film, warnings=tuple(redacted))


def _read_dicom(path: Path, data: bytes) -> Radiograph:
    dataset = _parse_dicom(data)
    _check_header(dataset)
    if fault := codestream.find_fault(dataset):
        raise RadiographError(fault)
    stored = _decode(path, dataset)
    return Radiograph(
        image=lut.apply_luts(stored, dataset),
        bits_stored=int(dataset.BitsStored),
        patient_id=privacy.make_pseudonym(dataset),
        header_warnings=tuple(header.list_warnings(dataset)),
        pixel_mm=header.find_pixel_mm(dataset),
        pixel_ratio=header.find_pixel_ratio(dataset),
        header_failures=header.list_failures(dataset),
    )


def _parse_dicom(data: bytes) -> pydicom.Dataset:
    """Parse DICOM bytes, with or without preamble, deflated ones within a bound."""
    if data[:2] == b"\x02\x00":  # begins with the meta information: no preamble
        data = bytes(128) + b"DICM" + data
    if data[128:132] == b"DICM":
        data = _inflate(data)
    elif data[:2] != b"\x08\x00":  # nor with the first group of a bare data set
        raise RadiographError("it is neither DICOM nor PNG nor JPEG")
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = (
            uid.ImplicitVRLittleEndian if implicit else uid.ExplicitVRLittleEndian
        )
    return dataset


def _inflate(data: bytes) -> bytes:
    """Inflate a deflated file; return every other one as it is."""
    stream = io.BytesIO(data)
    stream.seek(132)
    meta = filereader.read_dataset(
        stream, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2
    )
    if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
        return data
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    # pydicom would inflate a bomb to its end; one byte too many is enough to refuse.
    data = inflater.decompress(stream.read(), MAX_BYTES + 1)
    _check_size(len(data))
    if not inflater.eof:
        raise RadiographError("its deflated data is truncated")
    return data


def _check_header(dataset: pydicom.Dataset) -> None:
    """Refuse what is no single grey radiograph before any pixel is decoded."""
    if (modality := privacy.read_code(dataset, "Modality")) not in MODALITIES:
        raise RadiographError(f"its Modality {modality} is no projection radiograph")
    if not dataset.get("PixelData"):
        raise RadiographError("it has no pixel data or ends before them")
    for keyword in REQUIRED:
        if dataset.get(keyword) is None:
            raise RadiographError(f"its header has no {keyword}")
    if (num_frames := int(dataset.get("NumberOfFrames") or 1)) != 1:
        count = privacy.quote_number(num_frames)
        raise RadiographError(f"it has {count} frames, not one")
    photometric = privacy.read_code(dataset, "PhotometricInterpretation")
    if photometric not in PHOTOMETRICS:
        raise RadiographError(f"its pixels are {photometric}, not grey")
    if (bits_allocated := dataset.BitsAllocated) not in (8, 16):
        count = privacy.quote_number(bits_allocated)
        raise RadiographError(f"its BitsAllocated is {count}, not 8 or 16")
    high_bit = dataset.get("HighBit", dataset.BitsStored - 1)
    if high_bit != dataset.BitsStored - 1:
        high_bit = privacy.quote_number(high_bit)
        raise RadiographError(f"its HighBit {high_bit} is not BitsStored - 1")
    num_pixels = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
    _check_size(num_pixels * bits_allocated // 8)


def _check_size(num_bytes: int) -> None:
    if num_bytes > MAX_BYTES:
        raise RadiographError(f"it would take more than {MAX_BYTES} bytes decoded")


def _decode(path: Path, dataset: pydicom.Dataset) -> np.ndarray:
    """Decode the stored values as (H, W), 8 or 16 bits each.

    Python itself decodes uncompressed and RLE pixels. All other decoders are C and C++,
    which can crash or hang at a damaged frame: GDCM throws exceptions that nobody
    catches. They run in a process of their own, unless this one is a worker already.
    """
    syntax, stored = dataset.file_meta.TransferSyntaxUID, None
    in_python = not syntax.is_encapsulated or syntax == uid.RLELossless
    if not in_python and not isolated.is_worker():
        limits = {"seconds": DECODER_SECONDS, "quiet": True, "keep": True}
        try:
            stored = isolated.run(_try_decoding, path.absolute(), dataset, **limits)
        except isolated.IsolatedError as error:
            raise RadiographError(f"its decoder {error}") from error
    if stored is None:
        stored = decode_pixels(path, dataset)
    return _drop_colour(stored) if stored.ndim == 3 else stored


def _try_decoding(path: Path, dataset: pydicom.Dataset) -> np.ndarray | None:
    """Decode, or return None at an error or warning, which the caller then meets."""
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("error")
        return decode_pixels(path, dataset)
    return None


def decode_pixels(path: Path, dataset: pydicom.Dataset) -> np.ndarray:
    """Decode the stored values of one frame, in this process.

    GDCM reads 12-bit JPEG from `path`, which `dataset` was parsed from.

    Returns:
        (H, W), or (H, W, 3) where a pixel has three samples, 8 or 16 bits each.

    Raises:
        ValueError, RuntimeError and others: no decoder can.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == uid.JPEGExtended12Bit and dataset.BitsAllocated == 16:
        return _decode_jpeg_12_bit(path, dataset.Rows, dataset.Columns)
    if plugin := QUICKEST.get(syntax):
        with contextlib.suppress(RuntimeError):  # the others may still read it
            return pixels.pixel_array(dataset, index=0, decoding_plugin=plugin)
    return pixels.pixel_array(dataset, index=0)


def _decode_jpeg_12_bit(path: Path, num_rows: int, num_columns: int) -> np.ndarray:
    """Decode what GDCM can but pydicom's use of it refuses."""
    import gdcm  # clashes with zlib when it is the first to load, so not at the top

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    pixels_as_text = reader.Read() and reader.GetImage().GetBuffer()
    if not pixels_as_text:
        raise errors.InputError("GDCM cannot decode its 12-bit JPEG")
    frame = pixels_as_text.encode("utf-8", "surrogateescape")
    return np.frombuffer(frame, np.uint16).reshape(num_rows, num_columns)


def _drop_colour(rgb: np.ndarray) -> np.ndarray:
    """Turn (H, W, 3) that shows only greys into (H, W)."""
    if (rgb.max(axis=2) - rgb.min(axis=2)).max() > COLOUR_TOLERANCE:
        raise RadiographError("it is in colour")
    return rgb[..., 1]


def _is_png_or_jpeg(data: bytes) -> bool:
    return data[:4] == b"\x89PNG" or data[:3] == b"\xff\xd8\xff"


def _read_png_or_jpeg(data: bytes) -> Radiograph:
    with PIL.Image.open(io.BytesIO(data)) as file:
        _check_size(file.width * file.height * len(file.getbands()))
        if file.mode.startswith("I"):  # 16-bit grey
            return Radiograph((np.asarray(file) / 65535).astype(np.float32), 16)
        if file.mode in ("1", "L"):
            levels = np.asarray(file.convert("L"))
        else:
            levels = _drop_colour(np.asarray(file.convert("RGB")))
    return Radiograph((levels / 255).astype(np.float32), 8)


def read_header(path: str | Path) -> pydicom.Dataset | None:
    """Parse a file that `read_radiograph` has read; None where it is PNG or JPEG."""
    data = disk.read_whole(path, MAX_BYTES)
    return None if _is_png_or_jpeg(data) else _parse_dicom(data)


def write_png(path: str | Path, image: np.ndarray, bits_stored: int = 8) -> None:
    """Write an image as a grey PNG, whole or not at all.

    Args:
        image: float (H, W) in [0, 1].
        bits_stored: up to 8 makes an 8-bit PNG, more a 16-bit one.

    Raises:
        OSError: the file cannot be written.
    """
    levels = lut.quantize(image, np.uint8 if bits_stored <= 8 else np.uint16)
    written, png = cv2.imencode(".png", levels)
    if not written:
        raise OSError(f"Cannot write {path}: OpenCV could not encode it.")
    disk.write_whole(path, png.data)
