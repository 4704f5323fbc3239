"""The picture of a diagnosis: what is drawn where, pixel by pixel."""

import numpy as np
import pytest

from rds_tf import config
from rds_tf.plotting import overlay

GREY = np.full((600, 520), 0.5, "float32")
CYAN = (0, 229, 255)


def is_cyan(pixels):
    """The edge of an anti-aliased line lets a little of the film through."""
    return np.abs(pixels.astype(int) - CYAN).max() <= 40


def test_film_without_layers_stays_the_same_grey():
    drawn = overlay.draw_overlay(GREY)
    assert drawn.dtype == np.uint8
    assert drawn.shape[0] > 600 and drawn.shape[1:] == (520, 3)
    assert np.unique(drawn[:600]).tolist() == [128]  # 0.5 * 255 = 127.5, to even


def test_outline_is_cyan_on_the_border_and_nowhere_else():
    mask = np.zeros(GREY.shape, "uint8")
    mask[100:200, 50:150] = 1
    drawn = overlay.draw_overlay(GREY, mask)[:600]
    assert is_cyan(drawn[100, 50:150]) and is_cyan(drawn[100:200, 149])
    assert (drawn[110:190, 60:140] == 128).all()
    assert (drawn[210:] == 128).all() and (drawn[:90] == 128).all()


def test_heat_is_the_denser_the_hotter_and_absent_at_zero():
    heatmap = np.zeros(GREY.shape)
    heatmap[0, :2] = 0.5, 1.0
    cold, warm, hot = overlay.blend_heat(GREY, heatmap)[0, [2, 0, 1]]
    assert cold.tolist() == [0.5, 0.5, 0.5]
    assert np.ptp(warm) > 0.1  # a colour, not a grey
    # The hottest inferno is (0.988, 0.998, 0.645), laid over the film at 65 %.
    expected = 0.35 * 0.5 + 0.65 * np.array([0.988, 0.998, 0.645])
    np.testing.assert_allclose(hot, expected, atol=1e-3)


def test_caption_always_ends_with_the_clinical_use_line(monkeypatch):
    written = []
    draw = overlay.cv2.putText

    def record(image, text, *rest):
        written.append(text)
        return draw(image, text, *rest)

    monkeypatch.setattr(overlay.cv2, "putText", record)
    overlay.draw_overlay(GREY)
    assert " ".join(written) == config.NOT_FOR_CLINICAL_USE
    written.clear()
    overlay.draw_overlay(GREY, caption="신생아 " + "long " * 60 + "\nsecond")
    assert len(written) > 3 and written[0].startswith("??? long")
    assert written[-2:] == ["second", config.NOT_FOR_CLINICAL_USE]


def test_caption_stays_inside_the_picture():
    strip = overlay._draw_caption("wide words " * 30, width=512)
    assert strip.max() > 200
    assert not strip[:, -5:].any() and not strip[-5:].any() and not strip[:5].any()


def test_small_film_is_enlarged_with_its_outline():
    mask = np.zeros((64, 64), "uint8")
    mask[16:48, 16:48] = 1
    drawn = overlay.draw_overlay(np.zeros((64, 64)), mask)
    assert drawn.shape[1] == 512
    assert is_cyan(drawn[16 * 8 + 4, 256])


def test_empty_and_full_masks_are_drawn_too():
    assert overlay.find_outlines(np.zeros((4, 4))) == []
    (outline,) = overlay.find_outlines(np.ones((4, 5), bool))
    assert outline[:, 0].max(axis=0).tolist() == [4, 3]


@pytest.mark.parametrize("name", ["mask", "heatmap"])
def test_layer_of_another_size_is_refused(name):
    with pytest.raises(ValueError, match=rf"`{name}` must .*\(2, 2\).*\(600, 520\)"):
        overlay.draw_overlay(GREY, **{name: np.zeros((2, 2))})
