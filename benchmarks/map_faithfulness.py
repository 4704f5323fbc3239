"""Test whether a heat map is true: change the film where it is hot, and ask again.

The model enters only as a function `predict`, images `(B, H, W, 1)` -> logits `(B,)`,
so that one network and an ensemble are judged alike. Every score says something only
beside the same score of `baseline_maps`, maps drawn without the model.
"""

from dataclasses import dataclass

import baseline_maps
import cv2
import imputation
import numpy as np
from scipy import special

from rds_tf.stats import metrics

METRICS = ("insertion", "deletion", "road")
PERCENTAGES = tuple(range(10, 100, 10))
BLUR = 1 / 10  # sigma of the blurred film, as a proportion of its longer side


@dataclass(frozen=True)
class Curve:
    """Probability while the pixels change, the hottest first.

    Attributes:
        proportions: float `(num_steps + 1,)` from 0 to 1, of the pixels changed.
        probabilities: float `(num_steps + 1,)`.
        area: float in `[0, 1]`, under the curve (trapezoids).
    """

    proportions: np.ndarray
    probabilities: np.ndarray
    area: float


@dataclass(frozen=True)
class Road:
    """Probability after the hottest and after the coldest pixels are imputed.

    Attributes:
        proportions: float `(P,)`, of the pixels removed.
        most_first: float `(P,)`, probabilities without the hottest.
        least_first: float `(P,)`, probabilities without the coldest.
        score: float in `[-1, 1]`, mean of `least_first - most_first`; above 0 the
            hot pixels matter more.
    """

    proportions: np.ndarray
    most_first: np.ndarray
    least_first: np.ndarray
    score: float


def deletion(predict, image, heatmap, num_steps: int = 20, fill="blur") -> Curve:
    """Take the pixels out of the film, hottest first; a true map has a small area.

    Petsiuk et al. 2018 (RISE), arXiv:1806.07421. Pixels of one heat go in the order
    of the heat around them (blurred map), then in reading order.

    Args:
        predict: function, float32 `(B, H, W, 1)` -> logits `(B,)`; called once.
        image: `(H, W)` or `(H, W, 1)` in the model's range.
        heatmap: `(H, W)`, any unit; only its order counts.
        num_steps: int, steps from the whole film to none of it.
        fill: what takes a pixel's place: `"blur"` (the film blurred by `BLUR`; RISE
            itself deletes to black), `"mean"`, or an array `(H, W)`. Ask the model
            what it makes of it: where haze is the disease, blur is no neutral ground.

    Raises:
        ValueError: if image, heatmap or fill are others.
    """
    image, heatmap = _check_pair(image, heatmap)
    ground = draw_ground(image, fill)
    return _replace(predict, image, ground, heatmap, num_steps)


def insertion(predict, image, heatmap, num_steps: int = 20, fill="blur") -> Curve:
    """Put the pixels into the blurred film, hottest first; the area should be large.

    All else is as for `deletion`, and `fill` is what the film begins as.
    """
    image, heatmap = _check_pair(image, heatmap)
    ground = draw_ground(image, fill)
    return _replace(predict, ground, image, heatmap, num_steps)


def road(
    predict, image, heatmap, percentages=PERCENTAGES, noise: float = 0.01, seed: int = 0
) -> Road:
    """Remove And Debias: impute the hottest pixels, then the coldest, and compare.

    Rong et al. 2022, arXiv:2202.00449. Imputed pixels (`imputation`) give away less of
    the shape that was cut than a grey patch does.

    Args:
        predict, image, heatmap: as in `deletion`.
        percentages: numbers between 0 and 100, of the pixels removed.
        noise: float, standard deviation of the noise on imputed pixels.
        seed: int, of the noise.

    Raises:
        ValueError: if image, heatmap or percentages are others.
    """
    image, heatmap = _check_pair(image, heatmap)
    proportions = np.asarray(percentages, float) / 100
    counts = np.round(proportions * heatmap.size)
    if not counts.size or counts.min() < 1 or counts.max() >= heatmap.size:
        raise ValueError(
            f"`percentages` must remove some pixels and not all. Received: "
            f"{percentages} of {heatmap.size}"
        )
    rank = _rank(heatmap)
    removed = [rank < count for count in counts]
    removed += [rank >= rank.size - count for count in counts]
    imputed = np.stack(
        [imputation.impute(image, each, noise, seed) for each in removed]
    )
    most, least = _probabilities(predict, imputed).reshape(2, -1)
    return Road(proportions, most, least, float(np.mean(least - most)))


