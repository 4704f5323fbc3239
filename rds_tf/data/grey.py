"""Stored pixel values -> grey in [0, 1], by the chain of the DICOM standard.

Modality LUT, VOI LUT or window, scale to [0, 1], inversion last (PS3.3 C.11, C.7.6.3).
The chain maps each stored value apart from its neighbours, so it is worked out once
for every value that a pixel can hold and then looked up.
"""

import warnings

import numpy as np
import pydicom
from pydicom import pixels


def apply_grey(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Look each stored value up in the grey chain of its header.

    Args:
        stored: decoded pixels (H, W), 8 or 16 bits each.
        dataset: header with the image pixel, Modality LUT and VOI LUT modules.

    Returns:
        float32 (H, W) in [0, 1], air dark and bone bright.
    """
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    num_codes = 2 ** (8 * stored.itemsize)
    codes = _as_stored(np.arange(num_codes), 8 * stored.itemsize, dataset)
    values = _as_stored(codes, dataset.BitsStored, dataset)
    grey = _apply_voi(pixels.apply_modality_lut(values, dataset), dataset)
    if (
        dataset.PhotometricInterpretation == "MONOCHROME1"
        or dataset.get("PresentationLUTShape") == "INVERSE"
    ):
        grey = 1 - grey
    padded = _is_padding(codes, dataset)
    table = np.where(padded, 0, grey).astype(np.float32)
    indices = stored.view(f"u{stored.itemsize}")
    if ((values != codes) & ~padded)[indices].any():
        warnings.warn("Bits above BitsStored are set and were dropped", stacklevel=2)
    return table[indices]


def _as_stored(
    codes: np.ndarray, num_bits: int, dataset: pydicom.Dataset
) -> np.ndarray:
    """Read the low bits of each code as a number, in two's complement if signed."""
    values = codes & (2**num_bits - 1)
    if dataset.PixelRepresentation == 1:
        values -= 2**num_bits * (values >= 2 ** (num_bits - 1))
    return values


def _is_padding(codes: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Mark the codes that stand for "no image here": one value, or a range."""
    padding = dataset.get("PixelPaddingValue")
    if padding is None:
        return np.zeros(codes.shape, bool)
    low, high = sorted([padding, dataset.get("PixelPaddingRangeLimit", padding)])
    return (low <= codes) & (codes <= high)


def _apply_voi(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Scale modality values to [0, 1] by VOI LUT, window, or their whole range."""
    if dataset.get("VOILUTSequence"):
        return _apply_voi_lut(np.rint(values).astype(np.int64), dataset)
    center, width = _first(dataset, "WindowCenter"), _first(dataset, "WindowWidth")
    if center is not None and width is not None:
        function = dataset.get("VOILUTFunction") or "LINEAR"
        if width >= 1 or (width > 0 and function != "LINEAR"):
            return _apply_window(values, center, width, function)
        warnings.warn(f"Window width {width:g} was ignored", stacklevel=2)
    low, high = float(values.min()), float(values.max())
    return (values - low) / ((high - low) or 1)


def _apply_voi_lut(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    item = dataset.VOILUTSequence[0]
    bits = item.LUTDescriptor[2]
    if bits == 8:  # pydicom would count the entries of such a table in 8 bits, too
        item.LUTDescriptor[2] = 16
    return pixels.apply_voi_lut(values, dataset) / (2**bits - 1)


def _apply_window(
    values: np.ndarray, center: float, width: float, function: str
) -> np.ndarray:
    """Apply a window by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - center) / width))
    if function != "LINEAR_EXACT":
        center, width = center - 0.5, max(width - 1, 1e-9)
    return np.clip((values - center) / width + 0.5, 0, 1)


def _first(dataset: pydicom.Dataset, keyword: str) -> float | None:
    """Take the first of several windows."""
    value = dataset.get(keyword)
    values = np.atleast_1d([] if value is None else value)
    return float(values[0]) if len(values) else None
