import numpy as np

from rds_tf.lungs import postprocess


def test_the_median_removes_a_speck_and_fills_a_pinhole():
    mask = np.zeros((50, 50), "uint8")
    mask[10:40, 10:40] = 1
    mask[20, 20] = 0
    mask[3, 3] = 1
    out = postprocess.median_filter(mask)
    assert out[20, 20] == 1 and out[3, 3] == 0


def test_the_two_largest_components_stay_and_their_holes_close():
    mask = np.zeros((40, 60), "uint8")
    mask[5:25, 5:20] = 1
    mask[10:15, 10:15] = 0
    mask[5:25, 30:45] = 1
    mask[30:36, 50:56] = 1
    out = postprocess.keep_two_lungs(mask)
    assert out.sum() == 2 * 20 * 15


def test_debris_beside_one_lung_is_dropped():
    mask = np.zeros((40, 60), "uint8")
    mask[5:25, 5:25] = 1
    mask[30:33, 40:43] = 1
    assert postprocess.keep_two_lungs(mask).sum() == 400
