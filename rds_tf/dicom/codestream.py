"""The size that a compressed frame claims, checked before a decoder believes it.

A decoder allocates memory for the size in the frame, not in the DICOM header: 600 bytes
that claim 60,000 x 60,000 pixels under a header of 64 x 64 take gigabytes.
"""

import struct

import pydicom
from pydicom import uid

NO_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers without a segment: TEM, RST, SOI
SIZES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15, SOF55
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"  # neither occurs in a scan


def find_fault(dataset: pydicom.Dataset) -> str:
    """Say where a compressed frame contradicts its header; "" where nothing does."""
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return ""
    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    rows, columns = dataset.Rows, dataset.Columns
    if dataset.file_meta.TransferSyntaxUID == uid.RLELossless:
        num_samples = rows * columns * dataset.SamplesPerPixel
        num_bytes = num_samples * dataset.BitsAllocated // 8
        # RLE makes noise longer by a 128th and a byte a row, but not by a quarter.
        if len(frame) > 1.25 * num_bytes + 1024:
            return f"its RLE data is longer than the {num_bytes} bytes it encodes"
    elif (found := read_size(frame)) != (rows, columns):
        size = "of no known size" if found is None else "{} x {}".format(*found)
        return f"its compressed pixels are {size}, its header says {rows} x {columns}"
    elif read_samples(frame) not in (None, dataset.SamplesPerPixel):
        count = f"{read_samples(frame)} samples each"
        return f"its compressed pixels have {count}, its header says otherwise"
    elif not is_whole(frame):
        return "its compressed pixels end too soon"
    return ""


def is_whole(frame: bytes) -> bool:
    """Say whether the last scan of a JPEG, JPEG-LS or JPEG 2000 frame has its end.

    It is a marker (ISO/IEC 10918-1 B.2.1, 14495-1 C.1.1, 15444-1 A.4.4). Without it
    some decoders make up the rest of the image, and CharLS searches for seconds.
    """
    return frame.rfind(END_OF_IMAGE) > frame.rfind(START_OF_SCAN)


def read_size(frame: bytes) -> tuple[int, int] | None:
    """Read rows and columns of a JPEG, JPEG-LS or JPEG 2000 frame.

    From the SOF segment (ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2), or from SIZ
    (15444-1 A.5.1), also inside a JP2 file; None where there is no such segment.
    """
    try:
        if frame[:2] == b"\xff\xd8":
            place = _find_sof(frame)
            return place and struct.unpack_from(">2H", frame, place + 5)
        start = 0 if frame[:4] == b"\xff\x4f\xff\x51" else frame.find(b"jp2c") + 4
        if frame[start : start + 4] != b"\xff\x4f\xff\x51":
            return None
        columns, rows, left, top = struct.unpack_from(">4I", frame, start + 8)
    except struct.error:
        return None
    return rows - top, columns - left


def read_samples(frame: bytes) -> int | None:
    """Read the samples of a pixel of a JPEG or JPEG-LS frame, None for another one."""
    place = _find_sof(frame) if frame[:2] == b"\xff\xd8" else None
    return frame[place + 9] if place else None


def _find_sof(frame: bytes) -> int | None:
    """Return the place of the SOF segment, walking from segment to segment."""
    place = 2
    while place + 10 <= len(frame):
        mark, kind = struct.unpack_from(">2B", frame, place)
        if mark != 0xFF or kind == 0xDA:  # the scan begins, and no size came before
            return None
        if kind in SIZES:
            return place
        if kind == 0xFF:  # a fill byte
            place += 1
        elif kind in NO_LENGTH:
            place += 2
        else:
            place += 2 + struct.unpack_from(">H", frame, place + 2)[0]
    return None
