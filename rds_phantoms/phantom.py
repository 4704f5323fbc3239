"""One phantom: an infant in millimetres, projected, finished as a film, with its truth.

No phantom shows a real patient, and results on phantoms prove code, not medicine.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from rds_phantoms import (
    detector,
    devices,
    disease,
    film,
    noise,
    outline,
    projection,
)
from rds_phantoms import infant as infants
from rds_phantoms.infant import Infant
from rds_phantoms.spaces import Spaces
from rds_phantoms.view import View

RDS_SEVERITY = disease.GRADES[0]  # at or above it a phantom counts as RDS


@dataclass(frozen=True)
class Phantom:
    """One synthetic radiograph and its truth.

    Attributes:
        image: `(H, W)` float32 in `[0, 1]`, bone bright.
        mask: `(H, W)` uint8 of {0, 1}, the lungs to the dome of the diaphragm, the part
            behind the heart included.
        recess: `(H, W)` uint8 of {0, 1}, the lungs behind the dome.
        right: `(H, W)` bool, the infant's right of its spine.
        heart: `(H, W)` uint8 of {0, 1}, heart and great vessels.
        ribs: `(H, W)` uint8 of {0, 1}.
        device_masks: name of a device to its `(H, W)` uint8 mask.
        device_tips: name of a device to the u and v of its tip in px.
        carina: `(2,)` px, where the trachea divides.
        vertebrae: `(12, 2)` px, middles of T1 to T12.
        severity: float in `[0, 1]`; RDS from `RDS_SEVERITY` on.
        grade: int, 0 to 4, after Bomsel.
        findings: names out of `disease.FINDINGS`.
        finding_masks: finding to `(H, W)` uint8 of {0, 1}.
        angle_degrees: float, counter-clockwise turn of the infant in the image.
        weeks: float, post-menstrual age.
        spacing_mm: float, side of a pixel in the plane of the middle of the chest.
        volume_ml: float, of what is inside both lungs, as far as the film shows them.
        text: letters and lines written on the film; a side marker is "R" or "L".
    """

    image: np.ndarray
    mask: np.ndarray
    recess: np.ndarray
    right: np.ndarray
    heart: np.ndarray
    ribs: np.ndarray
    device_masks: dict[str, np.ndarray]
    device_tips: dict[str, np.ndarray]
    carina: np.ndarray
    vertebrae: np.ndarray
    severity: float
    grade: int
    findings: tuple[str, ...]
    finding_masks: dict[str, np.ndarray]
    angle_degrees: float
    weeks: float
    spacing_mm: float
    volume_ml: float
    text: tuple[str, ...]

    @property
    def right_lung(self) -> np.ndarray:
        """The infant's right lung, `(H, W)` uint8 of {0, 1}."""
        return self.mask * self.right.astype("uint8")

    @property
    def left_lung(self) -> np.ndarray:
        """The infant's left lung, `(H, W)` uint8 of {0, 1}."""
        return self.mask * (~self.right).astype("uint8")

    @property
    def mask_to_recess(self) -> np.ndarray:
        """The lungs down to the foot of the recess, `(H, W)` uint8 of {0, 1}."""
        return self.mask | self.recess

    @property
    def mask_without_heart(self) -> np.ndarray:
        """The lungs that no heart covers, `(H, W)` uint8 of {0, 1}."""
        return self.mask * (1 - self.heart)

    @property
    def area_mm2(self) -> float:
        """Area of both lungs in the plane of the middle of the chest."""
        return float(self.mask.sum()) * self.spacing_mm**2

    @property
    def polygons(self) -> list[np.ndarray]:
        """Closed outlines of `mask` in px, `(N, 2)` each, along pixel edges."""
        return outline.trace(self.mask)

    def outline_without_heart(self) -> list[np.ndarray]:
        """Return closed outlines of `mask_without_heart`, along pixel edges."""
        return outline.trace(self.mask_without_heart)


