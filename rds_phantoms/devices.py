"""Tubes, catheters, leads, clips and dressings, each on its course through the body.

Outer diameters: endotracheal tubes of 2.5 to 3.5 mm inside are 3.4 to 4.9 mm outside;
one French is a third of a millimetre. Shares of tips in and out of place: 3,165 films
of 32 intensive care units (MAIDA-NICU): too low 42 %, right 45 %, too high 13 %.
Courses after Concepcion, Laya and Lee, Pediatr Radiol 2017 (catheters and tubes of the
newborn).
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from rds_phantoms import curves, tubes
from rds_phantoms.airways import Airways
from rds_phantoms.body import Body
from rds_phantoms.view import View

DEVICES = (
    "ett",
    "ngt",
    "uac",
    "uvc",
    "picc",
    "drain",
    "leads",
    "clips",
    "wires",
    "dressing",
)
FRENCH_MM = 1 / 3


@dataclass(frozen=True)
class Part:
    """One piece of a device: tubes of one radius and one material.

    Attributes:
        curves: polylines `(N, 3)` body mm.
        radius: float, outer, in mm.
        material: str, one of `materials.MATERIALS`.
        hollow: float in `[0, 1)`, radius of the lumen as a share.
        flat: float, factor on the path, for what is flat along the beam.
    """

    curves: list[np.ndarray]
    radius: float
    material: str
    hollow: float = 0.0
    flat: float = 1.0


@dataclass(frozen=True)
class Device:
    """One device and where it ends.

    Attributes:
        name: str, one of `DEVICES`.
        parts: its pieces.
        tip: `(3,)` body mm, or None if it has none.
        sheet: `(N, 3)` body mm, outline of a dressing, or None.
    """

    name: str
    parts: list[Part] = field(default_factory=list)
    tip: np.ndarray | None = None
    sheet: np.ndarray | None = None


def make_device(
    name: str,
    rng: np.random.Generator,
    body: Body,
    airways: Airways,
    tube_tip: float | None = None,
) -> Device:
    """Place one device.

    Args:
        name: str, one of `DEVICES`.
        rng: random generator.
        body: trunk that it lies in.
        airways: for tubes in the airways.
        tube_tip: float, distance of the tip of an endotracheal tube above the carina in
            heights of T1 to T2, negative in the right main bronchus; None draws one.

    Raises:
        ValueError: `name` is not one of `DEVICES`.
    """
    if name not in DEVICES:
        raise ValueError(f"`name` must be one of {DEVICES}. Received: {name!r}")
    if name == "ett":
        return _make_tube(rng, body, airways, tube_tip)
    if name in ("ngt", "uac", "uvc", "picc"):
        return _make_catheter(name, rng, body)
    return {
        "drain": _make_drain,
        "leads": _make_leads,
        "clips": _make_clips,
        "wires": _make_wires,
        "dressing": _make_dressing,
    }[name](rng, body)


def draw_tip(rng: np.random.Generator) -> float:
    """Draw the height of a tube's tip above the carina, in heights of T1 to T2."""
    kind = rng.choice(3, p=[0.42, 0.45, 0.13])  # too low, right, too high
    middle, spread = ((0.4, 0.35), (1.5, 0.3), (2.3, 0.3))[kind]
    return float(rng.normal(middle, spread))


def _make_tube(rng, body: Body, airways: Airways, tube_tip) -> Device:
    """An endotracheal tube: a clear wall with a radiopaque stripe along it."""
    drawn = draw_tip(rng)
    above = (drawn if tube_tip is None else tube_tip) * 2 * body.size.vertebra_mm
    way = np.vstack([airways.trachea, airways.main[0][1:]])
    mouth = np.array(
        [
            rng.normal(0, 0.25) * body.size.half_width_mm,
            body.y(-0.62),
            0.9 * body.size.half_depth_mm,
        ]
    )
    way = np.vstack([curves.bend([mouth, way[0], way[4]], 12)[:-1], way[5:]])
    lengths = np.concatenate(
        [[0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))]
    )
    carina = lengths[len(way) - len(airways.main[0])]
    end = np.clip(carina - above, 0.15 * lengths[-1], lengths[-1])
    at = np.linspace(0, end, 60)
    curve = np.stack([np.interp(at, lengths, axis) for axis in way.T], -1)
    radius = min(
        0.88 * airways.radius,
        0.5 * rng.uniform(3.4, 4.9) * max(1.0, airways.radius / 2.4),
    )
    turn = rng.uniform(0, 2 * np.pi)
    aside = 0.85 * radius * np.array([np.cos(turn), 0, np.sin(turn)])
    parts = [
        Part([curve], radius, "pvc", hollow=0.74),
        Part([curve + aside], 0.16 * radius, "pvc_barium_stripe"),
    ]
    return Device("ett", parts, tip=curve[-1])


