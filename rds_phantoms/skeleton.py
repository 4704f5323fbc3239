"""Bones: ribs, clavicles, shoulder blades, arms, spine, skull, pelvis and thighs.

Ribs are curves around the chest: out of the spine, back and down around the side,
forward to the cartilage. Where one runs along the beam, at the side of the chest, it is
bright of itself. Shapes after Gray's Anatomy (chapters on thorax and pectoral girdle),
ossification after Kuhns and Poznanski, Med Radiogr Photogr 1971: the centre in the head
of the humerus appears near term, vertebral bodies are rounded and lie apart.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rds_phantoms import curves, solids, tubes
from rds_phantoms.body import Body
from rds_phantoms.solids import Ellipsoid
from rds_phantoms.view import Rays, View

SIDES = (-1, 1)  # the infant's right, left


@dataclass(frozen=True)
class Bones:
    """Bones of one kind, tubes of one radius.

    Attributes:
        name: str, such as `"ribs"`.
        curves: polylines, each `(N, 3)` body mm.
        radius: float in mm.
        hollow: float in `[0, 1)`, radius of the marrow as a share.
        flat: float, thickness along the beam as a share of that of a round tube.
        weights: density along each curve, or None.
    """

    name: str
    curves: list[np.ndarray]
    radius: float
    hollow: float = 0.6
    flat: float = 1.0
    weights: list[np.ndarray] | None = None


@dataclass(frozen=True)
class Skeleton:
    """All bones of one infant.

    Attributes:
        bones: tubes.
        plates: outlines `(N, 3)` mm of the shoulder blades and the pelvis.
        limbs: curves and radius in mm of the flesh of arms and legs.
        vertebra: `(V, R)` float32, bone in mm of one vertebra, seen from the front.
    """

    bones: list[Bones]
    plates: list[np.ndarray]
    limbs: list[tuple[np.ndarray, float]]
    vertebra: np.ndarray


def make_skeleton(rng: np.random.Generator, body: Body) -> Skeleton:
    """Draw the bones that belong to a trunk."""
    shoulders, plates, limbs = _make_shoulders(rng, body)
    hips, more_plates, legs = _make_hips(rng, body)
    bones = [*_make_ribs(rng, body), *shoulders, _make_sternum(rng, body), *hips]
    return Skeleton(
        bones, plates + more_plates, limbs + legs, _make_vertebra(rng, body)
    )


def _make_ribs(rng, body: Body) -> list[Bones]:
    """Twelve pairs of ribs as far as they are bone; cartilage casts no shadow."""
    size = body.size
    high = size.vertebra_mm * rng.uniform(0.21, 0.28)  # half the height of a rib
    radius = rng.uniform(0.52, 0.62) * high
    fall = np.tan(np.deg2rad(max(size.rib_slope_degrees, 1))) * size.half_width_mm
    arch = rng.normal(0.10, 0.05) * size.vertebra_mm  # up, before a rib falls
    number, side = np.arange(12)[:, None, None], np.array(SIDES)[:, None]
    # Bone ends where cartilage begins: the seventh rib is the longest.
    known = [0, 1, 3, 6, 9, 10, 11], [112, 126, 134, 132, 104, 70, 48]
    end = np.interp(number, *known) + rng.normal(0, 4) + rng.normal(0, 3, (12, 2, 1))
    along = np.linspace(0, 1, 40)
    angle = np.deg2rad(5 + (end - 5) * along)  # around the chest, 0 at the spine
    level = (number + 0.45 + rng.normal(0, 0.03, (12, 2, 1))) / 12
    y = body.y(level) + 0.7 * fall * (1 - np.cos(angle)) * (0.8 + 0.4 * number / 11)
    y = y - arch * np.sin(np.minimum(2 * angle, np.pi))
    x, z, right, left, depth = body.cavity.at(
        np.clip(y, body.y(0.06 + 0.02 * number), body.y(1.1))
    )
    half = np.where(side < 0, right, left) + 0.6 * radius
    # The chest is wider behind the side than an ellipse: a squarer curve.
    across = np.sin(angle) ** 0.88
    z = z - (depth + 0.6 * radius) * np.cos(angle)
    middle = np.stack([x + side * half * across, y, z], -1)
    # Narrow at the neck, wide in front; thick behind, thin where it twists at the side,
    # fading towards the cartilage. The last ribs are slender.
    tall = np.interp(angle, [0, 0.6, 2.0, 2.5], [0.6, 0.95, 1, 1.2])
    at = [0.1, 0.35, 0.9, 1.35, 1.8, 2.4]
    dense = np.interp(angle, at, [0.45, 1, 1, 0.40, 0.24, 0.40])
    dense = dense * np.interp(along, [0, 0.9, 1], [1, 1, 0.4])
    dense = dense * np.interp(number, [0, 6, 11], [1.0, 1.0, 0.45])
    # Taller than thick: three tubes, one above the other, between two thin ones of hard
    # bone. The lower edge, sharp above the groove of its vessels, is the brighter one.
    rim = 0.15 * high
    hard = np.clip(dense, 0, 0.7)
    return [
        _stack(
            "ribs",
            middle,
            (high - radius) * tall,
            {-1: 0.7 * dense, 0: 0.3 * dense, 1: 0.75 * dense},
            radius,
            1.15,
        ),
        _stack(
            "rib borders",
            middle,
            (high - rim) * tall,
            {-1: 0.8 * hard, 1: hard},
            rim,
            1.5,
        ),
    ]


def _stack(name, middle, reach, weights: dict, radius, flat) -> Bones:
    """Lay tubes of some weight at so many reaches above and below each rib's middle."""
    placed = [middle + (place * reach)[..., None] * (0, 1, 0) for place in weights]
    return Bones(
        name,
        [curve for one in placed for curve in one.reshape(24, 40, 3)],
        radius,
        0.0,
        flat,
        [weight for one in weights.values() for weight in one.reshape(24, 40)],
    )


