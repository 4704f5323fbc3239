import numpy as np
import pytest

from rds_phantoms import materials

# NIST X-Ray Mass Attenuation Coefficients, tables 3 and 4: cm2/g at 40 and at 60 keV.
NIST = {
    "water": (0.2683, 0.2059),
    "air": (0.2485, 0.1875),
    "soft_tissue": (0.2688, 0.2048),
    "adipose": (0.2396, 0.1974),
    "cortical_bone_adult": (0.6655, 0.3148),
    "acrylic": (0.2350, 0.1924),
    "aluminium": (0.5685, 0.2778),
    "lead": (14.36, 5.021),
}


@pytest.mark.parametrize("name", NIST)
def test_attenuation_is_that_of_the_tables_of_nist(name):
    density = materials.MATERIALS[name].density
    for energy, expected in zip((40, 60), NIST[name], strict=True):
        per_cm = 10 * materials.attenuation(name, energy)
        assert per_cm / density == pytest.approx(expected, rel=1e-3)


def test_ten_millimetres_of_water_let_three_quarters_of_40_kev_through():
    passed = np.exp(-10 * materials.attenuation("water", 40))
    assert passed == pytest.approx(np.exp(-0.2683), rel=1e-3)  # 0.765


def test_between_two_rows_the_table_is_read_on_logarithmic_axes():
    # Photoelectric absorption falls with a power of energy: straight on such axes.
    low, high = (materials.attenuation("aluminium", energy) for energy in (20, 22.5))
    middle = materials.attenuation("aluminium", np.sqrt(20 * 22.5))
    assert middle == pytest.approx(np.sqrt(low * high), rel=1e-9)


def test_barium_attenuates_several_times_as_much_just_above_its_k_edge():
    below, above = (
        materials.attenuation("pvc_barium_stripe", energy) for energy in (37.4, 37.5)
    )
    assert 4 < above / below < 6


def test_density_scales_attenuation_so_that_a_lung_without_air_is_soft_tissue():
    aerated = materials.attenuation("lung", 40, density=0.3)
    filled = materials.attenuation("lung", 40, density=1.06)
    assert filled / aerated == pytest.approx(1.06 / 0.3)
    assert filled == pytest.approx(materials.attenuation("soft_tissue", 40), rel=0.01)
    assert aerated != pytest.approx(materials.attenuation("lung", 40))


def test_materials_stand_in_the_order_in_which_films_show_them():
    order = ["air", "lung", "adipose", "soft_tissue", "cartilage", "newborn_skeleton"]
    order += ["cortical_bone_newborn", "cortical_bone_adult", "pvc_barium_stripe"]
    order += ["steel", "lead"]
    for energy in (38, 45, 60):
        found = [materials.attenuation(name, energy) for name in order]
        assert found == sorted(found)


@pytest.mark.parametrize("name", materials.MATERIALS)
def test_elements_are_all_of_the_weight(name):
    parts = materials.MATERIALS[name].elements.values()
    assert min(parts) > 0 and sum(parts) == pytest.approx(1, abs=5e-4)


def test_volumes_of_a_blend_add_up():
    light, heavy = materials.Material(1, {"H": 1}), materials.Material(4, {"Ba": 1})
    mixed = materials.blend((light, 0.5), (heavy, 0.5))  # 2 g in 1 + 0.25 cm3
    assert mixed.density == pytest.approx(1.6)
    assert mixed.elements == {"H": 0.5, "Ba": 0.5}


def test_a_newborns_cortex_is_seven_parts_bone_and_three_parts_soft_tissue():
    bone = materials.MATERIALS["cortical_bone_newborn"]
    assert bone.density == pytest.approx(0.7 * 1.92 + 0.3 * 1.06)
    calcium = bone.density * bone.elements["Ca"]
    assert calcium == pytest.approx(0.7 * 1.92 * 0.225)  # g/cm3, all from the bone


def test_a_newborns_skeleton_holds_the_mineral_that_absorptiometry_finds():
    skeleton = materials.MATERIALS["newborn_skeleton"]
    calcium_g = 370 * skeleton.elements["Ca"]  # ICRP 89: 370 g
    mineral_g = calcium_g / (5 * 40.08 / 502.3)  # Ca5(PO4)3OH
    assert mineral_g == pytest.approx(76, abs=14)  # Gallo 2012: 76.0 (SD 14.2) g


def test_effective_energy_rises_with_voltage_copper_and_depth():
    for low, high in [
        (materials.effective_energy(50), materials.effective_energy(70)),
        (
            materials.effective_energy(60),
            materials.effective_energy(60, copper_mm=0.1),
        ),
        (
            materials.effective_energy(60, tissue_mm=60),
            materials.effective_energy(60, tissue_mm=120),
        ),
    ]:
        assert high - low > 1


def test_films_of_newborns_have_an_effective_energy_near_40_kev():
    for kvp in (50, 60, 70):
        assert 33 < materials.effective_energy(kvp) < 45


@pytest.mark.parametrize("kvp", [50, 60, 125])
def test_soft_tissue_in_the_beam_attenuates_less_than_at_the_effective_energy(kvp):
    # The beam is harder at its end than on its whole way.
    energy = materials.effective_energy(kvp)
    there = materials.beam_attenuation("soft_tissue", kvp)
    assert 0.85 < there / materials.attenuation("soft_tissue", energy) < 1


def test_between_rows_the_table_of_beams_is_read_on_straight_lines():
    middle = materials.effective_energy(55, copper_mm=0.05, tissue_mm=75)
    corners = [
        materials.effective_energy(kvp, copper_mm=copper, tissue_mm=depth)
        for kvp in (50, 60)
        for copper in (0, 0.1)
        for depth in (50, 100)
    ]
    assert middle == pytest.approx(np.mean(corners))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: materials.attenuation("wood", 40), "`name` must be one of"),
        (lambda: materials.attenuation("water", 19), "`energy_kev` must lie in"),
        (lambda: materials.attenuation("water", float("nan")), "Received: nan"),
        (lambda: materials.effective_energy(40), r"`kvp` must lie in \[50, 125\]"),
        (lambda: materials.effective_energy(60, copper_mm=1), "`copper_mm`"),
        (lambda: materials.beam_attenuation("wood", 60), "`name` must be one of"),
    ],
)
def test_a_value_outside_of_the_tables_is_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()
