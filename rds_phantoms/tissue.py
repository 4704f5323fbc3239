"""From curves to a map of attenuation: tissue, air, bone and devices.

Soft tissue of the chest wall has attenuation 1; air takes away, bone and devices add.
"""

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from rds_phantoms import canvas


@dataclass(frozen=True)
class Look:
    """How strongly each tissue shows, drawn once a film.

    Attributes:
        belly: attenuation of the abdomen above that of the chest wall.
        heart: the same of heart and great vessels.
        air: share of the lungs' attenuation that air takes away.
        recess: air behind the dome of the diaphragm, relative to `air`.
        bone: factor on the density of all bones.
        vessels: attenuation of the vessels of the lungs.
        marbling: unevenness of soft tissue.
        bedding: attenuation of what the patient lies on.
        lobes: whether a lobe may be consolidated, as in pneumonia.
    """

    belly: float
    heart: float
    air: float
    recess: float
    bone: float
    vessels: float
    marbling: float
    bedding: float = 0.0
    lobes: bool = False


def draw_look(rng: np.random.Generator, *, wild: bool = False) -> Look:
    """Draw a `Look`; a wild one may be beyond what a film can look like.

    Three in ten wild looks are domain randomisation as in SynthSeg (Billot et al.,
    Med. Image Anal. 2023): who must cope with them leans on shape, not on grey.
    """
    look = Look(
        belly=rng.uniform(0.0, 0.5),
        heart=rng.uniform(0.08, 0.5),
        air=rng.uniform(0.50, 0.85),
        recess=rng.uniform(0.0, 0.75),
        bone=rng.uniform(0.5, 1.2),
        vessels=rng.uniform(0.05, 0.16),
        marbling=rng.uniform(0.02, 0.08),
    )
    if not wild:
        return look
    if rng.random() < 0.3:
        drawn = {name: getattr(look, name) * rng.uniform(0.2, 2) for name in GREYS}
        drawn |= {name: min(drawn[name], 0.95) for name in ("air", "recess")}
        look = replace(look, **drawn)
    return replace(look, bedding=max(0.0, rng.uniform(-0.5, 0.5)), lobes=True)


GREYS = [field.name for field in fields(Look) if field.name != "lobes"]


def attenuation(rng, chest, view, severity: float, age: float, look: Look):
    """Return the attenuation map of a chest without devices, `(H, W)` float32.

    Args:
        rng: random generator.
        chest: the `Anatomy`.
        view: the `canvas.View`.
        severity: float in `[0, 1]`, of RDS.
        age: float in `[0, 1]`, as in `anatomy.make_anatomy`.
        look: how strongly each tissue shows.
    """
    unit = view.unit_px
    body = _body(chest, view)
    belly = canvas.blur(canvas.paint(view, [chest.abdomen]), 0.02 * unit, 1 / 255)
    total = canvas.noise(rng, view, 0.4) * look.marbling
    total += 1
    total += look.belly * belly
    total *= body
    lungs = canvas.fill(view, chest.lungs)
    heart = canvas.thickness(canvas.paint(view, [chest.heart]), 0.4 * unit)
    heart = canvas.blur(heart, 0.02 * unit)
    total += look.heart * heart * (1 - belly)
    vessels = canvas.blur(canvas.draw(view, chest.vessels), 0.012 * unit, 1 / 255)
    vessels *= lungs
    opacity = _opacity(rng, chest, view, severity, lobes=look.lobes)
    total -= _air(rng, chest, view, (lungs, heart, opacity), look)
    total += _skeleton(chest, view, look.bone)
    grain = canvas.noise(rng, view, rng.uniform(0.007, 0.014))  # drawn, seen or not
    if severity:
        total -= severity * _ground_glass(grain, vessels, lungs)
    total += (1 - 0.8 * severity) * look.vessels * vessels
    total -= _gas(rng, chest, view)
    if age < 0.3:
        total += _skin_folds(rng, view)
    np.maximum(total, 0, out=total)
    total = cv2.copyTo(total, (body > 0.01).view(np.uint8))  # and 0 elsewhere
    if look.bedding:
        sheet = look.bedding * (1 + 0.3 * canvas.noise(rng, view, 0.5))
        total += np.maximum(sheet, 0) * (1 - 0.7 * body)
    return total


def _body(chest, view) -> np.ndarray:
    """Return the thickness of the soft tissue, `(H, W)` float32 of 0 to 1."""
    body = np.zeros(view.shape, np.float32)
    for curve, depth in chest.soft:
        filled = canvas.paint(view, [curve])
        if filled.any():
            radius = (0.45 if depth == 1.0 else 0.25) * view.unit_px
            part = canvas.thickness(filled, radius)
            part *= depth
            np.maximum(body, part, out=body)
    return body


def _skeleton(chest, view, density: float) -> np.ndarray:
    """Return spine and long bones: dense rims around lighter cores."""
    scale = density / 255
    plates = [(canvas.paint(view, one), scale * value) for one, value in chest.plates]
    layers = []
    for shafts, width, value in chest.bones:
        layers.append((canvas.draw(view, [(shafts, width)]), scale * value))
        core = canvas.draw(view, [(shafts, 0.55 * width)])
        layers.append((core, -0.35 * scale * value))
    # A blur of a sum is the sum of the blurs.
    bone = canvas.blur(canvas.add(plates), 0.016 * view.unit_px)
    bone += canvas.blur(canvas.add(layers), 0.010 * view.unit_px)
    return bone


