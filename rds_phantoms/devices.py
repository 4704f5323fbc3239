"""Tubes, lines and leads as curves, in the thorax units of `curves`."""

from dataclasses import dataclass

import numpy as np

from rds_phantoms import anatomy, canvas

DEVICES = ("ett", "ngt", "uac", "uvc", "leads", "dressing")


@dataclass(frozen=True)
class Device:
    """One foreign body on the film.

    Attributes:
        name: one of `DEVICES`: endotracheal tube, nasogastric tube, umbilical
            arterial and venous catheter, ECG leads, dressing.
        lines: `(N, 2)` open curves in thorax units.
        width: float, outer width in thorax units.
        density: float, added attenuation, soft tissue of the torso being 1.
        hollow: bool, drawn as a wall with a radiopaque stripe.
        pads: `(M, 2)` centres of adhesive electrodes.
        sheets: `(N, 2)` closed curves of tape or gauze.
    """

    name: str
    lines: list[canvas.Curve]
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
        chest: the `Anatomy` it lies in.

    Raises:
        ValueError: if `name` is not one of `DEVICES`.
    """
    trachea = chest.airways[0][0]
    top, bottom = chest.lungs[0][:, 1].min(), chest.lungs[0][:, 1].max()
    wobble = rng.normal(0, 0.02, 6)
    if name == "ett":
        tip = trachea[-1, 1] - rng.uniform(0.06, 0.30)
        inside = trachea[trachea[:, 1] < tip]
        mouth = inside[:1] + [(rng.normal(0, 0.25), -0.5)]
        curve = canvas.smooth_curve(
            np.vstack([mouth, inside[::6], inside[-1:] + (0, 0.01)]), closed=False
        )
        return Device(name, [curve], rng.uniform(0.055, 0.075), 0.30, hollow=True)
    if name == "ngt":
        path = [
            (0.03 + wobble[0], top - 1.0),
            (0.02 + wobble[1], top - 0.1),
            (0.05 + wobble[2], 0.0),
            (0.10 + wobble[3], bottom - 0.25),
            (0.32 + wobble[4], bottom + rng.uniform(0.0, 0.2)),
        ]
        return _line(name, path, 0.032, 0.26)
    if name == "uac":
        path = [
            (0.30 + wobble[0], bottom + 1.6),
            (0.09 + wobble[1], bottom + 0.9),
            (0.08 + wobble[2], bottom + 0.1),
            (0.06 + wobble[3], rng.uniform(-0.25, 0.25)),
        ]
        return _line(name, path, 0.026, 0.28)
    if name == "uvc":
        path = [
            (0.18 + wobble[0], bottom + 1.6),
            (-0.08 + wobble[1], bottom + 0.8),
            (-0.12 + wobble[2], bottom + 0.2),
            (-0.09 + wobble[3], bottom - rng.uniform(0.15, 0.4)),
        ]
        return _line(name, path, 0.026, 0.28)
    if name == "leads":
        return _leads(rng, top, bottom)
    if name == "dressing":
        return _dressing(rng, top, bottom)
    raise ValueError(f"`name` must be one of {DEVICES}. Received: {name!r}")


def _line(name: str, path, width: float, density: float) -> Device:
    return Device(name, [canvas.smooth_curve(path, closed=False)], width, density)


def _leads(rng, top: float, bottom: float) -> Device:
    """Return two or three electrodes with their wires leaving the field."""
    pads, wires = [], []
    for side in rng.permutation([-1, 1, 1])[: rng.integers(2, 4)]:
        pad = np.array([side * rng.uniform(0.5, 1.05), rng.uniform(top, bottom + 0.3)])
        exit_at = pad + (side * rng.uniform(0.4, 1.6), rng.choice([-1.8, 1.8]))
        bend = (pad + exit_at) / 2 + rng.normal(0, 0.25, 2)
        pads.append(pad)
        wires.append(canvas.smooth_curve([pad, bend, exit_at], closed=False))
    return Device("leads", wires, 0.024, 0.35, pads=tuple(map(tuple, pads)))


def _dressing(rng, top: float, bottom: float) -> Device:
    """Return one to three sheets of tape or gauze, anywhere on the trunk."""
    sheets = []
    for _ in range(rng.integers(1, 4)):
        half = rng.uniform(0.08, 0.4, 2) / 2
        turn = rng.uniform(0, np.pi)
        across = np.array([np.cos(turn), np.sin(turn)])
        along = np.array([-across[1], across[0]])
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        sheet = [a * half[0] * across + b * half[1] * along for a, b in corners]
        centre = rng.uniform(-0.9, 0.9), rng.uniform(top, bottom + 0.5)
        sheets.append(np.array(sheet) + centre)
    return Device("dressing", [], 0.02, rng.uniform(0.04, 0.2), sheets=tuple(sheets))