def judge_maps(predict, images, maps, groups=None, fill="blur", seed: int = 0) -> dict:
    """Score kinds of maps on the same images, beside the baselines.

    Args:
        predict: as in `deletion`; called three times for every image and map.
        images: `(B, H, W, 1)` in the model's range, best those of the class explained.
        maps: name of a kind of map to its `(B, H, W)`.
        groups: `(B,)`, the patient of each image; default: each its own.
        fill: as in `deletion`; an array is `(B, H, W)`, one film for each image.
        seed: int, of the random baseline and of the noise of `road`.

    Returns:
        dict, fit for JSON: for each map and each of `baseline_maps.BASELINES` its
        `"insertion"` and `"deletion"` areas and its `"road"` score, means over the
        images with `"value"`, `"low"`, `"high"` of `metrics.bootstrap_interval`. A map
        has `"against"` too: baseline -> metric -> the mean of map less baseline, with
        its interval. Better is more for insertion and ROAD, less for deletion.

    Raises:
        ValueError: if a map bears a baseline's name, or shapes differ.
    """
    images = np.asarray(images, "float32")
    if taken := sorted(maps.keys() & set(baseline_maps.BASELINES)):
        raise ValueError(f"Expected no map of a baseline's name. Received: {taken}")
    baselines = baseline_maps.draw_baselines(images[..., 0], seed)
    scores = {
        name: _score(predict, images, heatmaps, fill, seed)
        for name, heatmaps in (maps | baselines).items()
    }
    judged = {name: _intervals(found, groups) for name, found in scores.items()}
    for name in maps:
        judged[name]["against"] = {
            baseline: _intervals(scores[name] - scores[baseline], groups)
            for baseline in baselines
        }
    return judged


def draw_ground(image: np.ndarray, fill="blur") -> np.ndarray:
    """Return what stands for missing pixels, float32 `(H, W)`; see `deletion`."""
    if isinstance(fill, str) and fill == "blur":
        return cv2.GaussianBlur(image, (0, 0), BLUR * max(image.shape))
    if isinstance(fill, str) and fill == "mean":
        return np.full_like(image, image.mean())
    if np.shape(fill) != image.shape:
        raise ValueError(
            f"Expected `fill` to be 'blur', 'mean' or an array {image.shape}. "
            f"Received: {fill if isinstance(fill, str) else np.shape(fill)!r}"
        )
    return np.asarray(fill, "float32")


def _score(predict, images, heatmaps, fill, seed) -> np.ndarray:
    """Return the `METRICS` of every image and its map, `(B, 3)`."""
    fills = [fill] * len(images) if isinstance(fill, str) else fill
    return np.array(
        [
            (
                insertion(predict, image, heatmap, fill=ground).area,
                deletion(predict, image, heatmap, fill=ground).area,
                road(predict, image, heatmap, seed=seed).score,
            )
            for image, heatmap, ground in zip(images, heatmaps, fills, strict=True)
        ]
    )


def _intervals(scores: np.ndarray, groups) -> dict[str, dict]:
    """Return the mean of every metric of `(B, 3)` with its interval."""
    pairs = zip(METRICS, scores.T, strict=True)
    return {name: metrics.bootstrap_interval(values, groups) for name, values in pairs}


def _replace(predict, before, after, heatmap, num_steps) -> Curve:
    """Turn one film into another, hottest pixels first, and follow the model."""
    proportions = np.linspace(0, 1, num_steps + 1)
    changed = _rank(heatmap) < np.round(proportions * heatmap.size)[:, None, None]
    probabilities = _probabilities(predict, np.where(changed, after, before))
    return Curve(
        proportions, probabilities, float(np.trapezoid(probabilities, proportions))
    )


def _probabilities(predict, images: np.ndarray) -> np.ndarray:
    """Ask the model once for all images `(B, H, W)`: probabilities `(B,)`."""
    return special.expit(np.asarray(predict(images[..., None]), float).reshape(-1))


def _rank(heatmap: np.ndarray) -> np.ndarray:
    """Number the pixels `(H, W)` from 0, the hottest."""
    # A rectified map is 0 in wide parts. Their order is not left to chance: scattered
    # pixels are imputed almost without loss, which would flatter such maps.
    around = cv2.GaussianBlur(heatmap, (0, 0), max(heatmap.shape) / 4)
    order = np.lexsort((-around.round(9).ravel(), -heatmap.ravel()))
    rank = np.empty(order.size, int)
    rank[order] = np.arange(order.size)
    return rank.reshape(heatmap.shape)


def _check_pair(image, heatmap) -> tuple[np.ndarray, np.ndarray]:
    """Return the film float32 and its map float64, both `(H, W)`, or raise."""
    image, heatmap = np.asarray(image, "float32"), np.asarray(heatmap, "float64")
    shapes = heatmap.shape, (*heatmap.shape, 1)
    if heatmap.ndim != 2 or image.shape not in shapes or not np.isfinite(heatmap).all():
        raise ValueError(
            f"Expected `image` (H, W) or (H, W, 1) and a finite `heatmap` (H, W). "
            f"Received: {image.shape} and {heatmap.shape}"
        )
    return image.reshape(heatmap.shape), heatmap
