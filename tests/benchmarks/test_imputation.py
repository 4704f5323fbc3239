import imputation
import numpy as np
import pytest


def test_a_lone_missing_pixel_is_the_weighted_mean_of_its_neighbours():
    image = np.array([[12, 0, 0], [6, 99, 0], [0, 0, 0]])
    filled = imputation.impute(image, image == 99, noise=0)
    assert filled[1, 1] == pytest.approx(12 / 12 + 6 / 6)
    np.testing.assert_array_equal(filled[image != 99], image[image != 99])
    # In the corner there are three neighbours: (6 + 12) / 6 + 18 / 12 over 5 / 12.
    corner = np.array([[99, 6], [12, 18]])
    filled = imputation.impute(corner, corner == 99, noise=0)
    assert filled[0, 0] == pytest.approx(4.5 * 12 / 5)


def test_two_missing_neighbours_are_solved_together():
    # 5 a = 2 b + 2 * 0 + 6 and 8 b = 2 a + 2 * 3 + 2 * 6 + 0 + 12, times 12.
    image = np.array([[99, 99, 3], [0, 6, 12]])
    filled = imputation.impute(image, image == 99, noise=0)
    np.testing.assert_allclose(filled, [[3, 4.5, 3], [0, 6, 12]], rtol=1e-6)


def test_a_hole_in_a_ramp_is_filled_by_the_ramp():
    rows, columns = np.mgrid[:9, :12]
    ramp = 2.0 * rows - 3.0 * columns
    missing = np.zeros((9, 12))
    missing[2:7, 3:10] = 1
    filled = imputation.impute(np.where(missing, 77, ramp), missing, noise=0)
    np.testing.assert_allclose(filled, ramp, atol=1e-4)


def test_noise_falls_on_imputed_pixels_alone_and_has_its_seed():
    image = np.zeros((40, 40))
    missing = np.arange(1600).reshape(40, 40) % 2
    filled = imputation.impute(image, missing, noise=0.1, seed=1)
    assert filled[missing == 1].std() == pytest.approx(0.1, rel=0.1)
    assert not filled[missing == 0].any()
    again, other = (imputation.impute(image, missing, 0.1, seed) for seed in (1, 2))
    np.testing.assert_array_equal(filled, again)
    assert (filled != other).any()


def test_refuses_to_impute_a_whole_film():
    with pytest.raises(ValueError, match="must leave a pixel"):
        imputation.impute(np.ones((2, 2)), np.ones((2, 2)))


def test_film_without_a_hole_is_left_as_it_is():
    image = np.arange(6.0).reshape(2, 3)
    filled = imputation.impute(image, np.zeros((2, 3)), noise=1)
    np.testing.assert_array_equal(filled, image)