def _make_shoulders(rng, body: Body):
    """Clavicles, shoulder blades and arms, raised or at the side."""
    size, width, depth = body.size, body.size.half_width_mm, body.size.half_depth_mm
    pitch, chest = size.vertebra_mm, body.size.half_width_mm + body.size.wall_mm
    shaft = pitch * rng.uniform(0.19, 0.24)
    clavicles, thick, thin, arms, plates, limbs = [], [], [], [], [], []
    raised_both = rng.random() < 0.45
    shrug = rng.normal(0, 0.04)
    for side in SIDES:
        raised = raised_both if rng.random() < 0.85 else not raised_both
        lift = rng.uniform(0.02, 0.10) * raised + shrug
        outer = side * chest * rng.uniform(0.85, 0.95)
        tip = [outer, body.y(0.0 - lift - rng.uniform(0, 0.05)), -0.1 * depth]
        inner = [side * 0.13 * width, body.y(0.1), 0.55 * depth]
        clavicles.append(
            curves.bend(
                [
                    inner,
                    [0.40 * outer, body.y(0.025 - 0.3 * lift), 0.64 * depth],
                    [0.75 * outer, body.y(0.0 - 0.8 * lift), 0.15 * depth],
                    tip,
                ]
            )
        )
        socket = np.array([outer * 1.03, tip[1] + 0.09 * size.spine_mm, -0.25 * depth])
        swing = rng.uniform(0.06, 0.16) * raised  # a raised arm turns the blade out
        angle = np.array(
            [side * width * (0.72 + 2 * swing), body.y(0.50 - swing), -0.95 * depth]
        )
        upper = np.array([side * width * 0.62, body.y(0.06 - swing), -0.85 * depth])
        edge = np.array([side * width * (0.60 + swing), body.y(0.14), -0.95 * depth])
        bow = side * 0.05 * width
        inner_edge = curves.bend([upper, edge, (edge + angle) / 2 - [bow, 0, 0], angle])
        outer_edge = curves.bend([angle, (angle + socket) / 2 - [bow, 0, 0], socket])
        top = curves.bend([socket, (socket + upper) / 2 + [0, 0.06 * width, 0], upper])
        spine = curves.bend(
            [edge, (edge + tip) / 2 + [0, -0.02 * width, -0.1 * depth], tip]
        )
        # The outer border is a thick bar, the others are hardly seen.
        thick += [outer_edge, spine]
        thin += [inner_edge, top]
        plates.append(np.vstack([inner_edge, outer_edge, top]))
        bones, flesh = _make_arm(rng, body, side, socket, raised=raised)
        arms += bones
        limbs += flesh
    bones = [
        Bones("clavicles", clavicles, 0.9 * shaft, rng.uniform(0.2, 0.5), 1.3),
        Bones("shoulder blades", thick, 0.75 * shaft, 0.3, 0.6),
        Bones("blades' edges", thin, 0.35 * shaft, 0.0, 0.5),
        Bones("arms", arms, 1.15 * shaft, rng.uniform(0.4, 0.6), 1.3),
    ]
    return bones, plates, limbs


