"""One phantom: its truth, and that each argument moves only what it names."""

import dataclasses

import cv2
import numpy as np
import pytest

from rds_phantoms import (
    airways,
    devices,
    disease,
    film,
    growth,
    infant,
    noise,
    phantom,
    projection,
    view,
)
from rds_tf.data import annotation

SHAPE = (144, 128)
MASKS = ("mask", "recess", "right", "heart", "ribs")
POINTS = ("carina", "vertebrae")
# Findings that change how much air is in the chest, or where heart and carina lie.
MOVING = {name for name in disease.FINDINGS if name not in ("pneumonia",)}
MOVING -= {"after_surfactant"}


@pytest.fixture(scope="module")
def upright():
    return phantom.make_phantom(3, SHAPE, device_names=("ett", "leads"))


def project(seed, severity=0.0, findings=(), shape=SHAPE):
    """Follow the rays through one infant, before detector and processing."""
    made = infant.make_infant(seed, 34.0, findings)
    placed = film.place(noise.make_stream(seed, "place"), made.body, shape, 0.0)
    return projection.project(made, placed, severity)


def assert_same_truth(one, other, masks=MASKS):
    for name in (*masks, *POINTS):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.text == other.text and one.spacing_mm == other.spacing_mm


def ratio(mask):
    """Return height to width of what a mask covers."""
    return mask.any(1).sum() / mask.any(0).sum()


# ------------------------------------------------------------------ image and truth


def test_the_same_seed_makes_the_same_pixels(upright):
    again = phantom.make_phantom(3, SHAPE, device_names=("ett", "leads"))
    np.testing.assert_array_equal(again.image, upright.image)
    assert_same_truth(again, upright)


def test_another_seed_makes_another_chest(upright):
    other = phantom.make_phantom(4, SHAPE, device_names=("ett", "leads"))
    assert (other.mask != upright.mask).any()


def test_image_and_truth_keep_their_types_and_ranges(upright):
    assert upright.image.shape == SHAPE and upright.image.dtype == np.float32
    assert 0 <= upright.image.min() < upright.image.max() <= 1
    assert set(upright.device_masks) == {"ett", "leads"}
    masks = [getattr(upright, name) for name in MASKS if name != "right"]
    for mask in (*masks, *upright.device_masks.values()):
        assert mask.dtype == np.uint8 and mask.shape == SHAPE
        assert set(np.unique(mask)) == {0, 1}
    assert upright.vertebrae.shape == (12, 2) and upright.carina.shape == (2,)
    assert (upright.severity, upright.grade, upright.findings) == (0.0, 0, ())


def test_the_mask_is_what_the_polygons_enclose():
    for seed in range(6):
        made = phantom.make_phantom(seed, SHAPE)
        drawn = annotation.draw_mask(made.polygons, *SHAPE)
        # They run along the edges of pixels; specks of less than 4 px have none.
        assert annotation.polygon_area(made.polygons) == drawn.sum()
        assert (drawn != made.mask).sum() < 0.005 * drawn.sum()


def test_both_lungs_are_the_mask_and_the_recess_lies_beside_it():
    for seed in range(4):
        made = phantom.make_phantom(seed, SHAPE)
        np.testing.assert_array_equal(made.right_lung + made.left_lung, made.mask)
        assert made.right_lung.any() and made.left_lung.any()
        assert made.recess.any() and not (made.recess & made.mask).any()
        np.testing.assert_array_equal(made.mask_to_recess, made.mask + made.recess)


def test_the_recess_lies_below_the_domes():
    for seed in range(4):
        made = phantom.make_phantom(seed, SHAPE)
        lung, recess = (np.nonzero(one)[0] for one in (made.mask, made.recess))
        assert recess.mean() > lung.mean() and recess.max() >= lung.max()


def test_the_infants_left_lung_lies_at_the_right_of_an_upright_film():
    hearts = []
    for seed in range(8):
        made = phantom.make_phantom(seed, SHAPE)
        left, right = (np.nonzero(m)[1] for m in (made.left_lung, made.right_lung))
        assert left.mean() > made.carina[0] > right.mean()
        heart = np.nonzero(made.heart)[1]
        hearts.append((heart > made.vertebrae[:, 0].mean()).mean())
    assert 0.55 < np.mean(hearts) < 0.75  # two thirds of it lie left of the spine


