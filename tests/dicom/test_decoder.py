"""The quickest decoder gives what every other one gives, and is not the only one."""

import numpy as np
import pytest
from pydicom import pixels, uid

from rds_tf.dicom import radiograph


@pytest.fixture
def stored():
    """All values of 12 bits, each once, in an order that compresses badly."""
    values = np.random.default_rng(7).permutation(4096)
    return values.reshape(64, 64).astype(np.uint16)


@pytest.mark.parametrize(
    "syntax", radiograph.QUICKEST, ids=lambda syntax: syntax.keyword
)
def test_quickest_decoder_gives_the_values_of_every_other_one(
    syntax, stored, make_dicom
):
    dataset = make_dicom(stored, BitsStored=12)
    dataset.compress(syntax, generate_instance_uid=False)
    others = pixels.get_decoder(syntax).available_plugins
    assert radiograph.QUICKEST[syntax] in others and len(others) > 1
    np.testing.assert_array_equal(radiograph.decode_pixels("a.dcm", dataset), stored)
    for plugin in others:
        array = pixels.pixel_array(dataset, index=0, decoding_plugin=plugin)
        np.testing.assert_array_equal(array, stored)


def test_film_that_the_quickest_decoder_cannot_read_is_read_by_another(
    stored, make_dicom, monkeypatch
):
    def refuse(dataset, *, index, decoding_plugin=""):
        if decoding_plugin:
            raise RuntimeError("this one cannot")
        return pixel_array(dataset, index=index)

    dataset = make_dicom(stored, BitsStored=12)
    dataset.compress(uid.JPEGLSLossless, generate_instance_uid=False)
    pixel_array = pixels.pixel_array
    monkeypatch.setattr(pixels, "pixel_array", refuse)
    np.testing.assert_array_equal(radiograph.decode_pixels("a.dcm", dataset), stored)