def _make_arm(rng, body: Body, side: int, socket: np.ndarray, *, raised: bool):
    """One arm: bones `(N, 3)` and flesh, from the shoulder over the elbow."""
    size = body.size
    reach = 0.52 * size.spine_mm * rng.uniform(0.9, 1.1)
    if raised:
        turn = np.deg2rad(rng.uniform(-75, 15))  # up, beside the head
    else:
        turn = np.deg2rad(rng.uniform(25, 82))  # down, along the chest
    along = np.array([side * np.cos(turn), np.sin(turn), rng.normal(0, 0.15)])
    start = socket + 0.06 * reach * along
    elbow = start + reach * along
    bent = turn + np.deg2rad(rng.uniform(-100, 20)) * (1 if not raised else 0.8)
    fore = np.array([side * np.cos(bent), np.sin(bent), rng.normal(0, 0.3)])
    wrist = elbow + 0.8 * reach * fore
    beside = np.array([-fore[1], fore[0], 0.4]) * 0.055 * reach
    gap = 0.06 * reach
    flare = 0.10 * reach * along  # ends of the shaft are wide
    aside = np.array([-along[1], along[0], 0]) * 0.035 * reach
    bones = [
        curves.bend([start + aside, start + flare]),
        curves.bend([start - aside, start + flare]),
        curves.bend([elbow + aside, elbow - flare]),
        curves.bend([elbow - aside, elbow - flare]),
        curves.bend([start, elbow]),
        curves.bend([elbow + gap * fore + beside, wrist + beside]),
        curves.bend([elbow + gap * fore - beside, wrist - beside]),
    ]
    hand = wrist + 0.35 * reach * fore
    thick = (0.27 + 0.05 * size.newborn) * size.half_width_mm * rng.uniform(0.8, 1.2)
    inside = socket - side * np.array([0.3 * thick, 0, 0])
    # Muscles of shoulder and chest fill the armpit: from the ribs to the upper arm.
    ribs = np.array([side * 0.92 * size.half_width_mm, body.y(0.32), 0.1 * socket[2]])
    fold = start + 0.35 * reach * along
    flesh = [
        (
            curves.bend([ribs, (ribs + fold) / 2 + [0, -0.3 * thick, 0], fold]),
            0.85 * thick,
        ),
        (curves.bend([inside, elbow]), 1.05 * thick),
        (curves.bend([elbow, wrist, hand]), 0.78 * thick),
    ]
    return bones, flesh


def _make_sternum(rng, body: Body) -> Bones:
    """Centres of the breastbone: a few faint grains before the front of the spine."""
    depth, step = body.size.half_depth_mm, 0.03
    curves = []
    for level in (0.16, 0.30, 0.42, 0.53)[: rng.integers(2, 5)]:
        x = float(body.spine_x(level))
        z = 0.92 * depth
        curves.append(
            np.array([[x, body.y(level - step), z], [x, body.y(level + step), z]])
        )
    return Bones("sternum", curves, 0.30 * body.size.vertebra_mm, 0.3, 0.35)


