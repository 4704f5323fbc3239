"""The stored pixel values of one DICOM frame, by the quickest decoder that can."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom import pixels, uid

# Of lossless codings, where all decoders must agree; others go in pydicom's own order.
QUICKEST = {uid.JPEGLSLossless: "pyjpegls", uid.JPEG2000Lossless: "pylibjpeg"}


def decode(path: Path, dataset: pydicom.Dataset) -> np.ndarray:
    """Decode the stored values of one frame.

    Args:
        path: file of the film; GDCM reads 12-bit JPEG from there.
        dataset: what was parsed of it.

    Returns:
        (H, W), or (H, W, 3) where a pixel has three samples, 8 or 16 bits each.

    Raises:
        ValueError, RuntimeError and others: no decoder can.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == uid.JPEGExtended12Bit and dataset.BitsAllocated == 16:
        return _decode_jpeg_12_bit(path, dataset.Rows, dataset.Columns)
    if plugin := QUICKEST.get(syntax):
        try:
            return pixels.pixel_array(dataset, index=0, decoding_plugin=plugin)
        except RuntimeError:  # all others are asked too, and the last word is theirs
            return pixels.pixel_array(dataset, index=0)
    return pixels.pixel_array(dataset, index=0)


def _decode_jpeg_12_bit(path: Path, num_rows: int, num_columns: int) -> np.ndarray:
    """Decode what GDCM can but pydicom's use of it refuses."""
    import gdcm  # clashes with zlib when it is the first to load, so not at the top

    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    pixels_as_text = reader.Read() and reader.GetImage().GetBuffer()
    if not pixels_as_text:
        raise ValueError("GDCM cannot decode its 12-bit JPEG")
    frame = pixels_as_text.encode("utf-8", "surrogateescape")
    return np.frombuffer(frame, np.uint16).reshape(num_rows, num_columns)
