"""The grey chain of the DICOM standard, against values worked out by hand."""

import numpy as np
import pytest
from pydicom import Dataset, pixels

from rds_tf.dicom import lut


def u8(*values):
    return np.array([values], np.uint8)


def u16(*values):
    return np.array([values], np.uint16)


def i16(*values):
    return np.array([values], np.int16)


def window(center, width, function=None):
    tags = {"WindowCenter": center, "WindowWidth": width}
    return {**tags, "VOILUTFunction": function} if function else tags


def rescale(slope, intercept):
    return {"RescaleSlope": slope, "RescaleIntercept": intercept}


def table(first, bits, entries):
    """A LUT sequence whose first entry is for the value `first`."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


def assert_grey(dataset, stored, expected):
    image = lut.apply_luts(stored, dataset)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image[0], expected, atol=1e-6)


MODALITY_LUT, VOI_LUT = "ModalityLUTSequence", "VOILUTSequence"
LIMIT = "PixelPaddingRangeLimit"
MONOCHROME1 = {"PhotometricInterpretation": "MONOCHROME1"}
INVERSE = {"PresentationLUTShape": "INVERSE"}
TWELVE = {"BitsStored": 12}


@pytest.mark.parametrize(
    ("stored", "tags", "expected"),
    [
        (u8(0, 51, 255), {}, [0, 0.2, 1]),
        (u16(0, 819, 4095), TWELVE, [0, 0.2, 1]),
        (i16(-2048, -1229, 2047), TWELVE, [0, 0.2, 1]),
        (u8(0, 51, 255), rescale(-1, 9), [1, 0.8, 0]),
    ],
)
def test_without_a_window_all_that_can_be_stored_spans_the_greys(
    make_dicom, stored, tags, expected
):
    assert_grey(make_dicom(stored, **tags), stored, expected)


@pytest.mark.parametrize("tags", [MONOCHROME1, INVERSE, MONOCHROME1 | INVERSE])
def test_inversion_is_done_once_whoever_asks_for_it(make_dicom, tags):
    stored = u8(0, 51, 255)
    assert_grey(make_dicom(stored, **tags), stored, [1, 0.8, 0])


@pytest.mark.parametrize(
    ("stored", "tags", "expected"),
    [
        # linear: (x - (c - 0.5)) / (w - 1) + 0.5
        (u8(94, 95, 96, 105, 106), window(100.5, 11), [0, 0, 0.1, 1, 1]),
        (u8(99, 100), window(100, 1), [0, 1]),
        (u8(99, 100), window(99.5, 1), [0, 1]),  # x <= c - 0.5 is black
        (u8(95, 96, 105), window([100.5, 9], [11, 3]), [0, 0.1, 1]),
        # exact: (x - c) / w + 0.5
        (u8(95, 96, 105), window(100, 10, "LINEAR_EXACT"), [0, 0.1, 1]),
        # sigmoid: 1 / (1 + exp(-4 (x - c) / w)), and exp(-1) = 0.367879
        (u8(100, 101), window(100, 4, "SIGMOID"), [0.5, 0.731059]),
        # after the Modality LUT, before the inversion
        (u8(95, 96, 105), window(200.5, 21) | rescale(2, 0), [0, 0.1, 1]),
        (u8(0, 99, 110), window(0.5, 101) | rescale(-1, 99), [1, 0.5, 0.39]),
        (u8(95, 96, 105), window(100.5, 11) | MONOCHROME1, [1, 0.9, 0]),
    ],
)
def test_window(make_dicom, stored, tags, expected):
    assert_grey(make_dicom(stored, **tags), stored, expected)


@pytest.mark.parametrize(
    ("stored", "tags", "expected"),
    [
        (u8(0, 51, 255), {"PixelPaddingValue": 255}, [0, 0.2, 0]),
        (u8(0, 51, 255), MONOCHROME1 | {"PixelPaddingValue": 0}, [0, 0.8, 0]),
        (u8(9, 10, 51, 60), {"PixelPaddingValue": 60, LIMIT: 10}, [9 / 255, 0, 0, 0]),
        (i16(-32768, 2047), TWELVE | {"PixelPaddingValue": -32768}, [0, 1]),
    ],
)
def test_padding_is_black_whatever_the_polarity(make_dicom, stored, tags, expected):
    assert_grey(make_dicom(stored, **tags), stored, expected)


@pytest.mark.parametrize(
    ("stored", "tags", "expected"),
    [
        (u8(0, 1, 2), {MODALITY_LUT: table(0, 16, [40, 10, 20])}, [1, 0, 1 / 3]),
        (
            u8(90, 100, 101, 102, 200),
            {VOI_LUT: table(100, 10, [0, 341, 1023])},
            [0, 0, 1 / 3, 1, 1],
        ),
        (  # more entries than an 8-bit number can count
            u16(0, 255, 256, 300, 511),
            {VOI_LUT: table(0, 8, np.arange(512) // 2), "BitsStored": 9},
            [0, 127 / 255, 128 / 255, 150 / 255, 1],
        ),
    ],
)
def test_lookup_tables(make_dicom, stored, tags, expected):
    assert_grey(make_dicom(stored, **tags), stored, expected)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(128, 256), (70.5, 33), (0, 3)])
def test_windows_agree_with_those_of_pydicom(make_dicom, function, center, width):
    stored = np.arange(256, dtype=np.uint8)[None]
    dataset = make_dicom(stored, **window(center, width, function))
    expected = pixels.apply_windowing(stored, dataset) / 255
    image = lut.apply_luts(stored, dataset)
    np.testing.assert_allclose(image, expected, atol=1e-6)


@pytest.mark.parametrize("value", [0x1000, 0x8000])  # the least above 12 bits is 0
def test_bits_above_the_stored_ones_are_dropped_and_reported(make_dicom, value):
    stored = u16(value, 0x0FFF)
    with pytest.warns(UserWarning, match="Bits above BitsStored"):
        image = lut.apply_luts(stored, make_dicom(stored, BitsStored=12))
    np.testing.assert_array_equal(image, [[0, 1]])


def test_window_without_width_is_ignored_and_reported(make_dicom):
    stored = u8(0, 51, 255)
    with pytest.warns(UserWarning, match="Window width 0 was ignored"):
        image = lut.apply_luts(stored, make_dicom(stored, **window(100, 0)))
    np.testing.assert_allclose(image, [[0, 0.2, 1]], atol=1e-6)


@pytest.mark.parametrize("keyword", [VOI_LUT, MODALITY_LUT])
def test_8_bit_entries_may_lie_one_or_two_in_a_word(make_dicom, keyword):
    stored = u8(0, 1, 2)
    whole = table(0, 8, [0, 51, 255])
    packed = table(0, 8, [0, 51, 255])
    packed[0].LUTData = bytes([0, 51, 255, 0])
    for item in (whole, packed):
        assert_grey(make_dicom(stored, **{keyword: item}), stored, [0, 0.2, 1])


@pytest.mark.parametrize("keyword", [VOI_LUT, MODALITY_LUT])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"LUTDescriptor": [9, 0, 16]}, "has 6 entries, not 9"),
        ({"LUTDescriptor": [3, 0, 8]}, "entries of more than 8 bits"),
        ({"LUTDescriptor": [3, 0, 0]}, "entries of more than 0 bits"),
    ],
)
def test_table_that_is_not_what_it_says_is_refused(
    make_dicom, keyword, change, sentence
):
    item = table(0, 16, [0, 300, 1000])
    item[0].update(change)
    with pytest.raises(ValueError, match=f"its {keyword} .*{sentence}"):
        lut.apply_luts(u8(0, 1, 2), make_dicom(u8(0, 1, 2), **{keyword: item}))


def test_first_value_of_a_table_written_unsigned_is_read_as_signed(make_dicom):
    stored = i16(-101, -100, -99)
    item = table(2**16 - 100, 16, [0, 65535])
    assert_grey(make_dicom(stored, **{VOI_LUT: item}), stored, [0, 0, 1])


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")  # as the test writes it
def test_codes_are_read_in_small_letters_too(make_dicom):
    stored = u8(100, 101)
    dataset = make_dicom(stored, **window(100, 4, "sigmoid"))
    dataset.PhotometricInterpretation = "monochrome1"
    assert_grey(dataset, stored, [0.5, 1 - 0.731059])


def test_unknown_function_of_a_window_is_reported(make_dicom):
    stored = u8(95, 96, 105)
    with pytest.warns(UserWarning, match="VOILUTFunction .not a code. was ignored"):
        assert_grey(
            make_dicom(stored, **window(100.5, 11, "CUBIC")), stored, [0, 0.1, 1]
        )


def test_narrow_sigmoid_does_not_overflow(make_dicom):
    stored = u8(0, 128, 255)
    dataset = make_dicom(stored, **window(128, 0.01, "SIGMOID"))
    assert_grey(dataset, stored, [0, 0.5, 1])


@pytest.mark.parametrize(
    "tags",
    [window("nan", 9), window("inf", "inf"), rescale("inf", 0), rescale(1, "nan")],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR DS", "ignore:invalid value")
def test_numbers_that_are_none_are_refused(make_dicom, tags):
    dataset = make_dicom(u8(1, 2), **tags)
    with pytest.raises(ValueError, match="its rescale or window is no number"):
        lut.apply_luts(u8(1, 2), dataset)


@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 255), (np.uint16, 65535)])
def test_quantized_grey_is_the_nearest_level_in_every_row(dtype, most):
    image = np.random.default_rng(7).random((300, 1000), dtype=np.float32)
    image[:, :2] = 0, 1
    levels = lut.quantize(image, dtype)
    assert levels.dtype == dtype and levels[:, :2].tolist() == [[0, most]] * 300
    assert np.abs(levels - image.astype(float) * most).max() <= 0.5