def _make_hips(rng, body: Body):
    """Wings of the pelvis and thighs, on films that reach so far."""
    width, depth = body.size.half_width_mm, body.size.half_depth_mm
    wings, plates, thighs, flesh = [], [], [], []
    for side in SIDES:
        crest = curves.bend(
            [
                [side * 0.22 * width, body.y(1.72), -0.75 * depth],
                [side * 0.55 * width, body.y(1.62), -0.3 * depth],
                [side * 0.80 * width, body.y(1.76), 0.1 * depth],
                [side * 0.62 * width, body.y(1.98), 0.0],
            ]
        )
        lower = curves.bend(
            [
                [side * 0.62 * width, body.y(1.98), 0.0],
                [side * 0.35 * width, body.y(1.95), -0.4 * depth],
                [side * 0.22 * width, body.y(1.72), -0.75 * depth],
            ]
        )
        wings += [
            crest,
            lower,
            curves.bend(
                [
                    [side * 0.5 * width, body.y(2.05), 0.0],
                    [side * 0.18 * width, body.y(2.12), 0.4 * depth],
                    [side * 0.30 * width, body.y(2.25), 0.0],
                ]
            ),
        ]
        plates.append(np.vstack([crest, lower]))
        out = np.deg2rad(rng.uniform(10, 60))
        hip = np.array([side * 0.72 * width, body.y(2.1), 0.0])
        knee = hip + 0.75 * body.size.spine_mm * np.array(
            [side * np.sin(out), np.cos(out), 0.3]
        )
        thighs.append(curves.bend([hip, knee]))
        flesh.append((curves.bend([hip, knee]), 0.40 * width))
    radius = 0.24 * body.size.vertebra_mm
    return (
        [
            Bones("pelvis", wings, 0.5 * radius, 0.0, 0.8),
            Bones("thighs", thighs, radius, 0.6),
        ],
        plates,
        flesh,
    )


