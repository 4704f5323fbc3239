"""The kept tables of attenuation, beside the libraries that they come from."""

import attenuation_table
import numpy as np
import pytest

from rds_phantoms import materials

pytest.importorskip("xraydb", reason="the tables are kept; XrayDB only writes them")


def test_the_table_of_energies_is_what_its_script_writes():
    stored = materials.ENERGY_TABLE.read_text(encoding="utf-8").splitlines()
    rows = attenuation_table.make_energy_rows()
    assert stored[0].split(",") == list(rows[0])
    for line, row in zip(stored[1:], rows, strict=True):
        written = [float(value) for value in row.values()]
        assert [*map(float, line.split(","))] == pytest.approx(written, rel=1e-3)


def test_the_table_of_beams_is_what_its_script_writes():
    pytest.importorskip("spekpy", reason="the table is kept; SpekPy only writes it")
    names = "soft_tissue", "cortical_bone_newborn", "pvc_barium_stripe"
    energies, signal = attenuation_table.make_spectrum(60, 0.1)
    columns = {
        name: attenuation_table.mass_attenuation(materials.MATERIALS[name], energies)
        for name in names
    }
    row = attenuation_table.average(energies, signal, columns, 100)
    energy = materials.effective_energy(60, copper_mm=0.1)
    assert energy == pytest.approx(float(row["effective_energy_kev"]), rel=1e-3)
    for name in names:
        found = 10 * materials.beam_attenuation(name, 60, copper_mm=0.1)
        expected = float(row[name]) * materials.MATERIALS[name].density
        assert found == pytest.approx(expected, rel=1e-3)


def test_between_its_energies_the_table_is_within_half_a_percent():
    energies = np.arange(20.5, 100, 1.0)
    for name, material in materials.MATERIALS.items():
        exact = attenuation_table.mass_attenuation(material, energies)
        found = [
            10 * materials.attenuation(name, energy, density=1) for energy in energies
        ]
        np.testing.assert_allclose(found, exact, rtol=5e-3, err_msg=name)
