"""Words of headers and of decoders are told only where they can be nobody's name."""

import threading
import warnings

import pydicom
import pytest

from rds_tf.dicom import privacy


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
    assert privacy.redact(ValueError(said)) == told


@pytest.mark.parametrize(
    ("held", "told"),
    [("CT", "CT"), ("dx ", "DX"), ("KIM", "(not a code)"), (None, "")],
)
def test_only_codes_of_the_standard_are_told(held, told):
    dataset = pydicom.Dataset()
    dataset.add_new("Modality", "LO", held)
    assert privacy.read_code(dataset, "Modality") == told


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
    assert privacy.quote_number(value) == told


def test_each_thread_keeps_its_own_complaints_in_their_order():
    with pytest.warns(UserWarning, match="of another thread") as outside:
        with privacy.record_warnings() as kept:
            warnings.warn("one", stacklevel=1)
            say = threading.Thread(
                target=warnings.warn, args=("of another thread",), daemon=True
            )
            say.start()
            say.join()
            for _ in range(2):  # a repeated one too
                warnings.warn("two", stacklevel=1)
    assert [str(one) for one in kept] == ["one", "two", "two"]
    assert [str(one.message) for one in outside] == ["of another thread"]


def test_two_threads_that_keep_complaints_leave_no_filter_behind():
    before = list(warnings.filters), warnings.showwarning
    inside = threading.Event()

    def keep():
        with privacy.record_warnings():
            inside.set()

    with privacy.record_warnings():
        other = threading.Thread(target=keep, daemon=True)
        other.start()
        assert not inside.wait(0.1)  # it waits for its turn
    other.join(5)
    assert inside.is_set()
    assert (list(warnings.filters), warnings.showwarning) == before
