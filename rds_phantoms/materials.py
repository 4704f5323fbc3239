"""Materials of a body and of what lies in it, and how strongly they attenuate X-rays.

    attenuation          linear attenuation of a material at one photon energy
    effective_energy     the one energy that stands for a beam behind a patient
    beam_attenuation     linear attenuation averaged over that beam: for small things
                         inside the body, and for barium, whose K edge lies within it

Elements by weight and densities stand here, each with its source. The two tables of
numbers beside this file are written by `benchmarks/attenuation_table.py`.
"""

import csv
import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np

ENERGY_TABLE = Path(__file__).with_name("attenuation.csv")
BEAM_TABLE = Path(__file__).with_name("beam_attenuation.csv")
PER_CM_TO_PER_MM = 0.1


class Material(NamedTuple):
    """Density in g/cm3, and elements as parts of the weight."""

    density: float
    elements: dict[str, float]


def blend(*parts: tuple[Material, float]) -> Material:
    """Mix materials, given with their parts of the weight; their volumes add up."""
    elements: dict[str, float] = {}
    for material, part in parts:
        for element, weight in material.elements.items():
            elements[element] = elements.get(element, 0.0) + part * weight
    volume = sum(part / material.density for material, part in parts)
    return Material(1 / volume, elements)


# ICRU Report 44 (1989), as in table 2 of the NIST X-Ray Mass Attenuation Coefficients.
_SOFT_TISSUE = Material(
    1.06,
    {"H": 0.102, "C": 0.143, "N": 0.034, "O": 0.708, "Na": 0.002, "P": 0.003}
    | {"S": 0.003, "Cl": 0.002, "K": 0.003},
)
_CORTICAL_BONE = Material(
    1.92,
    {"H": 0.034, "C": 0.155, "N": 0.042, "O": 0.435, "Na": 0.001, "Mg": 0.002}
    | {"P": 0.103, "S": 0.003, "Ca": 0.225},
)
# Formulas; densities as in the NIST and ICRU 37 (1984) lists unless said otherwise.
_BARIUM_SULPHATE = Material(4.5, {"O": 0.2742, "S": 0.1374, "Ba": 0.5884})
# Medical PVC is about a third softener, DEHP: SCENIHR, opinion of 2016.
_PVC = blend(
    (Material(1.406, {"H": 0.04838, "C": 0.38436, "Cl": 0.56726}), 0.7),
    (Material(0.985, {"H": 0.0981, "C": 0.7380, "O": 0.1639}), 0.3),
)
# Silicone rubber is polydimethylsiloxane with 20 to 30 % of silica, 1.1 to 1.2 g/cm3.
_SILICONE = blend(
    (Material(0.97, {"H": 0.0816, "C": 0.3240, "O": 0.2158, "Si": 0.3788}), 0.75),
    (Material(2.2, {"O": 0.5326, "Si": 0.4674}), 0.25),
)
_POLYURETHANE = Material(1.09, {"H": 0.0926, "C": 0.5515, "N": 0.0804, "O": 0.2755})

