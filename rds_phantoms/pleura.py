"""Air and fluid around the lungs, and air where lung should be.

Each function takes the scene and the density of the lungs and returns what is added to
the tissue on every ray, in mm, and where, `(H, W)` uint8 of {0, 1}.
"""

import numpy as np

from rds_phantoms import disease, noise, solids, tubes
from rds_phantoms.solids import Trunk


def _rim(scene, margin_mm: float) -> tuple[np.ndarray, Trunk]:
    """Return the path between the ribs and a lung that has left them by a margin."""
    smaller = scene.body.cavity.grow(-margin_mm)
    inner = solids.cross(smaller, scene.view, scene.rays)
    kept = solids.length(
        solids.common(inner, scene.spaces.cavity), scene.spaces.removed
    )
    rim = np.maximum(scene.spaces.lung - kept * scene.rays.stretch, 0)
    return np.where(scene.one_side, rim, 0).astype("float32"), smaller


def _pneumothorax(scene, dense):
    """Air around a lung that fell together, and the line of its pleura."""
    rng = noise.make_stream(scene.seed, "pneumothorax")
    margin = rng.uniform(0.10, 0.32) * scene.body.size.half_width_mm
    rim, smaller = _rim(scene, margin)
    kept = np.where(scene.one_side, scene.spaces.lung - rim, 0)
    # The same tissue in less room: what the air displaces fills what is left.
    displaced = dense / (disease.FULL - dense + 1e-3) * rim
    fallen = np.minimum(displaced, 0.45 * kept)
    outer = solids.cross(smaller.grow(0.5 * scene.scale), scene.view, scene.rays)
    inner = solids.cross(smaller, scene.view, scene.rays)
    shell = solids.length(outer) - solids.length(inner)
    line = np.where(scene.one_side & (scene.spaces.lung > 1), 0.7 * shell, 0)
    change = -dense * rim + (disease.FULL - dense) * fallen + np.minimum(line, 6)
    return change.astype("float32"), (rim > 0.25 * margin).astype("uint8")


def _effusion(scene, dense):
    """Fluid behind and beside the lung of an infant on its back."""
    rng = noise.make_stream(scene.seed, "effusion")
    rim, _ = _rim(scene, rng.uniform(0.08, 0.28) * scene.body.size.half_width_mm)
    return (disease.FULL - dense) * rim, (rim > 1).astype("uint8")


def _bubbles(scene, rng, count: int, radius_mm: float, side=None) -> np.ndarray:
    """Return the path in small balls of air scattered over the lungs, mm."""
    body, width = scene.body, scene.body.size.half_width_mm
    x = rng.uniform(0.2, 0.95, count) * width
    x = x * (rng.choice((-1, 1), count) if side is None else side)
    points = np.stack(
        [
            x,
            body.y(rng.uniform(0.05, 0.8, count)),
            rng.uniform(-0.6, 0.5, count) * body.size.half_depth_mm,
        ],
        -1,
    )
    return tubes.draw_balls(
        points, radius_mm * np.exp(rng.normal(0, 0.3, count)), scene.view
    )


def _interstitial_air(scene, dense):
    rng = noise.make_stream(scene.seed, "interstitial air")
    balls = _bubbles(
        scene,
        rng,
        int(rng.integers(120, 320)),
        0.9 * scene.scale,
        None if rng.random() < 0.6 else scene.mechanics.side,
    )
    air = np.minimum(balls, scene.spaces.lung)
    return -dense * air, (air > 0.5).astype("uint8")


def _cysts(scene, dense):
    rng = noise.make_stream(scene.seed, "cysts")
    balls = _bubbles(scene, rng, int(rng.integers(30, 80)), 2.4 * scene.scale)
    air = np.minimum(balls, 0.6 * scene.spaces.lung)
    return -dense * air, ((air > 0.5) | (scene.spaces.lung > 1)).astype("uint8")


def _loops(scene, dense):
    """Gas in the bowel that lies in the chest."""
    rng = noise.make_stream(scene.seed, "loops")
    width, body = scene.body.size.half_width_mm, scene.body
    count = int(rng.integers(6, 16))
    points = np.stack(
        [
            scene.mechanics.side * rng.uniform(0.15, 0.85, count) * width,
            body.y(rng.uniform(0.22, 0.8, count)),
            rng.uniform(-0.3, 0.4, count) * body.size.half_depth_mm,
        ],
        -1,
    )
    balls = tubes.draw_balls(points, rng.uniform(0.08, 0.2, count) * width, scene.view)
    air = np.minimum(balls, 0.7 * scene.spaces.chest)
    return -disease.FULL * air, (scene.one_side & (scene.spaces.chest > 1)).astype(
        "uint8"
    )


def _fissure(scene, dense):
    """Fluid in the horizontal fissure, seen edge on."""
    rng = noise.make_stream(scene.seed, "fissure")
    width, body = scene.body.size.half_width_mm, scene.body
    level = rng.uniform(0.36, 0.44)
    curve = np.array(
        [
            [-share * width, body.y(level - 0.05 * np.sin(2.5 * share)), 0.0]
            for share in np.linspace(0.25, 0.92, 12)
        ]
    )
    depth = 0.5 * body.size.half_depth_mm
    line = tubes.draw_tubes([curve], 0.45 * scene.scale, scene.view) * depth * 0.12
    inside = scene.spaces.lung > 1
    return (line * inside).astype("float32"), (scene.spaces.lung > 1).astype("uint8")


SPACES = {
    "pneumothorax": _pneumothorax,
    "effusion": _effusion,
    "interstitial_air": _interstitial_air,
    "bronchopulmonary_dysplasia": _cysts,
    "hernia": _loops,
    "transient_tachypnoea": _fissure,
}