def _make_vertebra(rng, body: Body) -> np.ndarray:
    """Draw one vertebra from the front, in mm of bone.

    Rows go from the top of one body to the top of the next, columns from 2.4 half
    widths of a body right of its middle to as much left.
    """
    high, wide = 128, 320
    v = (np.arange(high, dtype="float32")[:, None] + 0.5) / high
    # Both sides are alike: the left one is drawn, from the middle out.
    r = (np.arange(wide // 2, dtype="float32")[None] + 0.5) / wide * 4.8
    young = float(body.size.newborn)
    half = 0.39 - 0.04 * young + rng.normal(0, 0.02)  # of a body's height
    power = 5 - 1.2 * young  # newborns' are rounded
    inside = (r / (1 - 0.06 * np.cos(2 * np.pi * v))) ** power + (
        np.abs(v - 0.45) / half
    ) ** power
    # Depth of spongy bone, a quarter of it mineral.
    deep = 0.75 * float(body.size.vertebra_mm)
    bone = 0.20 * deep * np.clip(1.5 - inside, 0, 1) ** 0.5
    rim = np.exp(-((inside - 0.9) ** 2) / 0.03)
    bone = bone + 0.06 * deep * rim * (np.abs(v - 0.45) > 0.6 * half)
    bone = bone + 0.02 * deep * rim
    ring = ((r - 0.80) / 0.19) ** 2 + ((v - 0.36) / 0.15) ** 2
    bone = bone + 0.10 * deep * np.exp(-((ring - 1) ** 2) / 0.25)
    bar = ((v - 0.30 - 0.04 * r) / 0.11) ** 2
    reach = np.clip((r - 0.95) / 0.15, 0, 1) * np.clip((1.7 - r) / 0.3, 0, 1)
    bone = bone + 0.11 * deep * np.clip(1 - bar, 0, 1) ** 0.5 * reach
    lamina = (v - 0.62 - 0.22 * (1 - r)) / 0.10
    near = np.clip((0.75 - r) / 0.2, 0, 1) * (r > 0.06 + 0.06 * young)
    bone = bone + 0.07 * deep * np.clip(1 - lamina**2, 0, 1) ** 0.5 * near
    if young < 0.8:  # the spinous process ossifies in the first years
        tip = (r / 0.14) ** 2 + ((v - 0.88) / 0.16) ** 2
        bone = bone + 0.12 * deep * (1 - young) * np.clip(1.3 - tip, 0, 1) ** 0.5
    bone = np.hstack([bone[:, ::-1], bone])
    return cv2.GaussianBlur(bone, (0, 0), 2.0)


def draw_spine(skeleton: Skeleton, body: Body, view: View, rays: Rays) -> np.ndarray:
    """Return bone of the spine in mm on the path of each ray, `(H, W)` float32."""
    bone = np.zeros(view.shape, "float32")
    z = -0.72 * body.size.half_depth_mm
    levels = np.linspace(-0.62, 1.95, 12)
    pitch = 0.54 * body.size.vertebra_mm
    reach = 2.35 * 1.51 * pitch  # of the widest
    middle, y = body.spine_x(levels), body.y(levels)
    sides = [[middle + side * reach, y, np.full(12, z)] for side in SIDES]
    part = view.find_part(np.concatenate(sides, axis=1).T)
    if not bone[part].size:
        return bone
    rays = rays.crop(part)
    y = rays.point[1] + np.float32(z) * rays.step[1]
    x = rays.point[0] + np.float32(z) * rays.step[0]
    level = (y - np.float32(body.level_0)) * np.float32(1 / body.size.spine_mm)
    half = np.float32(0.35 * pitch) * np.clip(level, -0.3, 1.6) + np.float32(
        0.95 * pitch
    )
    across = (x - body.spine_x(level).astype("float32")) / half
    found = (np.abs(across) < 2.35) & (level > -0.62) & (level < 1.95)
    rows, columns = skeleton.vertebra.shape
    v = ((level[found] * 12) % 1 * rows).astype("int32")
    r = ((across[found] + np.float32(2.4)) * np.float32(columns / 4.8)).astype("int32")
    # The drawing is finer than any film: its nearest value will do.
    bone[part][found] = skeleton.vertebra.ravel().take(v * columns + r, mode="clip")
    return bone


def draw_bones(skeleton: Skeleton, view: View) -> dict[str, np.ndarray]:
    """Return bone in mm on the path of each ray by kind of bone, `(H, W)` float32."""
    drawn = {}
    for bones in skeleton.bones:
        drawn[bones.name] = bones.flat * tubes.draw_tubes(
            bones.curves, bones.radius, view, hollow=bones.hollow, weights=bones.weights
        )
    return drawn


def draw_plates(skeleton: Skeleton, view: View, thickness_mm: float) -> np.ndarray:
    """Return the thin bone inside of shoulder blades and pelvis in mm."""
    layer = np.zeros(view.shape, np.uint8)
    for outline in skeleton.plates:
        points = np.rint((view.to_px(outline) - 0.5) * 16).astype("int32")
        cv2.fillPoly(layer, [points], 255, cv2.LINE_AA, 4)
    layer = cv2.GaussianBlur(layer, (0, 0), max(0.5, 0.8 / view.spacing_mm))
    return layer * np.float32(thickness_mm / 255)


def draw_skull(body: Body, view: View, rays: Rays) -> np.ndarray:
    """Return the bone of the skull in mm on the path of each ray."""

    head = body.head
    wall = 0.022 * head.radii[0]
    inner = Ellipsoid(head.centre, np.asarray(head.radii) - 1.5 * wall)
    return 0.4 * (
        solids.length(
            solids.cross(
                Ellipsoid(head.centre, np.asarray(head.radii) - 0.5 * wall), view, rays
            )
        )
        - solids.length(solids.cross(inner, view, rays))
    )
