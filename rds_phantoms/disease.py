"""What fills or empties the lungs: RDS by severity, and what must not pass for it.

Everything here is density of the lung, in g/cm3, and air or fluid in the pleural space:
nothing is painted on the film. The contrast of heart and diaphragm, the air bronchogram
and the white-out follow from the projection.

Grades of RDS after Bomsel, Couchard et al., Ann Radiol 1970: I fine granules, II more,
and the air bronchogram beyond the heart, III borders of heart and diaphragm blurred,
IV white lungs. Densities: aerated newborn lung 0.25 to 0.35 g/cm3, collapsed near 1.
"""

from dataclasses import dataclass

import numpy as np

from rds_phantoms import noise

GRADES = (0.2, 0.4, 0.6, 0.8)  # severities at which grades I to IV begin
FINDINGS = (
    "transient_tachypnoea",
    "meconium_aspiration",
    "pneumonia",
    "atelectasis",
    "effusion",
    "pneumothorax",
    "interstitial_air",
    "bronchopulmonary_dysplasia",
    "white_lung",
    "hernia",
    "large_heart",
    "expiratory",
    "after_surfactant",
)
FULL = 0.97  # density of a lung without air, g/cm3


def grade_of(severity: float) -> int:
    """Return the Bomsel grade, 0 (no RDS) to 4, of a severity in [0, 1]."""
    return int(np.searchsorted(GRADES, severity, side="right"))


@dataclass(frozen=True)
class Mechanics:
    """How findings move the chest: arguments of `body.make_body` and of the airways.

    Attributes:
        inflation: float, in usual deviations between breaths.
        heart_scale: float, factor on the width of the heart.
        shift: float, of the mediastinum to the left in half widths of the chest.
        side: -1 or 1, the infant's right or left, where a finding has one side.
    """

    inflation: float
    heart_scale: float
    shift: float
    side: int


def make_mechanics(
    seed: int, findings: tuple[str, ...], breath: float | None = None
) -> Mechanics:
    """Draw the mechanics of one infant; without findings a usual breath.

    Raises:
        ValueError: a finding is not one of `FINDINGS`.
    """
    unknown = sorted(set(findings) - set(FINDINGS))
    if unknown:
        raise ValueError(f"`findings` must be of {FINDINGS}. Received: {unknown}")
    rng = noise.make_stream(seed, "breath")
    inflation, side = rng.normal(0, 1), 1 if rng.random() < 0.45 else -1
    strength = rng.uniform(0.6, 1.2)
    inflation = inflation if breath is None else breath
    more = {
        "transient_tachypnoea": 1.0,
        "meconium_aspiration": 1.6,
        "expiratory": -2.6,
        "bronchopulmonary_dysplasia": 0.8,
        "interstitial_air": 0.8,
    }
    inflation += strength * sum(more.get(name, 0.0) for name in findings)
    if "hernia" in findings:  # four of five are on the left
        side = 1 if rng.random() < 0.8 else -1
    away = {
        "hernia": 0.38,
        "pneumothorax": 0.13,
        "effusion": 0.05,
        "white_lung": -0.12,
        "atelectasis": -0.10,
    }
    shift = -side * strength * sum(away.get(name, 0.0) for name in findings)
    heart = 1 + 0.3 * strength * ("large_heart" in findings)
    return Mechanics(float(inflation), float(heart), float(shift), side)
