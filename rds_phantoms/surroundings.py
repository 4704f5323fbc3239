"""What lies around an infant in the beam: bedding, incubator, fingers that hold it."""

import numpy as np

from rds_phantoms import curves, noise, tubes
from rds_phantoms.growth import Size
from rds_phantoms.view import View

INCUBATOR, HAND = 0.07, 0.05  # shares of newborns' films that show them


def draw_bedding(seed: int, size: Size, view: View) -> np.ndarray:
    """Return what an infant lies on, folds and all, as mm of soft tissue, `(H, W)`."""
    rng = noise.make_stream(seed, "bedding")
    thick = rng.gamma(1.5, 0.8)
    grain = rng.uniform(3, 12) * size.half_width_mm / 48
    folds = noise.make_field(rng, grain, view)
    return np.float32(thick) * (1 + np.float32(0.35) * np.abs(folds))


def draw_surroundings(seed: int, size: Size, view: View, attenuate) -> np.ndarray:
    """Return the attenuation of an incubator's lid and of a holding hand, `(H, W)`.

    Args:
        seed: int, of the phantom.
        size: of the infant; older ones lie in no incubator.
        view: position before the detector.
        attenuate: function of a material's name to its attenuation in 1/mm.
    """
    rng = noise.make_stream(seed, "surroundings")
    added = np.zeros(view.shape, "float32")
    young = size.newborn > 0.9
    if young and rng.random() < INCUBATOR:
        path = _draw_lid(rng, size, view)
        added += path * np.float32(attenuate("acrylic"))
    if size.newborn > 0.3 and rng.random() < HAND:
        flesh, bone = _draw_fingers(rng, size, view)
        added += flesh * np.float32(attenuate("soft_tissue"))
        added += bone * np.float32(
            attenuate("cortical_bone_adult") - attenuate("soft_tissue")
        )
    return added


def _draw_lid(rng, size: Size, view: View) -> np.ndarray:
    """Return the path in the rim of a hole in the lid, 3 to 5 mm of acrylic high."""
    width = size.half_width_mm
    angle = np.linspace(0, 2 * np.pi, 72)
    radius = rng.uniform(45, 65)  # mm, a hand fits through
    middle = rng.normal(0, 1.2, 2) * width
    ring = np.stack(
        [
            middle[0] + radius * np.cos(angle),
            middle[1] + radius * np.sin(angle),
            np.full(72, 3 * width),
        ],
        -1,
    )
    return tubes.draw_tubes([ring], rng.uniform(1.5, 2.5), view)


def _draw_fingers(rng, size: Size, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Return flesh and bone of two or three adult fingers that hold an infant."""
    width = size.half_width_mm
    side = rng.choice((-1, 1))
    root = np.array(
        [side * rng.uniform(1.9, 2.6) * width, rng.uniform(-1, 1.3) * width]
    )
    aim = np.arctan2(rng.normal(0, 0.3) * width - root[1], -root[0])
    ways, bones = [], []
    for finger in range(rng.integers(2, 4)):
        turn = aim + 0.16 * (finger - 1)
        way = np.array([np.cos(turn), np.sin(turn)])
        start = root + 17 * (finger - 1) * np.array([-way[1], way[0]])
        # Phalanges of an adult finger are some 40, 25 and 18 mm long.
        ends = np.cumsum([0, 40, 25, 18])
        points = start + ends[:, None] * way
        spatial = np.column_stack([points, np.full(4, 1.1 * size.half_depth_mm)])
        ways.append(curves.bend(spatial))
        for first, last in zip(spatial[:-1], spatial[1:], strict=True):
            bones.append(first + np.array([[0.08], [0.92]]) * (last - first))
    flesh = tubes.draw_tubes(ways, 8.0, view)
    return flesh, tubes.draw_tubes(bones, 3.5, view, hollow=0.6)
