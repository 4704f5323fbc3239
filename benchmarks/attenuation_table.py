"""Write the two tables of X-ray attenuation that the phantoms read.

    pip install xraydb spekpy            # both MIT; no phantom needs them
    python benchmarks/attenuation_table.py [--folder rds_phantoms]

attenuation.csv: mass attenuation in cm2/g by photon energy, from the elements of
`rds_phantoms.materials` and the tables of Elam, Ravel and Sieber in XrayDB. Energies
stand in steps of 2.5 and 5 keV, so that what is read between two is within 0.5 %, and
on both sides of the K edges of barium and lead.

beam_attenuation.csv: the same averaged over the spectrum that a detector sees behind
soft tissue, and the effective energy of the beam, by tube voltage, copper filter and
depth of tissue. `effective_energy` of `rds_phantoms.materials` says how.
"""

import argparse
import csv
import itertools
from pathlib import Path

import numpy as np

from rds_phantoms import materials

FOLDER = Path(__file__).resolve().parents[1] / "rds_phantoms"
# K edges: barium 37.441, lead 88.005 keV.
EDGES = [37.43, 37.45, 88.0, 88.01]
ENERGIES = sorted([*np.arange(20, 50, 2.5), *range(50, 101, 5), *EDGES])
KVP = [50, 60, 70, 80, 90, 100, 110, 125]
COPPER_MM = [0.0, 0.1, 0.2]
TISSUE_MM = [25.0, 50.0, 100.0, 150.0, 250.0]
ANODE_DEGREES = 12.0
ALUMINIUM_MM = 2.5  # total filtration, the least that IEC 60601-1-3 allows above 70 kV
DETECTOR = materials.Material(4.51, {"Cs": 0.5115, "I": 0.4885})  # caesium iodide
DETECTOR_MM, PACKING = 0.5, 0.8


def main():
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    write(folder / materials.ENERGY_TABLE.name, make_energy_rows())
    write(folder / materials.BEAM_TABLE.name, make_beam_rows())


def mass_attenuation(material: materials.Material, energies_kev) -> np.ndarray:
    """Return the total mass attenuation in cm2/g, coherent scatter included."""
    import xraydb

    energies = np.asarray(energies_kev, "float64") * 1000
    return sum(
        part * xraydb.mu_elam(element, energies)
        for element, part in material.elements.items()
    )


def make_energy_rows() -> list[dict]:
    """Make a row for each energy."""
    columns = {
        name: mass_attenuation(material, ENERGIES)
        for name, material in materials.MATERIALS.items()
    }
    return [
        {"energy_kev": f"{energy:g}"}
        | {name: f"{values[row]:.5g}" for name, values in columns.items()}
        for row, energy in enumerate(ENERGIES)
    ]


def make_beam_rows() -> list[dict]:
    """Make a row for each tube voltage, filter and depth of tissue."""
    rows = []
    for kvp, copper in itertools.product(KVP, COPPER_MM):
        energies, signal = make_spectrum(kvp, copper)
        columns = {
            name: mass_attenuation(material, energies)
            for name, material in materials.MATERIALS.items()
        }
        for depth in TISSUE_MM:
            row = {"kvp": kvp, "copper_mm": f"{copper:g}", "tissue_mm": f"{depth:g}"}
            rows.append(row | average(energies, signal, columns, depth))
    return rows


def make_spectrum(kvp: float, copper_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return energies in keV, and the signal of each in the detector, summing to 1."""
    import spekpy

    tube = spekpy.Spek(kvp=kvp, th=ANODE_DEGREES, dk=0.5, mu_data_source="nist")
    tube.filter("Al", ALUMINIUM_MM).filter("Cu", copper_mm)
    energies, fluence = tube.get_spectrum()
    absorbed = mass_attenuation(DETECTOR, energies) * DETECTOR.density
    absorbed = 1 - np.exp(-absorbed * DETECTOR_MM / 10 * PACKING)
    signal = fluence * energies * absorbed
    return energies, signal / signal.sum()


def average(energies, signal, columns: dict, depth_mm: float) -> dict:
    """Average over the signal behind soft tissue, and find the effective energy."""
    tissue = columns["soft_tissue"] * materials.MATERIALS["soft_tissue"].density / 10
    behind = signal * np.exp(-tissue * depth_mm)
    effective = -np.log(behind.sum()) / depth_mm
    # Attenuation falls with energy: both turned over rise, as interpolation asks.
    energy = np.interp(-effective, -tissue, energies)
    row = {"effective_energy_kev": f"{energy:.2f}"}
    for name, values in columns.items():
        row[name] = f"{(values * behind).sum() / behind.sum():.5g}"
    return row


def write(path: Path, rows: list[dict]) -> None:
    """Write a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