def _air(rng, chest, view, layers, look: Look) -> np.ndarray:
    """Return what air takes away from the attenuation of the lungs.

    Behind the dome of the diaphragm the lungs reach deeper than their base on the
    film, so that some air shows below it.
    """
    lungs, heart, opacity = layers
    unit = view.unit_px
    reach = rng.uniform(0.1, 0.5)
    behind = [lung + (0, reach) for lung in chest.lungs]
    whole = canvas.paint(view, [*chest.lungs, *behind])
    depth = canvas.thickness(whole, rng.uniform(0.15, 0.5) * unit)
    depth *= look.recess + (1 - look.recess) * lungs
    depth = canvas.blur(depth, rng.uniform(0.005, 0.03) * unit, look.air)
    depth *= 1 - rng.uniform(0.55, 0.9) * heart
    if opacity is not None:
        depth *= 1 - opacity
    return depth


def _ground_glass(grain, vessels, lungs) -> np.ndarray:
    """Return the grain of RDS and the airways that stay open in it (bronchograms)."""
    return 0.06 * grain * lungs + 0.10 * vessels


def _gas(rng, chest, view) -> np.ndarray:
    """Return the air that stomach, bowel, trachea and bronchi take away."""
    unit = view.unit_px
    depth = rng.uniform(0.1, 0.5)
    airways = canvas.draw(view, chest.airways)
    air = canvas.blur(airways, 0.015 * unit, 0.14 / 255)
    if chest.gas:
        air += canvas.blur(canvas.paint(view, chest.gas), 0.02 * unit, depth / 255)
    return air


def _opacity(rng, chest, view, severity: float, *, lobes: bool) -> np.ndarray | None:
    """Return the share of the air that fluid replaced, `(H, W)` in `[0, 1]`.

    None stands for no fluid anywhere.
    """
    opacity = _consolidation(rng, chest, view, lobes=lobes)
    if severity == 0:
        return opacity
    uneven = np.clip(1 + 0.25 * canvas.noise(rng, view, 0.3), 0.4, 1.6)
    haze = np.clip(severity * rng.uniform(0.75, 0.95) * uneven, 0, 0.95)
    return haze if opacity is None else np.maximum(opacity, haze)


def _consolidation(rng, chest, view, *, lobes: bool) -> np.ndarray | None:
    """Return opacity in `[0, 1]`: None in most films, else of one common kind."""
    kind, unit = rng.random(), view.unit_px
    if kind < 0.08:  # one white lung
        lung = canvas.paint(view, [chest.lungs[rng.integers(2)]])
        return canvas.blur(lung, 0.05 * unit, rng.uniform(0.6, 0.97) / 255)
    if kind < 0.20:  # patches
        field = canvas.noise(rng, view, rng.uniform(0.10, 0.25))
        field = cv2.exp(-4 * (field - 1))
        field += 1
        return np.divide(rng.uniform(0.3, 0.8), field, out=field)
    if lobes and kind < 0.34:  # a lobe: everything beyond a slanting line, in one lung
        lung = chest.lungs[rng.integers(2)]
        centre = lung.mean(0) + rng.normal(0, 0.25, 2)
        away = np.deg2rad(rng.normal(90, 35) + 180 * (rng.random() < 0.3))
        away = np.array([np.cos(away), np.sin(away)])
        across = np.array([-away[1], away[0]])
        corners = [3 * across, 3 * (across + away), 3 * (away - across), -3 * across]
        part = canvas.fill(view, [centre + corners]) * canvas.fill(view, [lung])
        density = rng.uniform(0.4, 0.95)
        return canvas.blur(part, rng.uniform(0.02, 0.1) * unit, density)
    return None


def _skin_folds(rng, view) -> np.ndarray | float:
    """Return the long faint edges that folds of a newborn's skin leave."""
    folds = []
    for _ in range(rng.integers(0, 3)):
        x = rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        curve = [(x, -0.3), (x + rng.normal(0, 0.1), 0.4), (x, 1.2)]
        folds.append((canvas.smooth_curve(curve, closed=False), 0.03))
    if not folds:
        return 0.0
    return canvas.blur(canvas.draw(view, folds), 0.012 * view.unit_px, 0.08 / 255)


def shadow(device, view) -> tuple[np.ndarray, np.ndarray]:
    """Return a device's attenuation and its uint8 mask."""

    def lines(factor):
        return [(line, factor * device.width) for line in device.lines]

    discs = [np.array([(x, y), (x + 1e-3, y)]) for x, y in device.pads]
    pads = [(disc, 0.13) for disc in discs]
    solid = np.zeros(view.shape, np.uint8)
    layers = []
    if device.lines:
        layers.append((canvas.draw(view, lines(1.0)), device.density / 255))
        at_least = max(device.width, 1 / view.unit_px)  # a pixel
        solid = canvas.draw(view, [(line, at_least) for line in device.lines] + pads)
    if device.hollow:
        layers.append((canvas.draw(view, lines(0.6)), -0.85 * device.density / 255))
        layers.append((canvas.draw(view, lines(0.2)), 0.9 * device.density / 255))
    if pads:
        layers.append((canvas.draw(view, pads), 0.10 / 255))
        knobs = [(disc, 0.045) for disc in discs]
        layers.append((canvas.draw(view, knobs), 0.5 / 255))
    if device.sheets:
        sheets = canvas.paint(view, device.sheets)
        layers.append((sheets, 0.5 * device.density / 255))
        solid = np.maximum(solid, sheets)
    shadow = canvas.blur(canvas.add(layers), 0.006 * view.unit_px)
    return shadow, (solid > 127).view(np.uint8)
