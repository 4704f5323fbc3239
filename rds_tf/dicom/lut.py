"""Stored pixel values -> grey in [0, 1], by the lookup tables of the DICOM standard.

Modality LUT, VOI LUT or window, scale to [0, 1], inversion last (PS3.3 C.11, C.7.6.3).
This maps each stored value without regard to its neighbours, so it is computed once
for every value that a pixel can hold and then looked up.
"""

import warnings

import numpy as np
import pydicom

from rds_tf import errors
from rds_tf.dicom import privacy

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def apply_luts(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Turn stored values into grey as the header says.

    Args:
        stored: decoded pixels (H, W), 8 or 16 bits each.
        dataset: header with the image pixel, Modality LUT and VOI LUT modules.

    Returns:
        float32 (H, W) in [0, 1], air dark and bone bright.

    Raises:
        InputError: a lookup table is not whole, or the header's numbers give no grey.
    """
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    num_bits = 8 * stored.itemsize
    # Every number that these bits can hold, and the part of it within BitsStored.
    codes = _read_bits(np.arange(2**num_bits), num_bits, dataset)
    values = _read_bits(codes, dataset.BitsStored, dataset)
    grey = apply_voi_lut(apply_modality_lut(values, dataset), dataset)
    if not np.isfinite(grey).all():
        raise errors.InputError("its rescale or window is no number")
    if (  # the lowest value is to be shown white
        privacy.read_code(dataset, "PhotometricInterpretation") == "MONOCHROME1"
        or privacy.read_code(dataset, "PresentationLUTShape") == "INVERSE"
    ):
        grey = 1 - grey
    padding = _is_padding(codes, dataset)
    table = np.where(padding, 0, grey).astype(np.float32)  # padding is black
    indices = stored.view(f"u{stored.itemsize}")
    if _any_of((values != codes) & ~padding, indices):
        warnings.warn("Bits above BitsStored are set and were dropped", stacklevel=2)
    return table.take(indices)


def _read_bits(
    codes: np.ndarray, num_bits: int, dataset: pydicom.Dataset
) -> np.ndarray:
    """Read the low bits of each code as a number, in two's complement if signed."""
    values = codes & (2**num_bits - 1)
    if dataset.PixelRepresentation == 1:
        values -= 2**num_bits * (values >= 2 ** (num_bits - 1))
    return values


def apply_modality_lut(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Map stored values by the Modality LUT, or by slope and intercept, or not."""
    if dataset.get("ModalityLUTSequence"):
        return _look_up(values, "ModalityLUTSequence", dataset)[0]
    slope, intercept = (_first(dataset, f"Rescale{n}") for n in ("Slope", "Intercept"))
    if slope is None or intercept is None:
        return values
    return values * slope + intercept


def apply_voi_lut(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Scale modality values to [0, 1] by VOI LUT, window, or their whole range."""
    if dataset.get("VOILUTSequence"):
        found, bits = _look_up(np.rint(values), "VOILUTSequence", dataset)
        return found / (2**bits - 1)
    center, width = _first(dataset, "WindowCenter"), _first(dataset, "WindowWidth")
    if center is not None and width is not None:
        function = privacy.read_code(dataset, "VOILUTFunction") or "LINEAR"
        if function not in FUNCTIONS:
            warnings.warn(f"VOILUTFunction {function} was ignored", stacklevel=2)
            function = "LINEAR"
        if width >= 1 or (width > 0 and function != "LINEAR"):
            return _apply_window(values, center, width, function)
        warnings.warn(f"Window width {width:g} was ignored", stacklevel=2)
    low, high = float(values.min()), float(values.max())
    return (values - low) / ((high - low) or 1)


def _look_up(
    values: np.ndarray, sequence: str, dataset: pydicom.Dataset
) -> tuple[np.ndarray, int]:
    """Look values up in the first table of a LUT sequence; also its bits an entry.

    8-bit entries lie two in a word (PS3.3 C.11.1.1.1), in some files one in a word:
    the length of the data tells which.
    """
    item = dataset[sequence].value[0]
    count, first, bits = map(int, item.LUTDescriptor)
    count = count or 2**16  # 0 stands for 65,536
    if first >= 2**15 and values.min() < 0:  # written unsigned, meant signed
        first -= 2**16
    if isinstance(data := item.LUTData, bytes):
        little = dataset.original_encoding[1] is not False
        data = np.frombuffer(data, "<u2" if little else ">u2")
    words = np.atleast_1d(data).astype("<u2")
    entries = (words if len(words) >= count else words.view(np.uint8))[:count]
    if len(entries) < count:
        raise errors.InputError(
            f"its {sequence} has {len(entries)} entries, not {count}"
        )
    if not 1 <= bits <= 16 or int(entries.max()) >= 2**bits:
        raise errors.InputError(f"its {sequence} has entries of more than {bits} bits")
    return entries[np.clip(values - first, 0, count - 1).astype(int)], bits


def _apply_window(
    values: np.ndarray, center: float, width: float, function: str
) -> np.ndarray:
    """Apply a window by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if function == "SIGMOID":
        with np.errstate(over="ignore"):  # 1 / infinity is the 0 that is meant
            return 1 / (1 + np.exp(-4 * (values - center) / width))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
        if width == 0:
            return (values > center).astype(float)
    return np.clip((values - center) / width + 0.5, 0, 1)


def _first(dataset: pydicom.Dataset, keyword: str) -> float | None:
    """Return the first of several windows: a viewer shows this one."""
    value = dataset.get(keyword)
    values = np.atleast_1d([] if value is None else value)
    return float(values[0]) if len(values) else None


def _is_padding(codes: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Mark the codes that mean "no image here": one value, or a range."""
    padding = dataset.get("PixelPaddingValue")
    if padding is None:
        return np.zeros(codes.shape, bool)
    low, high = sorted([padding, dataset.get("PixelPaddingRangeLimit", padding)])
    return (low <= codes) & (codes <= high)


def _any_of(marked: np.ndarray, indices: np.ndarray) -> bool:
    """Say whether any index is marked, from the lowest and highest if they suffice."""
    between = marked[indices.min() : int(indices.max()) + 1]
    return bool(between.any() and (between.all() or marked[indices].any()))


def quantize(image: np.ndarray, dtype: type) -> np.ndarray:
    """Round grey (H, W) in [0, 1] to levels from 0 to the greatest of `dtype`."""
    levels = np.empty(image.shape, dtype)
    step = max(1, 2**17 // image.shape[1])  # a few rows at a time stay in the cache
    for row in range(0, len(image), step):
        rows = image[row : row + step].astype(np.float64)
        levels[row : row + step] = np.rint(rows * np.iinfo(dtype).max)
    return levels
