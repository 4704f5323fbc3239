"""From curves to a map of attenuation: tissue, air, bone and devices.

Soft tissue of the chest wall has attenuation 1; air takes away, bone and devices add.
Layers are drawn as uint8 of 0 to 255, hence the factors of 1 / 255.
"""

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from rds_phantoms import anatomy, curves, devices, drawing

LEVEL = np.float32(1 / 255)


@dataclass(frozen=True)
class Contrast:
    """How strongly each tissue shows, drawn once an image.

    Attributes:
        belly: attenuation of the abdomen above that of the chest wall.
        heart: the same of heart and great vessels.
        air: proportion of the lungs' attenuation that air takes away.
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


def draw_contrast(rng: np.random.Generator, *, randomised: bool = False) -> Contrast:
    """Draw the contrasts of one image at random.

    Args:
        rng: random generator.
        randomised: bool, let three in ten leave the range of real radiographs. This
            is domain randomisation as in SynthSeg (Billot et al., Med. Image Anal.
            2023): a network that must cope leans on shapes, not on grey levels.
    """
    contrast = Contrast(
        belly=rng.uniform(0.0, 0.5),
        heart=rng.uniform(0.08, 0.5),
        air=rng.uniform(0.50, 0.85),
        recess=rng.uniform(0.0, 0.75),
        bone=rng.uniform(0.5, 1.2),
        vessels=rng.uniform(0.05, 0.16),
        marbling=rng.uniform(0.02, 0.08),
    )
    if not randomised:
        return contrast
    if rng.random() < 0.3:
        names = [field.name for field in fields(Contrast) if field.name != "lobes"]
        drawn = {name: getattr(contrast, name) * rng.uniform(0.2, 2) for name in names}
        drawn |= {name: min(drawn[name], 0.95) for name in ("air", "recess")}
        contrast = replace(contrast, **drawn)
    return replace(contrast, bedding=max(0.0, rng.uniform(-0.5, 0.5)), lobes=True)


def draw_attenuation(
    rng: np.random.Generator,
    chest: anatomy.Anatomy,
    view: drawing.View,
    severity: float,
    age: float,
    contrast: Contrast,
) -> np.ndarray:
    """Return the attenuation map of a chest without devices, `(H, W)` float32.

    Args:
        rng: random generator.
        chest: its anatomy.
        view: where it falls in the image.
        severity: float in `[0, 1]`, of RDS.
        age: float in `[0, 1]`, as in `anatomy.make_anatomy`.
        contrast: how strongly each tissue shows.
    """
    unit = view.unit_px
    body = _draw_body(chest, view)
    belly = drawing.blur(drawing.fill(view, [chest.abdomen]), 0.02 * unit, 1 / 255)
    total = drawing.smooth_noise(rng, view, 0.4) * contrast.marbling
    total += 1
    total += contrast.belly * belly
    total *= body
    lungs = drawing.fill(view, chest.lungs) * LEVEL
    heart = drawing.thickness(drawing.fill(view, [chest.heart]), 0.4 * unit)
    heart = drawing.blur(heart, 0.02 * unit)
    total += contrast.heart * heart * (1 - belly)
    vessels = drawing.blur(drawing.stroke(view, chest.vessels), 0.012 * unit, 1 / 255)
    vessels *= lungs
    fluid = _draw_fluid(rng, chest, view, severity, lobes=contrast.lobes)
    air = _draw_air(rng, chest, view, lungs, contrast)
    air *= 1 - rng.uniform(0.55, 0.9) * heart
    if fluid is not None:
        air *= 1 - fluid
    total -= air
    total += _draw_bones(chest, view, contrast.bone)
    grain = drawing.smooth_noise(rng, view, rng.uniform(0.007, 0.014))
    if severity:  # ground glass, and the airways that stay open in it (bronchograms)
        total -= severity * (0.06 * grain * lungs + 0.10 * vessels)
    total += (1 - 0.8 * severity) * contrast.vessels * vessels
    total -= _draw_gas(rng, chest, view)
    if age < 0.3:
        total += _draw_skin_folds(rng, view)
    np.maximum(total, 0, out=total)
    total = cv2.copyTo(total, (body > 0.01).view(np.uint8))  # and 0 elsewhere
    if contrast.bedding:
        sheet = contrast.bedding * (1 + 0.3 * drawing.smooth_noise(rng, view, 0.5))
        total += np.maximum(sheet, 0) * (1 - 0.7 * body)
    return total


def _draw_body(chest, view) -> np.ndarray:
    """Return the thickness of the soft tissue, `(H, W)` float32 of 0 to 1."""
    body = np.zeros(view.shape, np.float32)
    for curve, depth in chest.soft:
        filled = drawing.fill(view, [curve])
        if filled.any():
            radius = (0.45 if depth == 1.0 else 0.25) * view.unit_px
            part = drawing.thickness(filled, radius)
            part *= depth
            np.maximum(body, part, out=body)
    return body


def _draw_bones(chest, view, density: float) -> np.ndarray:
    """Return spine and long bones: dense rims around lighter cores."""
    scale = density / 255
    vertebrae = [
        (drawing.fill(view, one), scale * value) for one, value in chest.vertebrae
    ]
    layers = []
    for shafts, width, value in chest.bones:
        layers.append((drawing.stroke(view, [(shafts, width)]), scale * value))
        core = drawing.stroke(view, [(shafts, 0.55 * width)])
        layers.append((core, -0.35 * scale * value))
    # A blur of a sum is the sum of the blurs, and one is faster than many.
    bone = drawing.blur(drawing.add_layers(vertebrae), 0.016 * view.unit_px)
    bone += drawing.blur(drawing.add_layers(layers), 0.010 * view.unit_px)
    return bone


def _draw_air(rng, chest, view, lungs, contrast: Contrast) -> np.ndarray:
    """Return what air takes away from the attenuation of the lungs.

    Behind the dome of the diaphragm the lungs reach deeper than their base in the
    image, so that some air shows below it.
    """
    reach = rng.uniform(0.1, 0.5)
    behind = [lung + (0, reach) for lung in chest.lungs]
    whole = drawing.fill(view, [*chest.lungs, *behind])
    depth = drawing.thickness(whole, rng.uniform(0.15, 0.5) * view.unit_px)
    depth *= contrast.recess + (1 - contrast.recess) * lungs
    return drawing.blur(depth, rng.uniform(0.005, 0.03) * view.unit_px, contrast.air)


def _draw_gas(rng, chest, view) -> np.ndarray:
    """Return the air that stomach, bowel, trachea and bronchi take away."""
    unit = view.unit_px
    depth = rng.uniform(0.1, 0.5)
    air = drawing.blur(drawing.stroke(view, chest.airways), 0.015 * unit, 0.14 / 255)
    if chest.gas:
        air += drawing.blur(drawing.fill(view, chest.gas), 0.02 * unit, depth / 255)
    return air


def _draw_fluid(rng, chest, view, severity: float, *, lobes: bool) -> np.ndarray | None:
    """Return the proportion of the air that fluid replaced, `(H, W)` in `[0, 1]`.

    None means no fluid anywhere.
    """
    fluid = _draw_consolidation(rng, chest, view, lobes=lobes)
    if severity == 0:
        return fluid
    uneven = np.clip(1 + 0.25 * drawing.smooth_noise(rng, view, 0.3), 0.4, 1.6)
    haze = np.clip(severity * rng.uniform(0.75, 0.95) * uneven, 0, 0.95)
    return haze if fluid is None else np.maximum(fluid, haze)


def _draw_consolidation(rng, chest, view, *, lobes: bool) -> np.ndarray | None:
    """Return opacity in `[0, 1]`: None in most images, else of one common kind."""
    kind, unit = rng.random(), view.unit_px
    if kind < 0.08:  # one white lung
        lung = drawing.fill(view, [chest.lungs[rng.integers(2)]])
        return drawing.blur(lung, 0.05 * unit, rng.uniform(0.6, 0.97) / 255)
    if kind < 0.20:  # patches: noise through a steep sigmoid about 1
        field = drawing.smooth_noise(rng, view, rng.uniform(0.10, 0.25))
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
        half_plane = drawing.fill(view, [centre + corners]) * LEVEL
        part = half_plane * (drawing.fill(view, [lung]) * LEVEL)
        density = rng.uniform(0.4, 0.95)
        return drawing.blur(part, rng.uniform(0.02, 0.1) * unit, density)
    return None


def _draw_skin_folds(rng, view) -> np.ndarray | float:
    """Return the long faint edges that folds of a newborn's skin leave."""
    folds = []
    for _ in range(rng.integers(0, 3)):
        x = rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        points = [(x, -0.3), (x + rng.normal(0, 0.1), 0.4), (x, 1.2)]
        folds.append((curves.smooth_curve(points, closed=False), 0.03))
    if not folds:
        return 0.0
    return drawing.blur(drawing.stroke(view, folds), 0.012 * view.unit_px, 0.08 / 255)