def test_lungs_without_the_heart_are_the_lungs_less_the_heart(upright):
    without = upright.mask_without_heart.astype(bool)
    lungs, heart = upright.mask.astype(bool), upright.heart.astype(bool)
    np.testing.assert_array_equal(without, lungs & ~heart)
    assert 0.5 * lungs.sum() < without.sum() < 0.98 * lungs.sum()


def test_the_outline_without_the_heart_encloses_the_mask_without_it():
    for seed in range(12):  # in some a heart cuts a lung into two
        made = phantom.make_phantom(seed, (96, 80))
        drawn = annotation.draw_mask(made.outline_without_heart(), *made.mask.shape)
        differ = (drawn != made.mask_without_heart).sum()
        assert differ < 0.01 * drawn.sum() + 4  # specks of less than 4 px are left out


def test_nothing_of_the_truth_lies_outside_the_beam(monkeypatch):
    beam = np.array([(30.0, 20.0), (110.0, 35.0), (105.0, 120.0), (20.0, 110.0)])
    monkeypatch.setattr(film, "collimate", lambda *arguments, **options: beam)
    made = phantom.make_phantom(3, SHAPE, 0.5, 0, ("leads",), findings=("pneumonia",))
    hidden = film.draw_beam(beam, SHAPE) == 0
    masks = [getattr(made, name) for name in MASKS if name != "right"]
    masks += [made.device_masks["leads"], made.finding_masks["pneumonia"]]
    for truth in masks:
        assert truth.any() and not truth[hidden].any()


def test_air_is_darker_than_the_rest_of_the_chest():
    for seed in range(4):
        made = phantom.make_phantom(seed, SHAPE)
        lungs = made.mask.astype(bool)
        left, right = np.flatnonzero(lungs.any(0))[[0, -1]]
        top, bottom = np.flatnonzero(lungs.any(1))[[0, -1]]
        chest = np.zeros_like(lungs)
        chest[top:bottom, left:right] = True
        outside = made.image[chest & ~lungs].mean()
        assert made.image[lungs].mean() < outside - 0.1


# ----------------------------------------------------------------------- size and place


def test_area_volume_and_heart_do_not_depend_on_the_size_of_the_image():
    for seed in range(4):
        small, large = (phantom.make_phantom(seed, (s, s)) for s in (96, 192))
        assert large.spacing_mm == pytest.approx(small.spacing_mm / 2)
        assert large.area_mm2 == pytest.approx(small.area_mm2, rel=0.02)
        assert large.volume_ml == pytest.approx(small.volume_ml, rel=0.01)
        hearts = float(large.heart.sum()), float(small.heart.sum())
        assert hearts[0] == pytest.approx(4 * hearts[1], rel=0.02)


def test_lungs_have_the_area_of_those_measured_at_term():
    # 121 infants on day 1: 2,589 mm2 of both lungs on average (Front Pediatr 2022,
    # 10.3389/fped.2022.1042341), drawn to the dome; magnified here by a tenth or less.
    made = [phantom.make_phantom(seed, (96, 96), weeks=40.0) for seed in range(24)]
    assert 2_100 < np.mean([one.area_mm2 for one in made]) < 4_200


def test_a_deeper_breath_lowers_the_domes_and_takes_in_more():
    for seed in range(4):
        out, into = (phantom.make_phantom(seed, SHAPE, breath=b) for b in (-1.5, 1.5))
        tall, taller = (one.mask.any(1).sum() * one.spacing_mm for one in (out, into))
        assert taller > 1.1 * tall and into.volume_ml > 1.05 * out.volume_ml


def test_an_older_infant_is_larger_in_the_proportion_of_its_rows_and_else_the_same():
    young, old = (
        growth.draw_size(noise.make_stream(3, "size"), weeks) for weeks in (28, 40)
    )
    # Chest 224 and 324 mm, spine 80 and 112 mm at 28 and 40 weeks.
    assert old.chest_mm / young.chest_mm == pytest.approx(324 / 224)
    assert old.spine_mm / young.spine_mm == pytest.approx(112 / 80)
    young, old = (
        phantom.make_phantom(3, SHAPE, weeks=w, findings=("atelectasis",))
        for w in (28.0, 40.0)
    )
    assert old.volume_ml > 1.5 * young.volume_ml
    assert old.text == young.text
    side = [
        (one.finding_masks["atelectasis"] & one.right).sum() for one in (young, old)
    ]
    assert (side[0] > 0) == (side[1] > 0)  # the same lobe