def _make_catheter(name: str, rng, body: Body) -> Device:
    """A catheter along a vessel or the gullet."""
    width, depth = body.size.half_width_mm, body.size.half_depth_mm
    deep = rng.random()
    grown = max(1.0, width / 60)
    navel = [rng.normal(0, 0.05) * width, body.y(1.62), 1.05 * depth]
    if name == "ngt":
        french = rng.uniform(5, 6.5)
        way = [
            [rng.normal(0, 0.15) * width, body.y(-0.6), 0.8 * depth],
            [0.0, body.y(-0.25), 0.0],
            [0.03 * width, body.y(0.15), -0.35 * depth],
            [0.06 * width, body.y(0.5), -0.35 * depth],
            [0.14 * width, body.y(0.82), -0.2 * depth],
            [(0.30 + 0.3 * deep) * width, body.y(0.98), 0.15 * depth],
            [(0.45 - 0.5 * deep) * width, body.y(1.05 + 0.12 * deep), 0.3 * depth],
        ]
        way = way[: 6 + (rng.random() < 0.6)]
    elif name == "uac":  # high at T6 to T9 or low at L3 to L4
        french = rng.choice([3.5, 5.0])
        tip = rng.uniform(0.46, 0.74) if rng.random() < 0.75 else rng.uniform(1.2, 1.4)
        way = [
            [navel[0], body.y(1.45), 1.3 * depth],
            navel,
            [0.15 * width, body.y(1.95), 0.2 * depth],
            [0.20 * width, body.y(1.75), -0.35 * depth],
            [0.10 * width, body.y(1.45), -0.4 * depth],
            [0.10 * width, body.y(1.1), -0.45 * depth],
            [0.12 * width, body.y(min(tip, 1.4)), -0.45 * depth],
        ]
        if tip > 1.1:
            way = [*way[:4], [0.12 * width, body.y(tip), -0.4 * depth]]
    elif name == "uvc":  # at the diaphragm, short of it in the liver, or in the heart
        french = rng.choice([3.5, 5.0])
        tip = rng.choice(
            [rng.uniform(0.66, 0.78), rng.uniform(0.85, 1.1), rng.uniform(0.42, 0.6)],
            p=[0.5, 0.3, 0.2],
        )
        way = [
            [navel[0], body.y(1.45), 1.3 * depth],
            navel,
            [-0.02 * width, body.y(1.35), 0.75 * depth],
            [-0.08 * width, body.y(1.1), 0.25 * depth],
            [-0.12 * width, body.y(0.92), -0.05 * depth],
            [-0.12 * width, body.y(tip), 0.0],
        ]
        way = way[:5] if tip > 0.92 else way
    else:
        french = rng.uniform(1.0, 2.0)
        side = -1 if rng.random() < 0.6 else 1
        way = [
            [side * 1.9 * width, body.y(0.55), 0.0],
            [side * 1.25 * width, body.y(0.18), 0.0],
            [side * 0.75 * width, body.y(0.04), 0.3 * depth],
            [side * 0.30 * width, body.y(0.09), 0.3 * depth],
            [-0.20 * width, body.y(0.2), 0.15 * depth],
            [-0.22 * width, body.y(rng.uniform(0.25, 0.5)), 0.1 * depth],
        ]
    wobble = rng.normal(0, 0.018, (len(way), 3)) * width
    curve = curves.bend(np.array(way) + wobble, 80)
    curve[:, 0] += body.spine_x(body.level(curve[:, 1]))
    radius = 0.5 * french * FRENCH_MM * grown
    material = "silicone_barium" if name == "ngt" else "polyurethane_barium"
    return Device(
        name, [Part([curve], radius, material, hollow=0.72, flat=0.3)], tip=curve[-1]
    )


def _make_drain(rng, body: Body) -> Device:
    """A chest drain between two ribs, up to the apex or back."""
    width, depth = body.size.half_width_mm, body.size.half_depth_mm
    side = rng.choice((-1, 1))
    level = rng.uniform(0.38, 0.55)
    end = [
        side * rng.uniform(0.3, 0.6) * width,
        body.y(rng.uniform(0.08, 0.3)),
        rng.uniform(-0.3, 0.6) * depth,
    ]
    curve = curves.bend(
        [
            [side * 1.75 * width, body.y(level + rng.uniform(0.0, 0.3)), 0.2 * depth],
            [side * 1.12 * width, body.y(level), 0.1 * depth],
            [side * 0.8 * width, body.y(level - 0.1), 0.4 * depth],
            end,
        ],
        60,
    )
    radius = 0.5 * rng.uniform(8, 12) * FRENCH_MM * max(1.0, width / 60)
    parts = [
        Part([curve], radius, "pvc", hollow=0.7),
        Part([curve + [0, 0.8 * radius, 0]], 0.2 * radius, "pvc_barium_stripe"),
    ]
    return Device("drain", parts, tip=curve[-1])


