"""Fill missing pixels from their neighbours, so that the hole shows little."""

import functools

import numpy as np
from scipy import sparse
from scipy.sparse import linalg


def impute(image, missing, noise: float = 0.01, seed: int = 0) -> np.ndarray:
    """Fill missing pixels by noisy linear imputation.

    Rong et al. 2022, arXiv:2202.00449, section 4: every missing pixel becomes the
    weighted mean of its neighbours in the film, 1/6 for each of the four beside it
    and 1/12 for each of the four at its corners, all of them solved at once.

    Args:
        image: `(H, W)`.
        missing: `(H, W)` of {0, 1}.
        noise: float, standard deviation of what is added to the imputed pixels.
        seed: int, of the noise.

    Returns:
        float32 `(H, W)`, neither clipped nor changed where nothing was missing.

    Raises:
        ValueError: if every pixel is missing.
    """
    filled = np.array(image, "float64")
    missing = np.asarray(missing, bool)
    if missing.all():
        raise ValueError("`missing` must leave a pixel of the film. Received: none")
    gone, kept = np.flatnonzero(missing), np.flatnonzero(~missing)
    if gone.size:
        rows = _balance(*filled.shape)[gone]
        factors = linalg.splu(
            rows[:, gone].tocsc(),
            "MMD_AT_PLUS_A",
            diag_pivot_thresh=0,
            options={"SymmetricMode": True},  # without it scattered pixels take seconds
        )
        draws = np.random.default_rng(seed).standard_normal(gone.size)
        solved = factors.solve(-rows[:, kept] @ filled.flat[kept])
        filled.flat[gone] = solved + noise * draws
    return filled.astype("float32")


@functools.lru_cache(4)
def _balance(height: int, width: int):
    """Return sparse `(H W, H W)`: each pixel's neighbour weights times what it lacks.

    A row times the pixels is 0 where the pixel is the mean of its neighbours.
    """
    down, right = (
        sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(n, n))
        for n in (height, width)
    )
    beside = sparse.kron(down, sparse.eye_array(width))
    beside = beside + sparse.kron(sparse.eye_array(height), right)
    weights = beside / 6 + sparse.kron(down, right) / 12
    return (sparse.diags_array(weights.sum(axis=1)) - weights).tocsr()
