"""How the tube finder that is shipped is trained: a small U-Net, phantoms alone."""

import multiprocessing
import os
from pathlib import Path

import cv2
import numpy as np

from rds_tf import config, engine, store, training
from rds_tf.data import augment, pipeline, preprocessing
from rds_tf.diagnosis import tubes
from rds_tf.lungs import frame, unet
from rds_tf.phantoms import devices, phantom

ARCHITECTURE = {"image_size": 128, "filters": 8}
LEARNING_RATE = 2e-3
UPRIGHT = augment.Geometry(0.2, 20.0, (0.85, 1.2))


def train_on_phantoms(
    out: str | Path, num_phantoms: int = 4_000, num_steps: int = 800, seed: int = 0
) -> Path:
    """Train the tube finder on windows of phantoms, six in ten with a tube.

    Args:
        out: folder that receives `tube_finder/`.
        num_phantoms: int, phantoms drawn once and augmented ever anew.
        num_steps: int, steps of 16 windows.
        seed: int.
    """
    windows, regions, _ = draw_windows(num_phantoms, seed)
    config.set_seed(seed)
    model = unet.build_unet(**ARCHITECTURE)
    batches = pipeline.segmentation_dataset(
        windows, regions, 16, training=True, geometry=UPRIGHT
    )
    record = {
        "data": f"{num_phantoms} phantoms, no real film",
        "start": "scratch",
        "steps": num_steps,
        "seed": seed,
        "seen": [],
    }
    folder = Path(out) / "tube_finder"
    optimizer = training.build_optimizer(num_steps, LEARNING_RATE)
    model.compile(optimizer, loss=unet.DiceBCE())
    training.fit(model, batches, folder, record)
    manifest = {
        "kind": "tube_finder",
        "architecture": ARCHITECTURE,
        "preprocessing": preprocessing.DESCRIPTION,
        "output": "probability of endotracheal tube in an upright window of the lungs",
        "training": record,
    }
    return store.save_model(model, folder, manifest)


def draw_windows(num_phantoms: int, seed: int = 0):
    """Draw windows of phantoms on all cores.

    Returns:
        uint8 windows `(N, S, S, 1)`, 0 to 255, tubes in them `(N, S, S, 1)` of {0, 1},
        and bool `(N,)`, whether there is a tube.
    """
    seeds = [7_000_000_000 + 1_000_000 * seed + index for index in range(num_phantoms)]
    groups = [seeds[at : at + 50] for at in range(0, num_phantoms, 50)]
    workers = os.cpu_count() or 1
    outcomes = engine.map_items(_draw_group, groups, workers, "phantoms x 50")
    for outcome in outcomes:
        if outcome.error:
            raise ValueError(f"A phantom failed: {outcome.error}")
    return tuple(
        np.concatenate(parts)
        for parts in zip(*(o.value for o in outcomes), strict=True)
    )


def _draw_group(seeds: list[int]):
    if multiprocessing.parent_process():  # one process a core
        cv2.setNumThreads(1)
    return tuple(np.stack(parts) for parts in zip(*map(_draw, seeds), strict=True))


def _draw(seed: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Draw one window with its tube."""
    rng = np.random.default_rng([seed, 8])
    present = bool(rng.random() < 0.6)
    others = [n for n in devices.DEVICES if n != "ett" and rng.random() < 0.4]
    made = phantom.make_phantom(
        seed % 2**31,
        (320, int(320 * rng.uniform(0.75, 1.2))),
        rng.uniform(0, 1) * (rng.random() < 0.6),
        rng.normal(0, 8),
        tuple(["ett"] * present + others),
        age=rng.uniform(0, 1),
    )
    size = ARCHITECTURE["image_size"]
    window = frame.choose_frame(made.image, made.mask, "combined", tubes.FINDER_MARGIN)
    region = np.zeros((size, size), "uint8")
    if present:
        region = window.cut_mask(made.device_masks["ett"], size)
    square = np.round(255 * window.cut(made.image, size)).astype("uint8")
    return square[..., None], region[..., None], present