def _make_leads(rng, body: Body) -> Device:
    """Electrodes on the skin with their wires, which leave the film."""
    width, depth = body.size.half_width_mm, body.size.half_depth_mm
    spots = [
        (-0.75, 0.1),
        (0.75, 0.1),
        (0.7 * rng.choice((-1, 1)), rng.uniform(0.7, 1.3)),
    ]
    wires, snaps, pads = [], [], []
    gather = np.array(
        [rng.uniform(-1.2, 1.2) * width, body.y(rng.choice((-0.9, 2.2))), 1.1 * depth]
    )
    for x, level in spots:
        spot = np.array(
            [
                (x + rng.normal(0, 0.12)) * width,
                body.y(level + rng.normal(0, 0.06)),
                1.05 * depth,
            ]
        )
        bow = (spot + gather) / 2 + [rng.normal(0, 0.6) * width, 0, 0]
        wires.append(curves.bend([spot, bow, gather], 50))
        edge = np.array([[0.5, 0, 0], [-0.5, 0, 0]])
        snaps.append(spot + 0.4 * edge)
        pads.append(spot + edge)
    parts = [
        Part(wires, 0.25, "copper", flat=0.16),
        Part(snaps, 2.0, "steel", hollow=0.5, flat=0.12),
        Part(pads, 0.10 * width, "acrylic", flat=0.25),
    ]
    return Device("leads", parts)


def _make_clips(rng, body: Body) -> Device:
    """Metal clips of a closed duct, left of the spine at T4."""
    width = body.size.half_width_mm
    curves = []
    for _ in range(rng.integers(1, 4)):
        start = np.array(
            [rng.uniform(0.15, 0.35) * width, body.y(rng.uniform(0.26, 0.42)), 0.0]
        )
        turn = rng.uniform(0, np.pi)
        curves.append(
            np.array(
                [
                    start,
                    start + 0.07 * width * np.array([np.cos(turn), np.sin(turn), 0.2]),
                ]
            )
        )
    return Device("clips", [Part(curves, 0.45, "titanium")])


def _make_wires(rng, body: Body) -> Device:
    """Twisted wires that close the breastbone."""
    width, depth = body.size.half_width_mm, body.size.half_depth_mm
    angle = np.linspace(0, 2 * np.pi, 24)
    curves = []
    for level in np.linspace(0.15, 0.6, int(rng.integers(3, 6))):
        middle = np.array(
            [
                body.spine_x(level) + rng.normal(0, 0.02) * width,
                body.y(level + rng.normal(0, 0.01)),
                0.95 * depth,
            ]
        )
        ring = np.stack(
            [
                0.07 * width * np.cos(angle),
                0.022 * body.size.spine_mm * np.sin(angle),
                0.05 * depth * np.cos(angle),
            ],
            -1,
        )
        curves.append(middle + ring)
        curves.append(np.array([middle, middle + [0.02 * width, 0.03 * width, 0]]))
    return Device("wires", [Part(curves, 0.3, "steel")])


def _make_dressing(rng, body: Body) -> Device:
    """Tape or gauze on the skin, thicker at its edge."""
    width = body.size.half_width_mm
    middle = np.array(
        [
            rng.uniform(-0.9, 0.9) * width,
            body.y(rng.uniform(0.0, 1.1)),
            1.05 * body.size.half_depth_mm,
        ]
    )
    turn, half = (
        rng.uniform(0, np.pi),
        np.array([rng.uniform(0.15, 0.45), rng.uniform(0.1, 0.25)]) * width,
    )
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = corners @ spin.T + rng.normal(0, 0.03, (4, 2)) * width
    sheet = middle + np.column_stack([corners, np.zeros(4)])
    return Device("dressing", sheet=sheet)


def draw_device(device: Device, view: View, attenuate) -> tuple[np.ndarray, np.ndarray]:
    """Return what a device adds to the attenuation, and its shadow.

    Args:
        device: what to draw.
        view: position before the detector.
        attenuate: function of a material's name to its attenuation in 1/mm.

    Returns:
        `(H, W)` float32, and `(H, W)` uint8 of {0, 1}, never thinner than a pixel.
    """
    added, mask = np.zeros(view.shape, "float32"), np.zeros(view.shape, "uint8")
    for part in device.parts:
        path = tubes.draw_tubes(part.curves, part.radius, view, hollow=part.hollow)
        added += path * np.float32(part.flat * attenuate(part.material))
        radius = max(part.radius, 0.5 * view.spacing_mm)
        full = tubes.draw_tubes(part.curves, radius, view)
        least = min(radius, full.max())  # what is flat along the beam is thin
        mask |= ((full > 0.5 * least) & (full > 0)).astype("uint8")
    if device.sheet is not None:
        points = np.rint((view.to_px(device.sheet) - 0.5) * 16).astype("int32")
        cv2.fillPoly(mask, [points], 1, cv2.LINE_8, 4)
        sheet = mask.astype("float32")
        edge = sheet - cv2.erode(sheet, np.ones((3, 3), np.uint8))
        added += (1.2 * sheet + 1.5 * edge) * np.float32(attenuate("acrylic"))
    return added, mask
