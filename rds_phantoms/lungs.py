"""The lungs of one phantom: tissue on every ray, healthy and as disease leaves it."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from rds_phantoms import airways as trees
from rds_phantoms import disease, noise, pleura
from rds_phantoms import findings as others
from rds_phantoms.spaces import Scene


@dataclass
class Lungs:
    """Tissue in the pleural cavities on every ray, as mm of soft tissue.

    Attributes:
        healthy: `(H, W)` float32.
        change: `(H, W)` float32, what disease adds; negative for air.
        where: finding to `(H, W)` uint8 of {0, 1}.
    """

    healthy: np.ndarray
    change: np.ndarray
    where: dict[str, np.ndarray] = field(default_factory=dict)


def draw_lungs(scene: Scene, severity: float, findings: tuple[str, ...]) -> Lungs:
    """Draw both lungs.

    Args:
        scene: where they lie.
        severity: float in [0, 1], of RDS.
        findings: names out of `disease.FINDINGS`.
    """
    lung, view = scene.spaces.lung, scene.view
    rng = noise.make_stream(scene.seed, "lungs")
    density = rng.uniform(0.18, 0.30)
    # Blood lies low and near the hila: a little denser there.
    centre = ((np.abs(scene.spaces.across) - 0.2) / 0.28) ** 2
    centre = cv2.exp(-centre - ((scene.spaces.level - 0.46) / 0.3) ** 2)
    healthy_density = density * (
        1 + 0.12 * (scene.spaces.level - 0.4) + rng.uniform(0.2, 0.7) * centre
    )
    healthy_density = healthy_density.astype("float32")
    # A vessel replaces lung. Those outside of it lie in soft tissue and do not show.
    # Where little of a ray's way is lung, as behind the dome, few vessels are on it.
    whole = np.maximum(scene.spaces.cavity[1] - scene.spaces.cavity[0], 1)
    inside = np.clip(lung / (0.55 * whole), 0, 1)
    vessels = trees.draw_trees(scene.airways.vessels, view)
    vessels = np.minimum(vessels * rng.uniform(1.2, 2.2), lung) * inside
    bronchi = np.minimum(trees.draw_trees(scene.airways.bronchi, view), lung) * inside
    vessels += _draw_hila(scene, rng)
    grains = _draw_markings(scene) * cv2.sqrt(lung)

    def fill(dense, vessel_share=1.0):
        """Tissue of lungs of a density: less in bronchi, more in vessels."""
        return (
            dense * (lung - bronchi) + vessel_share * (disease.FULL - dense) * vessels
        )

    healthy = fill(healthy_density) + grains
    dense = _fill_by_rds(scene, healthy_density, severity, findings)
    where = {}
    vessel_share = 1.0
    for name in findings:
        if name in others.DENSITIES:
            changed = others.DENSITIES[name](scene, dense)
            where[name] = _mark(changed, dense, lung)
            dense = changed
    if "transient_tachypnoea" in findings:
        vessel_share = 1.9
    tissue = fill(dense, vessel_share) + grains
    tissue = tissue + _granulate(scene, severity, dense, healthy_density)
    for name in findings:
        if name in pleura.SPACES:
            more, mask = pleura.SPACES[name](scene, dense)
            tissue = tissue + more
            where[name] = mask
    for name in findings:  # of the whole chest
        where.setdefault(name, (lung > 1).astype("uint8"))
    return Lungs(healthy, tissue - healthy, where)


def _draw_markings(scene) -> np.ndarray:
    """Return the marks of vessels too small and too many to grow one by one.

    They lie behind one another, so that their sum varies with the root of the path.
    """
    rng = noise.make_stream(scene.seed, "markings")
    wide = scene.noise("markings wide", 5.0)
    net = sum(
        cv2.exp(-((scene.noise(f"markings {grain}", grain) / 0.7) ** 2)) - 0.57
        for grain in (0.8, 1.7)
    )
    fine = scene.noise("parenchyma", 0.6)
    marks = 0.5 * wide + 1.3 * net * (1 + 0.5 * wide) + 0.4 * fine
    return marks * np.float32(rng.uniform(0.10, 0.26) * np.sqrt(scene.scale))


def _draw_hila(scene, rng) -> np.ndarray:
    """Return the knots of vessels and bronchi at both hila, as mm of tissue."""
    path = np.zeros_like(scene.spaces.lung)
    thick = rng.uniform(6, 16) * scene.scale
    for side, level in ((-1, 0.46), (1, 0.42)):
        blob = others.make_blob(scene, side=side, level=level, across=0.3, size=0.2)
        path += blob * (1 + 0.5 * scene.noise(f"hilum {side}", 2.5))
    return np.clip(thick * path, 0, 0.5 * scene.spaces.lung)


def _mark(changed, before, lung) -> np.ndarray:
    return ((np.abs(changed - before) > 0.08) & (lung > 1)).astype("uint8")


def _fill_by_rds(scene, healthy, severity: float, findings) -> np.ndarray:
    """Return the density of lungs with RDS: nearly even, denser at the base."""
    uneven = 0.08 * scene.noise("rds", 12) + 0.15 * (scene.spaces.level - 0.4)
    amount = severity**1.15 * np.clip(1 + (1 - severity) * uneven, 0.3, 1.6)
    if "after_surfactant" in findings:  # it clears where it went, the right side first
        zone = (
            scene.noise("surfactant", 14)
            + np.where(scene.spaces.right, np.float32(0.5), np.float32(-0.5))
            - 1.2 * (scene.spaces.level - 0.45)
        )
        amount = amount * (1 - 0.75 / (1 + np.exp(-2.5 * zone)))
    return (healthy + (disease.FULL - healthy) * np.clip(amount, 0, 1)).astype(
        "float32"
    )


def _granulate(scene, severity: float, dense, healthy) -> np.ndarray:
    """Return the reticulogranular texture of RDS: collapsed beside open air spaces.

    Grains near 1 mm in space: some lie behind one another on a ray, so that their sum
    grows with the root of the path. It is strongest when half is collapsed.
    """
    share = np.clip((dense - healthy) / (disease.FULL - healthy), 0, 1)
    spread = np.sqrt(share * (1 - share))
    if severity == 0:
        return np.zeros_like(dense)
    grains = 0.85 * scene.noise("granules", 0.5) + 0.45 * scene.noise("reticles", 1.0)
    return (
        grains
        * spread
        * cv2.sqrt(scene.spaces.lung)
        * np.float32(0.42 * np.sqrt(scene.scale))
    )
