import cv2
import numpy as np
import pytest

from rds_phantoms import drawing


@pytest.fixture
def view():
    return drawing.View(10 * np.eye(2), np.array([20.0, 30.0]), (60, 40))


def test_a_view_maps_units_to_pixels_as_its_matrix_says(view):
    assert view.unit_px == pytest.approx(10)
    np.testing.assert_array_equal(view.to_px([(0, 0), (1, -2)]), [(20, 30), (30, 10)])


def test_a_filled_square_has_its_area_and_value(view):
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    layer = drawing.fill(view, [square])
    assert layer.shape == (60, 40) and layer.max() == 255
    # 20 px a side; the rim is drawn up to half a pixel further on every side.
    assert 20**2 <= layer.sum() / 255 <= 21.5**2
    stack = np.stack([square, square + (3, 0)])
    np.testing.assert_array_equal(drawing.fill(view, stack), layer)  # one is outside


def test_a_line_is_as_wide_as_said_and_a_thin_one_fainter(view):
    line = np.array([(-5, 0), (5, 0)])
    wide = drawing.stroke(view, [(line, 0.5)])
    # OpenCV's smooth rim is up to 1.5 px wide on either side.
    assert 5 <= wide[:, 20].sum() / 255 <= 8
    thin = drawing.stroke(view, [(line, 0.03)])
    assert thin.max() < 0.35 * 255


def test_lines_in_a_stack_are_the_lines_one_by_one(view):
    lines = np.random.default_rng(0).uniform(-2, 2, (4, 2, 2))
    together = drawing.stroke(view, [(lines, 0.2)])
    alone = drawing.stroke(view, [(line, 0.2) for line in lines])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("sigma", [0.5, 2, 5, 12])
def test_a_blur_keeps_a_flat_image_and_the_mean(sigma):
    flat = np.full((64, 64), 0.7, "float32")
    np.testing.assert_allclose(drawing.blur(flat, sigma), flat, atol=1e-5)
    dot = np.zeros((128, 128), "float32")
    dot[64, 64] = 1
    assert drawing.blur(dot, sigma).sum() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("radius", [8, 30])
def test_thickness_is_that_of_a_round_body(radius):
    filled = np.zeros((200, 200), "uint8")
    filled[50:150, 50:150] = 255
    depth = drawing.thickness(filled, radius)
    assert depth[100, 100] == pytest.approx(1) and depth[20, 20] == 0
    # Half a radius inside the rim: sqrt(1 - 0.5 ** 2).
    half = depth[100, 50 + radius // 2]
    assert half == pytest.approx(np.sqrt(0.75), abs=0.1)


def test_noise_has_mean_zero_and_variance_one(view):
    view = drawing.View(view.matrix, view.centre, (300, 300))
    field = drawing.smooth_noise(np.random.default_rng(1), view, 0.1)
    assert field.shape == (300, 300)
    assert field.mean() == pytest.approx(0, abs=0.05)
    assert field.std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("sigma", [0.7, 2.4, 5])
def test_a_blur_of_a_drawing_is_that_of_opencv_on_its_floats(view, sigma):
    drawn = drawing.stroke(view, [(np.array([(-1, 1), (2, 2)]), 0.2)])
    floats = drawn.astype("float32") / 255
    expected = 0.3 * drawing.blur(floats, sigma)
    np.testing.assert_allclose(
        drawing.blur(drawn, sigma, 0.3 / 255), expected, atol=1e-6
    )
    if sigma < 3:
        expected = 0.3 * cv2.GaussianBlur(floats, (0, 0), sigma)
        np.testing.assert_allclose(
            drawing.blur(drawn, sigma, 0.3 / 255), expected, atol=1e-6
        )


def test_nothing_drawn_is_blurred_to_nothing(view):
    assert not drawing.blur(np.zeros(view.shape, "uint8"), 1.5).any()


def test_layers_add_up_by_their_weights():
    one, two = np.array([[0, 255]], "uint8"), np.array([[10, 100]], "uint8")
    total = drawing.add_layers([(one, 0.1), (two, -0.5)])
    np.testing.assert_allclose(total, [[-5, -24.5]], rtol=1e-6)
