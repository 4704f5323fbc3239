"""Words of headers and of decoders are told only where they can be nobody's name."""

import pydicom
import pytest

from rds_tf.data import telling


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("base 10: 'Kim'", "base 10: (a value)"),
        ("base 10: 'O'Brien'", "base 10: (a value)"),
        ('value "O\'Brien" is odd', "value (a value) is odd"),
        ("float: np.str_('Kim')", "float: np.str_((a value))"),
        ("bytes b'KIM' here", "bytes b(a value) here"),
        ("'Kim' and 'Lee' differ", "(a value) differ"),
        ("cut short: 'Kim Min", "cut short: (a value)"),
        ("'Bits Stored' is 'Kim'", "(a value)"),
        ("'Bits Stored' value of '99'", "'Bits Stored' value of '99'"),
        ("the id '1234567' is", "the id (a value) is"),
        ("couldn't\n  read it", "couldn't read it"),
    ],
)
def test_what_decoders_quote_is_left_out(said, told):
    assert telling.quote_nothing(ValueError(said)) == told


@pytest.mark.parametrize(
    ("held", "told"),
    [("CT", "CT"), ("dx ", "DX"), ("KIM", "(not a code)"), (None, "")],
)
def test_only_codes_of_the_standard_are_told(held, told):
    dataset = pydicom.Dataset()
    dataset.add_new("Modality", "LO", held)
    assert telling.read_code(dataset, "Modality") == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (16, "16"),
        (-7, "-7"),
        ("Kim", "(not a small number)"),
        (20231109, "(not a small number)"),  # a birth date
    ],
)
def test_only_small_numbers_are_told(value, told):
    assert telling.tell_number(value) == told