MATERIALS = {
    "air": Material(0.001205, {"C": 0.0001, "N": 0.7553, "O": 0.2318, "Ar": 0.0128}),
    "water": Material(1.0, {"H": 0.1119, "O": 0.8881}),
    # Tissues of ICRU Report 44; ICRU Report 46 (1992) gives the same.
    "soft_tissue": _SOFT_TISSUE,
    "muscle": Material(
        1.05,
        {"H": 0.102, "C": 0.143, "N": 0.034, "O": 0.710, "Na": 0.001, "P": 0.002}
        | {"S": 0.003, "Cl": 0.001, "K": 0.004},
    ),
    "adipose": Material(
        0.95,
        {"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278, "Na": 0.001, "S": 0.001}
        | {"Cl": 0.001},
    ),
    "blood": Material(
        1.06,
        {"H": 0.102, "C": 0.110, "N": 0.033, "O": 0.745, "Na": 0.001, "P": 0.001}
        | {"S": 0.002, "Cl": 0.003, "K": 0.002, "Fe": 0.001},
    ),
    "liver": Material(
        1.06,
        {"H": 0.102, "C": 0.139, "N": 0.030, "O": 0.716, "Na": 0.002, "P": 0.003}
        | {"S": 0.003, "Cl": 0.002, "K": 0.003},
    ),
    # Elements of lung tissue; 0.26 g/cm3 is an adult's inflated lung. Give `density`
    # for another: 0.25 to 0.35 in an aerated newborn, up to 1.05 without any air.
    "lung": Material(
        0.26,
        {"H": 0.103, "C": 0.105, "N": 0.031, "O": 0.749, "Na": 0.002, "P": 0.002}
        | {"S": 0.003, "Cl": 0.003, "K": 0.002},
    ),
    "cartilage": Material(
        1.10,
        {"H": 0.096, "C": 0.099, "N": 0.022, "O": 0.744, "Na": 0.005, "P": 0.022}
        | {"S": 0.009, "Cl": 0.003},
    ),
    "red_marrow": Material(
        1.03,
        {"H": 0.105, "C": 0.414, "N": 0.034, "O": 0.439, "P": 0.001, "S": 0.002}
        | {"Cl": 0.002, "K": 0.002, "Fe": 0.001},
    ),
    "cortical_bone_adult": _CORTICAL_BONE,
    # Assumed, not measured: 70 % by volume of the adult's and 30 % soft tissue, for the
    # wide vessels of woven bone. Dickerson (Biochem J 82:56, 1962) found the ratio of
    # calcium to nitrogen in the cortex of a newborn near that of an adult, so that it
    # is the pores that differ. 1.66 g/cm3, between the skeleton below and the adult.
    "cortical_bone_newborn": blend(
        (_CORTICAL_BONE, 0.7 * 1.92 / (0.7 * 1.92 + 0.3 * 1.06)),
        (_SOFT_TISSUE, 0.3 * 1.06 / (0.7 * 1.92 + 0.3 * 1.06)),
    ),
    # Bone, marrow and cartilage of a newborn together: Cristy and Eckerman,
    # ORNL/TM-8381 (1987). Its calcium as bone mineral makes 74 g in the 370 g of a
    # newborn's skeleton (ICRP 89); absorptiometry at term finds 76 (SD 14) g (Gallo,
    # J Osteoporos 2012:672403).
    "newborn_skeleton": Material(
        1.22,
        {"H": 0.07995, "C": 0.09708, "N": 0.02712, "O": 0.66811, "Na": 0.00314}
        | {"Mg": 0.00143, "P": 0.03712, "S": 0.00314, "Cl": 0.0014, "K": 0.00148}
        | {"Ca": 0.07995, "Fe": 0.00008},
    ),
    "pvc": _PVC,
    "silicone": _SILICONE,
    "polyurethane": _POLYURETHANE,
    # 20 % of barium sulphate by weight in a whole catheter, 40 % in a stripe: Medical
    # Plastics Data Service, January 2014; Shah, MD&DI, March 2000.
    "pvc_barium_stripe": blend((_PVC, 0.6), (_BARIUM_SULPHATE, 0.4)),
    "silicone_barium": blend((_SILICONE, 0.8), (_BARIUM_SULPHATE, 0.2)),
    "silicone_barium_stripe": blend((_SILICONE, 0.6), (_BARIUM_SULPHATE, 0.4)),
    "polyurethane_barium": blend((_POLYURETHANE, 0.8), (_BARIUM_SULPHATE, 0.2)),
    "polyurethane_barium_stripe": blend((_POLYURETHANE, 0.6), (_BARIUM_SULPHATE, 0.4)),
    # AISI 302: clips, needles, sternal wires.
    "steel": Material(
        8.06,
        {"C": 0.001, "Si": 0.007, "Cr": 0.18, "Mn": 0.01, "Fe": 0.712, "Ni": 0.09},
    ),
    "copper": Material(8.96, {"Cu": 1.0}),  # leads
    "aluminium": Material(2.699, {"Al": 1.0}),
    "titanium": Material(4.54, {"Ti": 1.0}),
    "lead": Material(11.35, {"Pb": 1.0}),  # side markers
    "polystyrene": Material(1.06, {"H": 0.0774, "C": 0.9226}),
    "acrylic": Material(1.19, {"H": 0.0805, "C": 0.5998, "O": 0.3196}),  # incubators
}


def attenuation(name: str, energy_kev: float, *, density: float | None = None) -> float:
    """Return the linear attenuation of a material at one photon energy.

    Mass attenuation with coherent scatter (Elam, Radiat Phys Chem 63:121, 2002), read
    between the energies of the table on logarithmic axes, times density.

    Args:
        name: str, one of `MATERIALS`.
        energy_kev: float in `[20, 100]`.
        density: float, g/cm3, for another density of the same elements. Default None,
            the material's own.

    Returns:
        float, in 1/mm.

    Raises:
        ValueError: no such material, or the energy is not in the table.
    """
    table = _read(ENERGY_TABLE)
    energies = table["energy_kev"]
    if not energies[0] <= energy_kev <= energies[-1]:
        raise ValueError(
            f"`energy_kev` must lie in [{energies[0]:g}, {energies[-1]:g}]. "
            f"Received: {energy_kev}"
        )
    density = _find(name).density if density is None else density
    mass = np.interp(np.log(energy_kev), np.log(energies), np.log(table[name]))
    return float(np.exp(mass)) * density * PER_CM_TO_PER_MM


def effective_energy(
    kvp: float, *, copper_mm: float = 0.0, tissue_mm: float = 100.0
) -> float:
    """Return the energy whose attenuation in soft tissue is that of a whole beam.

    At this one energy soft tissue of the given thickness lowers the signal of a
    detector as much as it does for the tube's spectrum. A beam hardens on its way, so
    it rises with thickness. The spectra are those of SpekPy (Poludniowski, Med Phys
    48:3630, 2021): tungsten at 12 degrees, 2.5 mm of aluminium (the least that IEC
    60601-1-3 allows) and what copper is asked for, on 0.5 mm of caesium iodide, packed
    to 80 %, that sums energy.

    Args:
        kvp: float, tube voltage in `[50, 125]` kV.
        copper_mm: float in `[0, 0.2]`, added filter. Default 0.
        tissue_mm: float in `[25, 250]`, depth of the patient. Default 100.

    Returns:
        float, keV.

    Raises:
        ValueError: a value is not in the table.
    """
    return _read_beam("effective_energy_kev", kvp, copper_mm, tissue_mm)


def beam_attenuation(
    name: str,
    kvp: float,
    *,
    copper_mm: float = 0.0,
    tissue_mm: float = 100.0,
    density: float | None = None,
) -> float:
    """Return the linear attenuation of a thin material behind a patient.

    Averaged over what the detector sees of the beam of `effective_energy` behind soft
    tissue. One energy cannot stand for barium: its attenuation grows five-fold at the
    K edge of 37.4 keV, in the middle of the beam of a newborn's film.

    Args:
        name: str, one of `MATERIALS`.
        kvp: float, tube voltage in `[50, 125]` kV.
        copper_mm: float in `[0, 0.2]`, added filter. Default 0.
        tissue_mm: float in `[25, 250]`, depth of the patient. Default 100.
        density: float, g/cm3. Default None, the material's own.

    Returns:
        float, in 1/mm.

    Raises:
        ValueError: no such material, or a value is not in the table.
    """
    density = _find(name).density if density is None else density
    mass = _read_beam(name, kvp, copper_mm, tissue_mm)
    return mass * density * PER_CM_TO_PER_MM


def _find(name: str) -> Material:
    """Return a material by its name."""
    if name not in MATERIALS:
        raise ValueError(f"`name` must be one of {sorted(MATERIALS)}. Received: {name}")
    return MATERIALS[name]


@functools.cache
def _read(path: Path) -> dict[str, np.ndarray]:
    """Read a table: columns by their names."""
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    columns = np.array(rows, "float64").T
    return dict(zip(names, columns, strict=True))


@functools.cache
def _read_axis(name: str) -> np.ndarray:
    """Read one of the axes of the table of beams."""
    return np.unique(_read(BEAM_TABLE)[name])


def _read_beam(column: str, kvp: float, copper_mm: float, tissue_mm: float) -> float:
    """Read the table of beams, on straight lines between its three axes."""
    wanted = {"kvp": kvp, "copper_mm": copper_mm, "tissue_mm": tissue_mm}
    axes = [_read_axis(name) for name in wanted]
    for (name, value), axis in zip(wanted.items(), axes, strict=True):
        if not axis[0] <= value <= axis[-1]:
            raise ValueError(
                f"`{name}` must lie in [{axis[0]:g}, {axis[-1]:g}]. Received: {value}"
            )
    cube = _read(BEAM_TABLE)[column].reshape([len(axis) for axis in axes])
    for axis, value in zip(axes, wanted.values(), strict=True):
        upper = max(int(np.searchsorted(axis, value)), 1)
        share = (value - axis[upper - 1]) / (axis[upper] - axis[upper - 1])
        cube = cube[upper - 1] * (1 - share) + cube[upper] * share
    return float(cube)
