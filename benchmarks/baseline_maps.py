"""What a heat map is held against: maps of no model, random weights, the truth.

A map that is no better than one drawn without the model, or that stays as it is when
the weights are shuffled, shows the film and not the decision. Where a map lies is a
question of its own: one can point at the cause and yet not follow the model.
"""

import cv2
import keras
import numpy as np
from scipy import ndimage, stats

BASELINES = ("blurred", "random", "centre")
OUTSIDE = "outside"


def draw_baselines(images: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw every one of `BASELINES` for images `(B, H, W)`: name to `(B, H, W)`."""
    shape = images.shape[1:]
    seeds = [[seed, index] for index in range(len(images))]
    return {
        "blurred": np.stack([blurred_baseline(image) for image in images]),
        "random": np.stack([random_baseline(shape, each) for each in seeds]),
        "centre": np.stack([centre_baseline(shape)] * len(images)),
    }


def blurred_baseline(image: np.ndarray) -> np.ndarray:
    """Draw where the film has edges, blurred: a map made of the image alone.

    Args:
        image: `(H, W)`.

    Returns:
        float32 `(H, W)` in `[0, 1]`, the length of the gradient (Sobel), blurred by
        a sixteenth of the longer side; 0 everywhere for a film without edges.
    """
    image = np.asarray(image, "float32")
    edges = np.hypot(cv2.Sobel(image, -1, 1, 0), cv2.Sobel(image, -1, 0, 1))
    return _scale(cv2.GaussianBlur(edges, (0, 0), max(image.shape) / 16))


def random_baseline(shape: tuple[int, int], seed=0, num_cells: int = 4) -> np.ndarray:
    """Draw a smooth random map with the grain of a class activation map.

    Args:
        shape: (H, W).
        seed: int or sequence of them.
        num_cells: int, cells a side; an EfficientNet has one for every 32 px.

    Returns:
        float32 `(H, W)` in `[0, 1]`, noise `(num_cells, num_cells)` resized as
        `grad_cam.grad_cam` does (bilinear, corners aligned).
    """
    noise = np.random.default_rng(seed).random((num_cells, num_cells))
    zoom = [side / num_cells for side in shape]
    return _scale(ndimage.zoom(noise, zoom, order=1).astype("float32"))


def centre_baseline(shape: tuple[int, int]) -> np.ndarray:
    """Draw a bell over the centre, a quarter of either side wide (its sigma).

    Returns:
        float32 `(H, W)` in `(0, 1]`.
    """
    rows, columns = (
        np.exp(-8 * ((np.arange(side) + 0.5) / side - 0.5) ** 2) for side in shape
    )
    return np.outer(rows, columns).astype("float32")


def randomise_weights(model, seed: int = 0, proportion: float = 1.0):
    """Copy a model and shuffle the weights of its top layers.

    One step of the cascading randomisation of Adebayo et al. 2018, arXiv:1810.03292,
    from the logit down. Every array of weights keeps its own values in random order
    and so its scale: with fresh initial values the batch normalisations, which do not
    learn here, would let the signal of a deep network die or burst.

    Args:
        model: a Keras model; a nested model counts as one layer.
        seed: int, of the shuffling.
        proportion: float in `(0, 1]`, of the layers with weights; at least one.

    Returns:
        A new model; `model` is left as it was.

    Raises:
        ValueError: if `proportion` lies outside `(0, 1]`.
    """
    if not 0 < proportion <= 1:
        raise ValueError(f"`proportion` must lie in (0, 1]. Received: {proportion}")
    random = np.random.default_rng(seed)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    layers = [layer for layer in copy.layers if layer.weights]
    for layer in layers[-max(1, round(proportion * len(layers))) :]:
        shuffled = [
            random.permutation(weight.ravel()).reshape(weight.shape)
            for weight in layer.get_weights()
        ]
        layer.set_weights(shuffled)
    return copy


def similarity(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation of two maps of one shape.

    Adebayo et al. 2018, arXiv:1810.03292: 1 for the same order of pixels, 0 for
    none. A constant map orders nothing, so it gives 0.

    Raises:
        ValueError: if the shapes differ.
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise ValueError(
            f"Expected maps of one shape. Received: {first.shape} and {second.shape}"
        )
    ranks = [stats.rankdata(one) for one in (first, second)]
    if min(np.ptp(one) for one in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def heat_proportions(
    heatmap: np.ndarray, regions: dict[str, np.ndarray]
) -> dict[str, float]:
    """Return the proportion of the heat in each region, and outside of all.

    Args:
        heatmap: `(H, W)`, at least 0.
        regions: name to mask `(H, W)` of {0, 1}. They may overlap: heat in two of
            them is counted in both, so that the proportions can add up to more than 1.

    Returns:
        Name to float in `[0, 1]`, `"outside"` what no region covers; NaN for a map
        without heat.

    Raises:
        ValueError: if a region is named `"outside"` or has another shape, or the
            map has negative values.
    """
    heatmap = np.asarray(heatmap, "float64")
    if OUTSIDE in regions or heatmap.min() < 0:
        raise ValueError(
            f"Expected `heatmap` at least 0 and no region {OUTSIDE!r}. Received: "
            f"minimum {heatmap.min()}, regions {', '.join(regions)}"
        )
    masks = {name: _check_mask(mask, heatmap) for name, mask in regions.items()}
    masks[OUTSIDE] = ~np.any([*masks.values(), np.zeros(heatmap.shape, bool)], axis=0)
    total = heatmap.sum() or np.nan
    return {name: float(heatmap[mask].sum() / total) for name, mask in masks.items()}


def points_at(heatmap: np.ndarray, mask: np.ndarray, tolerance_px: float = 0) -> bool:
    """Say whether the hottest pixel lies in the mask: the pointing game.

    Zhang et al. 2018, IJCV 126:1084 (arXiv:1608.00507), who allow 15 px.

    Args:
        heatmap: `(H, W)`. Of several hottest pixels the first in reading order
            counts; a constant map points at nothing.
        mask: the true cause, `(H, W)` of {0, 1}.
        tolerance_px: float, how far from the mask still counts, in px.

    Raises:
        ValueError: if the shapes differ.
    """
    heatmap = np.asarray(heatmap)
    mask = _check_mask(mask, heatmap)
    if not mask.any() or np.ptp(heatmap) == 0:
        return False
    distance = ndimage.distance_transform_edt(~mask)
    return bool(distance.flat[heatmap.argmax()] <= tolerance_px)


def _check_mask(mask, heatmap: np.ndarray) -> np.ndarray:
    """Return a mask as bool `(H, W)`, or raise ValueError."""
    mask = np.asarray(mask).astype(bool)
    if mask.shape != heatmap.shape:
        raise ValueError(
            f"Expected a mask of the map's shape {heatmap.shape}. "
            f"Received: {mask.shape}"
        )
    return mask


def _scale(heatmap: np.ndarray) -> np.ndarray:
    """Scale a map to [0, 1]; a constant one becomes 0."""
    low, high = heatmap.min(), heatmap.max()
    return (heatmap - low) / (high - low) if high > low else np.zeros_like(heatmap)