def draw_device(
    device: devices.Device, view: drawing.View
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one device.

    Returns:
        Its attenuation, `(H, W)` float32, and its mask, `(H, W)` uint8 of {0, 1}.
    """

    def draw_lines(factor):
        return drawing.stroke(view, [(a, factor * device.width) for a in device.lines])

    discs = [np.array([(x, y), (x + 1e-3, y)]) for x, y in device.pads]
    pads = [(disc, 0.13) for disc in discs]
    solid = np.zeros(view.shape, np.uint8)
    layers = []
    if device.lines:
        layers.append((draw_lines(1.0), device.density / 255))
        width = max(device.width, 1 / view.unit_px)  # a pixel at least
        solid = drawing.stroke(view, [(line, width) for line in device.lines] + pads)
    if device.hollow:  # the lumen is nearly empty, but for the stripe along it
        layers.append((draw_lines(0.6), -0.85 * device.density / 255))
        layers.append((draw_lines(0.2), 0.9 * device.density / 255))
    if pads:  # an electrode: a faint disc with a dense knob
        layers.append((drawing.stroke(view, pads), 0.10 / 255))
        knobs = [(disc, 0.045) for disc in discs]
        layers.append((drawing.stroke(view, knobs), 0.5 / 255))
    if device.sheets:
        sheets = drawing.fill(view, device.sheets)
        layers.append((sheets, 0.5 * device.density / 255))
        solid = np.maximum(solid, sheets)
    attenuation = drawing.blur(drawing.add_layers(layers), 0.006 * view.unit_px)
    return attenuation, (solid > 127).view(np.uint8)