def test_a_quarter_turn_exchanges_height_and_width_of_the_lungs():
    flat = phantom.make_phantom(5, (192, 192), angle_degrees=0)
    turned = phantom.make_phantom(5, (192, 192), angle_degrees=90)
    assert 1 / ratio(turned.mask) == pytest.approx(ratio(flat.mask), rel=0.03)
    assert turned.area_mm2 == pytest.approx(flat.area_mm2, rel=0.03)
    assert turned.volume_ml == pytest.approx(flat.volume_ml, rel=0.03)
    # Counter-clockwise: the head, and T1, come to the left.
    assert turned.vertebrae[0, 0] < turned.vertebrae[-1, 0]
    assert np.ptp(turned.vertebrae[:, 1]) < 0.2 * np.ptp(turned.vertebrae[:, 0])


def test_the_carina_lies_between_the_third_and_the_sixth_vertebra():
    for seed in range(12):
        made = phantom.make_phantom(seed, (64, 64))
        assert made.vertebrae[2, 1] < made.carina[1] < made.vertebrae[5, 1]


@pytest.mark.parametrize("angle", [0.0, 180.0])
def test_a_side_marker_stands_at_the_side_that_it_names(angle):
    infant = phantom.make_phantom(0, (64, 64))
    placed = view.View(view.turn(angle), np.array([48.0, 48.0]), 1.0, (96, 96))
    seen = set()
    for seed in range(40):
        exposed = np.ones((96, 96), "uint8")
        black = np.zeros((96, 96), "float32")
        rng = np.random.default_rng(seed)
        written, words = film.finish(rng, black, exposed, placed)
        if words in (("R",), ("L",)):
            at_right = np.nonzero(written)[1].mean() > 48
            upright = angle == 0
            assert at_right == ((words == ("L",)) == upright)
            seen.update(words)
        elif not words:
            assert not written.any()
    assert seen == {"R", "L"} and infant.text is not None


# ------------------------------------------------------------------------- RDS


def test_grades_begin_at_the_severities_that_the_generator_names():
    severities = (0.0, 0.19, 0.2, 0.39, 0.4, 0.6, 0.8, 1.0)
    grades = [disease.grade_of(one) for one in severities]
    assert grades == [0, 0, 1, 1, 2, 3, 4, 4]
    assert phantom.RDS_SEVERITY == 0.2


@pytest.mark.parametrize("seed", [1, 5])
def test_severity_changes_no_ray_that_passes_no_lung(seed):
    healthy = project(seed)
    lung = healthy.spaces.lung > 0
    for severity in (0.2, 0.6, 1.0):
        ill = project(seed, severity)
        np.testing.assert_array_equal(ill.healthy, healthy.healthy)
        changed = ill.attenuation != healthy.attenuation
        assert changed[lung].mean() > 0.5 and not changed[~lung].any()


@pytest.mark.parametrize("seed", [1, 5])
def test_severity_moves_nothing_of_the_truth(seed):
    one, other = (phantom.make_phantom(seed, SHAPE, s) for s in (0.0, 1.0))
    assert_same_truth(one, other)
    assert (one.volume_ml, one.weeks) == (other.volume_ml, other.weeks)
    assert other.grade == 4


def test_severe_rds_leaves_lungs_of_the_density_of_tissue():
    # From a healthy density near 0.28 to 0.97 g/cm3: each mm of lung gains 0.69 mm of
    # water, less what is air in the open bronchi.
    gained = []
    for seed in range(4):
        made = project(seed, 1.0)
        deep = made.spaces.lung > 20
        water = (made.attenuation - made.healthy) / made.attenuate("soft_tissue")
        gained.append((water[deep] / made.spaces.lung[deep]).mean())
    assert np.mean(gained) == pytest.approx(0.69, abs=0.08)


