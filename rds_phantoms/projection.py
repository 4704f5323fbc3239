"""Line integrals of one infant: what lies on every ray, times how it attenuates."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rds_phantoms import (
    abdomen,
    airways,
    detector,
    lungs,
    materials,
    noise,
    skeleton,
    solids,
    surroundings,
    tubes,
)
from rds_phantoms.infant import Infant
from rds_phantoms.spaces import Scene, Spaces
from rds_phantoms.view import View


@dataclass(frozen=True)
class Projection:
    """Line integrals of one infant and what belongs to them.

    Attributes:
        attenuation: `(H, W)` float32, without devices.
        healthy: `(H, W)` float32, of the same infant without disease.
        body: `(H, W)` bool, where the infant is.
        ribs: `(H, W)` float32, bone of the ribs in mm.
        spaces: paths through the chest.
        where: finding to its mask.
        system: of the exposure.
        attenuate: function of a material's name to its attenuation in 1/mm.
    """

    attenuation: np.ndarray
    healthy: np.ndarray
    body: np.ndarray
    ribs: np.ndarray
    spaces: Spaces
    where: dict[str, np.ndarray]
    system: detector.System
    attenuate: Callable[[str], float]


@lru_cache(maxsize=4096)
def _attenuation(name: str, kvp: int, tissue_mm: int) -> float:
    return materials.beam_attenuation(name, kvp, tissue_mm=tissue_mm)


def project(
    infant: Infant, view: View, severity: float = 0.0, *, randomised: bool = False
) -> Projection:
    """Follow all rays through an infant.

    Args:
        infant: whom to project.
        view: position before the detector.
        severity: float in [0, 1], of RDS.
        randomised: bool, draw a system from a wider range.
    """
    size, seed = infant.size, infant.seed
    system = detector.draw_system(
        noise.make_stream(seed, "system"), size.weeks, randomised=randomised
    )
    kvp = round(system.kvp)
    deep = int(np.clip(25 * round(2 * size.half_depth_mm / 25), 25, 250))

    def attenuate(name):
        return _attenuation(name, kvp, deep)

    rays = view.make_rays()
    scene = Scene(infant, view, rays)
    spaces = scene.spaces
    drawn = lungs.draw_lungs(scene, severity, infant.findings)
    soft, fat = _measure_flesh(infant, view, rays)
    healthy = np.float32(attenuate("soft_tissue")) * np.maximum(
        _measure_tissue(infant, view, soft, spaces.lung, drawn.healthy), 0
    )
    ribs, bone = _measure_bone(infant, view, rays)
    water = attenuate("soft_tissue")
    harder = size.mineral * (attenuate("cortical_bone_adult") - water)
    healthy += np.float32(harder) * bone
    healthy += np.float32(attenuate("adipose") - water) * fat
    healthy += surroundings.draw_surroundings(seed, size, view, attenuate)
    healthy = np.maximum(healthy, 0).astype("float32")
    changed = np.maximum(healthy + np.float32(water) * drawn.change, 0)
    return Projection(
        attenuation=changed.astype("float32"),
        healthy=healthy,
        body=soft > 2,
        ribs=ribs,
        spaces=spaces,
        where=drawn.where,
        system=system,
        attenuate=attenuate,
    )


def _measure_tissue(infant, view, soft, lung, in_lungs) -> np.ndarray:
    """Return the path in all that is not bone, as mm of soft tissue: no gas counts."""
    seed, size = infant.seed, infant.size
    gas = abdomen.draw_gas(noise.make_stream(seed, "gas"), infant.body, view)
    below = np.clip(1 - lung / 4, 0, 1)
    windpipe = airways.draw_windpipe(infant.airways, view)
    tissue = soft * _vary(seed, size, view) - lung + in_lungs
    tissue += surroundings.draw_bedding(seed, size, view)
    tissue -= np.minimum(windpipe, 0.5 * soft) + np.minimum(gas, 0.5 * soft) * below
    return tissue


def _measure_bone(infant, view, rays) -> tuple[np.ndarray, np.ndarray]:
    """Return the path in the bone of the ribs, and in all bone, mm of an adult's."""
    bones, trunk = infant.bones, infant.body
    drawn = skeleton.draw_bones(bones, view)
    mineral = sum(drawn.values())
    mineral += skeleton.draw_plates(bones, view, 0.09 * infant.size.vertebra_mm)
    mineral += skeleton.draw_spine(bones, trunk, view, rays)
    mineral += skeleton.draw_skull(trunk, view, rays)
    return drawn["ribs"], mineral


def _vary(seed, size, view) -> np.ndarray:
    """Return how muscle, fat and organs vary in density: some 2 % around 1."""
    scale = size.half_width_mm / 48
    rng = noise.make_stream(seed, "flesh")
    wide = noise.make_field(rng, 14 * scale, view)
    fine = noise.make_field(rng, 3.5 * scale, view)
    return 1 + np.float32(0.018) * wide + np.float32(0.008) * fine


def _measure_flesh(infant, view, rays) -> tuple[np.ndarray, np.ndarray]:
    """Return the path in the body and, of it, the path in fat, `(H, W)` float32 mm."""
    skin, lean, head = (
        solids.length(solids.cross(one, view, rays)) * rays.stretch
        for one in (infant.body.skin, infant.body.fat, infant.body.head)
    )
    limbs = np.zeros_like(skin)
    for curve, radius in infant.bones.limbs:
        limbs = np.maximum(limbs, tubes.draw_tubes([curve], radius, view))
    # Limbs grow out of the trunk, the head out of the neck: neither adds in full.
    soft = np.sqrt(np.maximum(skin, 0.75 * head) ** 2 + limbs**2)
    return soft, np.maximum(skin - lean, 0) + 0.2 * limbs
