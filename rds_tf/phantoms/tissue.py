"""From curves to a map of attenuation: tissue, air, bone and devices.

Soft tissue of the chest wall has attenuation 1; air takes away, bone and devices add.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from rds_tf.phantoms import canvas, curves


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
    body = np.zeros(view.shape, "float32")
    for curve, depth in chest.soft:
        radius = (0.45 if depth == 1.0 else 0.25) * unit
        filled = canvas.fill(view, [curve])
        np.maximum(body, depth * canvas.thickness(filled, radius), out=body)
    belly = canvas.blur(canvas.fill(view, [chest.abdomen]), 0.02 * unit)
    total = body * (1 + look.marbling * canvas.noise(rng, view, 0.4))
    total += look.belly * belly * body
    lungs = canvas.fill(view, chest.lungs)
    heart = canvas.thickness(canvas.fill(view, [chest.heart]), 0.4 * unit)
    heart = canvas.blur(heart, 0.02 * unit)
    total += look.heart * heart * (1 - belly)
    vessels = canvas.blur(canvas.stroke(view, chest.vessels), 0.012 * unit)
    opacity = _opacity(rng, chest, view, severity, lobes=look.lobes)
    total -= _air(rng, chest, view, (lungs, heart, opacity), look)
    total += look.bone * _skeleton(chest, view)
    total -= severity * _ground_glass(rng, view, vessels, lungs)
    total += (1 - 0.8 * severity) * look.vessels * vessels * lungs
    gas = canvas.blur(canvas.fill(view, chest.gas), 0.02 * unit)
    total -= rng.uniform(0.1, 0.5) * gas
    total -= 0.14 * canvas.blur(canvas.stroke(view, chest.airways), 0.015 * unit)
    if age < 0.3:
        total += _skin_folds(rng, view)
    total = np.maximum(total, 0) * (body > 0.01)
    if look.bedding:
        sheet = look.bedding * (1 + 0.3 * canvas.noise(rng, view, 0.5))
        total += np.maximum(sheet, 0) * (1 - 0.7 * body)
    return total


def _skeleton(chest, view) -> np.ndarray:
    """Return spine and long bones: dense rims around lighter cores."""
    bone = np.zeros(view.shape, "float32")
    for plates, density in chest.plates:
        bone += canvas.fill(view, plates, density)
    bone = canvas.blur(bone, 0.016 * view.unit_px)
    for shafts, width, density in chest.bones:
        layer = canvas.stroke(view, [(shafts, width)], density)
        layer -= canvas.stroke(view, [(shafts, 0.55 * width)], 0.35 * density)
        bone += canvas.blur(layer, 0.010 * view.unit_px)
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
    whole = canvas.fill(view, [*chest.lungs, *behind])
    depth = canvas.thickness(whole, rng.uniform(0.15, 0.5) * unit)
    depth *= look.recess + (1 - look.recess) * lungs
    depth = canvas.blur(depth, rng.uniform(0.005, 0.03) * unit)
    depth *= 1 - rng.uniform(0.55, 0.9) * heart
    return look.air * depth * (1 - opacity)


def _ground_glass(rng, view, vessels, lungs) -> np.ndarray:
    """Return the grain of RDS and the airways that stay open in it (bronchograms)."""
    grain = canvas.noise(rng, view, rng.uniform(0.007, 0.014))
    return (0.06 * grain + 0.10 * vessels) * lungs


def _opacity(rng, chest, view, severity: float, *, lobes: bool) -> np.ndarray:
    """Return the share of the air that fluid replaced, `(H, W)` in `[0, 1]`."""
    opacity = _consolidation(rng, chest, view, lobes=lobes)
    if severity == 0:
        return opacity
    uneven = np.clip(1 + 0.25 * canvas.noise(rng, view, 0.3), 0.4, 1.6)
    haze = np.clip(severity * rng.uniform(0.75, 0.95) * uneven, 0, 0.95)
    return np.maximum(opacity, haze)


def _consolidation(rng, chest, view, *, lobes: bool) -> np.ndarray:
    """Return opacity in `[0, 1]`: none in most films, else of one common kind."""
    kind, unit = rng.random(), view.unit_px
    if kind < 0.08:  # one white lung
        lung = canvas.fill(view, [chest.lungs[rng.integers(2)]])
        return rng.uniform(0.6, 0.97) * canvas.blur(lung, 0.05 * unit)
    if kind < 0.20:  # patches
        field = canvas.noise(rng, view, rng.uniform(0.10, 0.25))
        return rng.uniform(0.3, 0.8) / (1 + np.exp(-4 * (field - 1.0)))
    if lobes and kind < 0.34:  # a lobe: everything beyond a slanting line, in one lung
        lung = chest.lungs[rng.integers(2)]
        centre = lung.mean(0) + rng.normal(0, 0.25, 2)
        away = np.deg2rad(rng.normal(90, 35) + 180 * (rng.random() < 0.3))
        away = np.array([np.cos(away), np.sin(away)])
        across = np.array([-away[1], away[0]])
        corners = [3 * across, 3 * (across + away), 3 * (away - across), -3 * across]
        part = canvas.fill(view, [centre + corners]) * canvas.fill(view, [lung])
        return rng.uniform(0.4, 0.95) * canvas.blur(part, rng.uniform(0.02, 0.1) * unit)
    return np.zeros(view.shape, "float32")


def _skin_folds(rng, view) -> np.ndarray:
    """Return the long faint edges that folds of a newborn's skin leave."""
    folds = []
    for _ in range(rng.integers(0, 3)):
        x = rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        curve = [(x, -0.3), (x + rng.normal(0, 0.1), 0.4), (x, 1.2)]
        folds.append((curves.smooth_curve(curve, closed=False), 0.03))
    return canvas.blur(canvas.stroke(view, folds, 0.08), 0.012 * view.unit_px)


def shadow(device, view) -> tuple[np.ndarray, np.ndarray]:
    """Return a device's attenuation and its uint8 mask."""

    def lines(factor):
        return [(line, factor * device.width) for line in device.lines]

    discs = [np.array([(x, y), (x + 1e-3, y)]) for x, y in device.pads]
    pads = [(disc, 0.13) for disc in discs]
    shadow = canvas.stroke(view, lines(1.0), device.density)
    if device.hollow:
        shadow -= canvas.stroke(view, lines(0.6), 0.85 * device.density)
        shadow += canvas.stroke(view, lines(0.2), 0.9 * device.density)
    shadow += canvas.stroke(view, pads, 0.10)
    shadow += canvas.stroke(view, [(disc, 0.045) for disc in discs], 0.5)
    at_least = max(device.width, 1 / view.unit_px)  # a pixel
    whole = [(line, at_least) for line in device.lines]
    solid = canvas.stroke(view, whole + pads)
    if device.sheets:
        sheets = canvas.fill(view, device.sheets)
        shadow += 0.5 * device.density * sheets
        solid = np.maximum(solid, sheets)
    return canvas.blur(shadow, 0.006 * view.unit_px), (solid > 0.5).astype("uint8")
