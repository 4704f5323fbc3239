"""What other diseases than RDS do to the density of the lungs.

Each function takes the scene and the density of the lungs, `(H, W)` float32 g/cm3, and
returns another. Signs after Swischuk, Imaging of the Newborn, Infant and Young Child.
"""

import numpy as np

from rds_phantoms import disease, noise


def make_blob(scene, *, side: int, level: float, across: float, size: float):
    """Return a round region in one lung that fades at its border, 0 to 1."""
    tall = scene.body.size.spine_mm / scene.body.size.half_width_mm
    x = (scene.spaces.across - float(side * across)) / size
    y = (scene.spaces.level - level) * (tall / size)
    return np.exp(-(x * x + y * y))


def _pneumonia(scene, dense):
    """Patches with torn borders in one lobe or several, or haze along the bronchi."""
    rng = noise.make_stream(scene.seed, "pneumonia")
    share = np.zeros_like(dense)
    for _ in range(rng.integers(1, 5)):
        blob = make_blob(
            scene,
            side=rng.choice((-1, 1)),
            level=rng.uniform(0.15, 0.7),
            across=rng.uniform(0.25, 0.8),
            size=rng.uniform(0.2, 0.6),
        )
        share = np.maximum(share, blob)
    torn = 0.5 * scene.noise("pneumonia", 2.5) + 0.6 * scene.noise("pneumonia wide", 7)
    share = np.clip(share * (1.2 + 0.8 * torn) - 0.1, 0, 1) * rng.uniform(0.4, 1.0)
    near = np.exp(-(((np.abs(scene.spaces.across) - 0.3) / 0.4) ** 2))
    haze = rng.uniform(0, 0.35) * near + rng.uniform(0, 0.2)
    haze = haze * np.clip(0.8 + 0.6 * torn, 0, 1.8)
    return dense + (disease.FULL - dense) * np.clip(share + haze * (1 - share), 0, 1)


def _meconium(scene, dense):
    """Coarse patches in overinflated lungs: plugs and what is blown up behind them."""
    rng = noise.make_stream(scene.seed, "meconium")
    patches = scene.noise("meconium", rng.uniform(2.5, 4.5))
    share = np.clip(0.9 * (patches - rng.uniform(-0.2, 0.5)), 0, 1) ** 0.8
    trapped = dense * (1 - 0.35 * np.clip(-patches - 0.3, 0, 1))
    return trapped + (disease.FULL - trapped) * share * rng.uniform(0.2, 0.5)


def _tachypnoea(scene, dense):
    """Wet lungs: haze around the hila that fades outwards."""
    rng = noise.make_stream(scene.seed, "tachypnoea")
    far = np.hypot(np.abs(scene.spaces.across) - 0.25, 1.4 * (scene.spaces.level - 0.4))
    haze = np.exp(-((far / 0.38) ** 2)) * rng.uniform(0.15, 0.38)
    streaks = np.clip(1 + 0.25 * scene.noise("tachypnoea", 2.2), 0, 2)
    return dense + (disease.FULL - dense) * np.clip((0.06 + haze) * streaks, 0, 1)


def _atelectasis(scene, dense):
    """A lobe without air, up or down, sharp towards the fissure."""
    rng = noise.make_stream(scene.seed, "atelectasis")
    level, across = scene.spaces.level, np.abs(scene.spaces.across)
    edge = 0.02
    if rng.random() < 0.6:  # the upper lobe, right more often
        fissure = rng.uniform(0.26, 0.36) - rng.uniform(0.0, 0.14) * across
        share = 1 / (1 + np.exp(np.clip((level - fissure) / edge, -30, 30)))
    else:  # the lower one, a wedge at the spine
        border = rng.uniform(0.35, 0.6) + 0.5 * (level - 0.75)
        share = 1 / (1 + np.exp(np.clip((across - border) / edge, -30, 30)))
        share = share * np.clip((level - 0.42) / 0.1, 0, 1)
    share = share * scene.one_side * rng.uniform(0.7, 1.0)
    return dense + (disease.FULL - dense) * share


def _white_lung(scene, dense):
    """One lung without air, or drowned."""
    rng = noise.make_stream(scene.seed, "white lung")
    return np.where(
        scene.one_side, dense + (disease.FULL - dense) * rng.uniform(0.85, 1), dense
    )


def _dysplasia(scene, dense):
    """Coarse strands between small cysts, in old RDS."""
    rng = noise.make_stream(scene.seed, "dysplasia")
    mesh = np.exp(-((scene.noise("dysplasia", 2.2) / 0.45) ** 2))
    coarse = np.exp(-((scene.noise("dysplasia wide", 4.5) / 0.4) ** 2))
    share = rng.uniform(0.12, 0.26) * (0.6 * mesh + 0.7 * coarse) + rng.uniform(0, 0.2)
    return dense * 0.92 + (disease.FULL - dense) * np.clip(share, 0, 1)


def _interstitial(scene, dense):
    """Lungs that hold air outside of their air spaces are stiff and denser."""
    return dense + (disease.FULL - dense) * 0.22


def _expiratory(scene, dense):
    return dense + (disease.FULL - dense) * 0.14


def _hernia(scene, dense):
    """Belly in one half of the chest, and a small lung on the other side."""
    level = scene.spaces.level
    apex = 1 / (1 + np.exp(np.clip((level - 0.20) / 0.03, -30, 30)))
    return np.where(
        scene.one_side, dense + (disease.FULL - dense) * (1 - 0.7 * apex), dense
    )


DENSITIES = {
    "pneumonia": _pneumonia,
    "meconium_aspiration": _meconium,
    "transient_tachypnoea": _tachypnoea,
    "atelectasis": _atelectasis,
    "white_lung": _white_lung,
    "bronchopulmonary_dysplasia": _dysplasia,
    "interstitial_air": _interstitial,
    "expiratory": _expiratory,
    "hernia": _hernia,
}