def test_severe_rds_takes_three_quarters_of_the_contrast_of_the_heart():
    def contrast(severity):
        """Heart against the lung beside it, at their border."""
        found = []
        for seed in range(8):
            made = phantom.make_phantom(seed, (128, 128), severity)
            heart, lung, box = made.heart, made.mask > 0, np.ones((9, 9))
            beside = lung & (heart == 0) & (cv2.dilate(heart, box) > 0)
            behind = lung & (heart > 0) & (cv2.erode(heart, box) == 0)
            found.append(made.image[behind].mean() - made.image[beside].mean())
        return np.mean(found)

    healthy = contrast(0.0)
    assert contrast(0.5) < 0.8 * healthy and contrast(1.0) < 0.25 * healthy


def test_a_film_without_lung_around_the_bronchi_shows_them():
    # Between healthy and white the bronchi, still air, gain the least.
    made = project(5, 1.0)
    who = infant.make_infant(5)
    placed = film.place(noise.make_stream(5, "place"), who.body, SHAPE, 0.0)
    air = airways.draw_trees(who.airways.bronchi[:3], placed)
    gain = (made.attenuation - made.healthy) / np.maximum(made.spaces.lung, 1)
    lung = made.spaces.lung > 20
    open_, shut = (gain[lung & there].mean() for there in (air > 1.0, air == 0))
    assert open_ < 0.97 * shut


# ------------------------------------------------------------------------ findings


def test_findings_have_a_mask_each():
    for name in disease.FINDINGS:
        for seed in (1, 2, 5):
            made = phantom.make_phantom(seed, (96, 96), findings=(name,))
            assert made.findings == (name,) and set(made.finding_masks) == {name}
            assert made.finding_masks[name].any(), (name, seed)


@pytest.mark.parametrize("name", disease.FINDINGS)
def test_a_finding_changes_no_ray_outside_the_chest(name):
    severity = 0.8 if name == "after_surfactant" else 0.0  # which clears RDS
    made = project(5, severity, (name,))
    assert not (made.attenuation != made.healthy)[made.spaces.chest <= 0].any()
    if name not in MOVING:  # the same infant, the same breath
        plain = project(5, severity)
        np.testing.assert_array_equal(made.healthy, plain.healthy)
        changed = made.attenuation != plain.attenuation
        assert changed.any() and not changed[made.spaces.lung <= 0].any()


def test_what_takes_room_pushes_the_heart_away_and_what_shrinks_draws_it_near():
    for name, way in (
        *(("pneumothorax", -1), ("effusion", -1), ("hernia", -1)),
        *(("white_lung", 1), ("atelectasis", 1), ("pneumonia", 0)),
    ):
        for seed in range(6):
            found = disease.make_mechanics(seed, (name,))
            assert np.sign(found.shift * found.side) == way


def test_a_large_heart_is_wider_and_an_expiratory_film_has_less_air():
    for seed in range(4):
        plain = phantom.make_phantom(seed, SHAPE)
        large = phantom.make_phantom(seed, SHAPE, findings=("large_heart",))
        wide, wider = (one.heart.any(0).sum() for one in (plain, large))
        assert 1.1 * wide < wider < 1.5 * wide
        out = phantom.make_phantom(seed, SHAPE, findings=("expiratory",))
        assert out.volume_ml < 0.95 * plain.volume_ml


def test_a_pneumothorax_leaves_air_at_the_side_and_no_more_tissue_than_there_was():
    for seed in range(4):
        made = project(seed, 0.0, ("pneumothorax",))
        lung = made.spaces.lung
        deep = (made.where["pneumothorax"] > 0) & (lung > 8)
        gained = (made.attenuation - made.healthy) / made.attenuate("soft_tissue")
        # A healthy lung has 0.2 to 0.4 g/cm3 to lose.
        assert -0.42 < np.percentile(gained[deep] / lung[deep], 1) < -0.18
        assert gained[deep].mean() < 0


# ------------------------------------------------------------------------- devices