def make_phantom(
    seed: int,
    shape: tuple[int, int] = (256, 256),
    severity: float = 0.0,
    angle_degrees: float = 0.0,
    device_names: tuple[str, ...] = (),
    weeks: float = 34.0,
    findings: tuple[str, ...] = (),
    *,
    tube_tip: float | None = None,
    breath: float | None = None,
    randomised: bool = False,
) -> Phantom:
    """Make one phantom; the same arguments give the same pixels.

    Each argument moves only what it names: infant, position, breath and exposure belong
    to the seed.

    Args:
        seed: int, of all that the other arguments do not fix.
        shape: height and width in pixels.
        severity: float in `[0, 1]` of RDS: grades I to IV from 0.2, 0.4, 0.6 and 0.8.
        angle_degrees: float, counter-clockwise turn of the infant.
        device_names: names out of `devices.DEVICES`.
        weeks: float in `[24, 1080]`, post-menstrual age: 24 to 42 a newborn, 92 one
            year, 300 five years, 1080 an adult.
        findings: names out of `disease.FINDINGS`.
        tube_tip: float, of an endotracheal tube: its height above the carina in heights
            of T1 to T2, negative in the right main bronchus. Default None, drawn.
        breath: float, in usual deviations between breaths; deeper is more. Default
            None, drawn.
        randomised: bool, domain randomisation for training: lungs cut by the edge,
            odd exposure, grid lines, inversion, text.

    Raises:
        ValueError: an argument lies outside its range, or a name is unknown.
    """
    if not 0 <= severity <= 1:
        raise ValueError(f"`severity` must lie in [0, 1]. Received: {severity}")
    infant = infants.make_infant(seed, weeks, findings, breath)
    view = film.place(
        noise.make_stream(seed, "place"),
        infant.body,
        shape,
        angle_degrees,
        randomised=randomised,
    )
    placed = [
        devices.make_device(
            name, noise.make_stream(seed, name), infant.body, infant.airways, tube_tip
        )
        for name in device_names
    ]
    projected = projection.project(infant, view, severity, randomised=randomised)
    attenuation = projected.attenuation
    masks = {}
    for device in placed:
        added, masks[device.name] = devices.draw_device(
            device, view, projected.attenuate
        )
        attenuation = attenuation + added
    spaces = projected.spaces
    image = detector.expose(
        noise.make_stream(seed, "noise"),
        attenuation,
        projected.healthy,
        body=projected.body,
        lungs=spaces.lung > 0.3 * spaces.chest + 1,
        system=projected.system,
        spacing_mm=view.spacing_mm,
    )
    rng = noise.make_stream(seed, "film")
    exposed = film.draw_beam(film.collimate(rng, shape, randomised=randomised), shape)
    image, text = film.finish(rng, image, exposed, view, randomised=randomised)
    heart = spaces.removed[1]
    truth = {
        "mask": _outline_lungs(infant, view, spaces) & ~spaces.dome,
        "recess": (spaces.lung > 1) & spaces.dome,
        "heart": heart[1] - heart[0] > 2,
        "ribs": projected.ribs > 0.15,
    }
    return Phantom(
        image=image,
        **{name: one.astype("uint8") * exposed for name, one in truth.items()},
        right=spaces.right,
        device_masks={name: one * exposed for name, one in masks.items()},
        device_tips={
            one.name: view.to_px(one.tip) for one in placed if one.tip is not None
        },
        carina=view.to_px(infant.airways.carina),
        vertebrae=view.to_px(infant.body.find_vertebrae()),
        severity=severity,
        grade=disease.grade_of(severity),
        findings=infant.findings,
        finding_masks={name: one * exposed for name, one in projected.where.items()},
        angle_degrees=angle_degrees,
        weeks=weeks,
        spacing_mm=view.spacing_mm,
        volume_ml=float(spaces.lung.sum()) * view.spacing_mm**2 / 1000,
        text=text,
    )


def _outline_lungs(infant: Infant, view: View, spaces: Spaces) -> np.ndarray:
    """Return where one would outline lungs, the part below the dome included, bool."""
    whole = spaces.cavity[1] - spaces.cavity[0]
    # In front of the spine and its vessels lies lung too, which no one outlines.
    # At the side an outline follows the inner margin of the ribs.
    least = 0.35 * infant.size.half_depth_mm
    lung = (spaces.chest > np.maximum(0.55 * whole, least)).astype("uint8")
    # No one outlines the sliver between windpipe and apex.
    width = 1 + 2 * int(0.04 * infant.size.half_width_mm / view.spacing_mm)
    kernel = np.ones((width, width), "uint8")
    return cv2.morphologyEx(lung, cv2.MORPH_OPEN, kernel) > 0
