"""Tubes, lines and leads as curves, in thorax units (see `drawing.View`)."""

from dataclasses import dataclass

import numpy as np

from rds_phantoms import anatomy, curves

DEVICES = ("ett", "ngt", "uac", "uvc", "leads", "dressing")


@dataclass(frozen=True)
class Device:
    """One foreign body in the image.

    Attributes:
        name: one of `DEVICES`: endotracheal tube, nasogastric tube, umbilical
            arterial and venous catheter, ECG leads, dressing.
        lines: open curves `(N, 2)`.
        width: float, outer width in thorax units.
        density: float, added attenuation, that of the chest wall being 1.
        hollow: bool, drawn as a wall with a radiopaque stripe.
        pads: centres `(M, 2)` of adhesive electrodes.
        sheets: closed curves `(N, 2)` of tape or gauze.
    """

    name: str
    lines: list[curves.Curve]
    width: float
    density: float
    hollow: bool = False
    pads: tuple = ()
    sheets: tuple = ()


def make_device(name: str, rng: np.random.Generator, chest: anatomy.Anatomy) -> Device:
    """Place one device where a neonatologist would.

    Args:
        name: one of `DEVICES`.
        rng: random generator.
        chest: the anatomy it lies in.

    Raises:
        ValueError: `name` is not one of `DEVICES`.
    """
    if name not in DEVICES:
        raise ValueError(f"`name` must be one of {DEVICES}. Received: {name!r}")
    lung = chest.lungs[0]
    top, bottom = lung[:, 1].min(), lung[:, 1].max()
    wobble = rng.normal(0, 0.02, 6)
    if name == "ett":
        return _make_tube(rng, chest.airways[0][0])
    if name == "leads":
        return _make_leads(rng, top, bottom)
    if name == "dressing":
        return _make_dressing(rng, top, bottom)
    depth = rng.random()
    ways = {  # of a catheter, from where it enters to its tip
        "ngt": [  # nose to stomach
            (0.03, top - 1.0),
            (0.02, top - 0.1),
            (0.05, 0.0),
            (0.10, bottom - 0.25),
            (0.32, bottom + 0.2 * depth),
        ],
        "uac": [  # navel to aorta
            (0.30, bottom + 1.6),
            (0.09, bottom + 0.9),
            (0.08, bottom + 0.1),
            (0.06, -0.25 + 0.5 * depth),
        ],
        "uvc": [  # navel through the liver to the right atrium
            (0.18, bottom + 1.6),
            (-0.08, bottom + 0.8),
            (-0.12, bottom + 0.2),
            (-0.09, bottom - (0.15 + 0.25 * depth)),
        ],
    }
    path = np.array(ways[name])
    path[:, 0] += wobble[: len(path)]
    width, density = (0.032, 0.26) if name == "ngt" else (0.026, 0.28)
    return Device(name, [curves.smooth_curve(path, closed=False)], width, density)


def _make_tube(rng, trachea: curves.Curve) -> Device:
    """Return an endotracheal tube from the mouth to above the carina."""
    tip = trachea[-1, 1] - rng.uniform(0.06, 0.30)
    inside = trachea[trachea[:, 1] < tip]
    mouth = inside[:1] + [(rng.normal(0, 0.25), -0.5)]
    path = np.vstack([mouth, inside[::6], inside[-1:] + (0, 0.01)])
    curve = curves.smooth_curve(path, closed=False)
    return Device("ett", [curve], rng.uniform(0.055, 0.075), 0.30, hollow=True)


def _make_leads(rng, top: float, bottom: float) -> Device:
    """Return two or three electrodes with their wires leaving the image."""
    pads, wires = [], []
    for side in rng.permutation([-1, 1, 1])[: rng.integers(2, 4)]:
        pad = np.array([side * rng.uniform(0.5, 1.05), rng.uniform(top, bottom + 0.3)])
        exit_at = pad + (side * rng.uniform(0.4, 1.6), rng.choice([-1.8, 1.8]))
        bend = (pad + exit_at) / 2 + rng.normal(0, 0.25, 2)
        pads.append(tuple(pad))
        wires.append(curves.smooth_curve([pad, bend, exit_at], closed=False))
    return Device("leads", wires, 0.024, 0.35, pads=tuple(pads))


def _make_dressing(rng, top: float, bottom: float) -> Device:
    """Return one to three sheets of tape or gauze, anywhere on the trunk."""
    sheets = []
    for _ in range(rng.integers(1, 4)):
        width, height = rng.uniform(0.08, 0.4, 2) / 2  # half of each
        turn = rng.uniform(0, np.pi)
        across = np.array([np.cos(turn), np.sin(turn)])
        along = np.array([-across[1], across[0]])
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        sheet = [a * width * across + b * height * along for a, b in corners]
        centre = rng.uniform(-0.9, 0.9), rng.uniform(top, bottom + 0.5)
        sheets.append(np.array(sheet) + centre)
    return Device("dressing", [], 0.02, rng.uniform(0.04, 0.2), sheets=tuple(sheets))