@pytest.mark.parametrize("name", devices.DEVICES)
def test_a_device_changes_only_its_own_shadow(name):
    bare = phantom.make_phantom(5, (160, 160))
    made = phantom.make_phantom(5, (160, 160), device_names=(name,))
    assert_same_truth(made, bare)
    shadow = made.device_masks[name]
    assert shadow.any()
    change = np.abs(made.image - bare.image)
    near = cv2.dilate(shadow, np.ones((5, 5))) > 0
    # Beyond it the processing spreads a little: its weights, a tenth of the film wide.
    assert change[shadow > 0].mean() > 10 * change[~near].mean()


def test_what_a_device_adds_lies_in_its_mask():
    who = infant.make_infant(5)
    placed = view.View(view.turn(0.0), np.array([64.0, 64.0]), 1.0, (160, 128))
    for name in devices.DEVICES:
        made = devices.make_device(
            name, noise.make_stream(5, name), who.body, who.airways
        )
        added, mask = devices.draw_device(made, placed, lambda material: 0.1)
        near = cv2.dilate(mask, np.ones((5, 5))) > 0
        assert (added >= -1e-6).all() and added.max() > 0
        assert np.abs(added[~near]).max() < 1e-3 * added.max()


@pytest.mark.parametrize("height", [0.5, 1.5, 2.5])
def test_the_tip_of_the_tube_stands_above_the_carina_by_the_height_asked_for(height):
    for seed in range(5):
        made = phantom.make_phantom(seed, SHAPE, device_names=("ett",), tube_tip=height)
        above = np.linalg.norm(made.device_tips["ett"] - made.carina)
        # T1 to T2 are two vertebrae with their discs: a sixth of the twelve.
        pitch = np.linalg.norm(made.vertebrae[1:6] - made.vertebrae[:5], axis=1).mean()
        assert above / (2 * pitch) == pytest.approx(height, rel=0.08)
        assert made.device_tips["ett"][1] < made.carina[1]


def test_a_tube_below_the_carina_lies_in_the_right_main_bronchus():
    for seed in range(5):
        made = phantom.make_phantom(seed, SHAPE, device_names=("ett",), tube_tip=-0.5)
        right, down = made.device_tips["ett"] - made.carina
        assert right < 0 < down


def test_the_tip_moves_only_the_tube():
    names = ("ett", "leads")
    low, high = (
        phantom.make_phantom(5, SHAPE, 0.3, 0, names, tube_tip=tip)
        for tip in (0.5, 2.5)
    )
    assert_same_truth(low, high)
    np.testing.assert_array_equal(low.device_masks["leads"], high.device_masks["leads"])
    longer, shorter = (one.device_masks["ett"] for one in (low, high))
    assert longer.sum() > 1.15 * shorter.sum()
    assert (longer & shorter).sum() > 0.95 * shorter.sum()  # the same course


def test_the_tube_lies_between_the_lungs_not_in_them():
    for seed in range(5):
        made = phantom.make_phantom(seed, SHAPE, device_names=("ett",), tube_tip=1.5)
        tube = made.device_masks["ett"].astype(bool)
        assert made.mask[tube].mean() < 0.1


def test_even_a_small_image_shows_every_device_in_its_mask():
    for name in devices.DEVICES:
        made = phantom.make_phantom(5, (96, 96), device_names=(name,))
        assert made.device_masks[name].any()


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("severity", [-0.1, 1.5, float("nan")])
def test_a_severity_out_of_range_is_refused(severity):
    with pytest.raises(ValueError, match=r"`severity` must lie in \[0, 1\]"):
        phantom.make_phantom(0, (64, 64), severity)


@pytest.mark.parametrize("weeks", [23.0, 1081.0, float("nan")])
def test_an_age_out_of_range_is_refused(weeks):
    with pytest.raises(ValueError, match=r"`weeks` must lie in \[24, 1080\]"):
        phantom.make_phantom(0, (64, 64), weeks=weeks)


def test_unknown_devices_and_findings_are_refused():
    with pytest.raises(ValueError, match="must be one of"):
        phantom.make_phantom(0, (64, 64), device_names=("pacemaker",))
    with pytest.raises(ValueError, match="`findings` must be of"):
        phantom.make_phantom(0, (64, 64), findings=("measles",))


def test_a_phantom_can_be_taken_apart_but_not_changed(upright):
    with pytest.raises(dataclasses.FrozenInstanceError):
        upright.severity = 1.0
