"""Outlines and masks, against areas and pixels counted by hand."""

import json

import numpy as np
import pytest

from rds_phantoms import outline
from rds_tf.data import annotation

SQUARE = np.array([[1, 1], [4, 1], [4, 3], [1, 3]], float)  # 3 px wide, 2 px high


def write(path, shapes, **more):
    path.write_text(json.dumps({"shapes": shapes, **more}), encoding="utf-8")
    return path


def lung(points, **more):
    return {"label": "lung", "points": points, **more}


def test_rectangle_fills_the_pixels_that_it_covers_and_no_border():
    mask = annotation.draw_mask([SQUARE], 4, 5)
    expected = [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, expected)


def test_pixel_belongs_to_the_mask_when_its_centre_does():
    triangle = np.array([[0, 0], [4, 0], [0, 4]], float)
    mask = annotation.draw_mask([triangle], 4, 4)
    column, row = np.meshgrid(np.arange(4) + 0.5, np.arange(4) + 0.5)
    np.testing.assert_array_equal(mask, column + row < 4)


def test_mask_area_agrees_with_the_shoelace_area_of_a_disc():
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    disc = np.stack([60.3 + 40 * np.cos(angles), 55.7 + 40 * np.sin(angles)], axis=1)
    area = annotation.polygon_area([disc])
    assert area == pytest.approx(np.pi * 40**2, rel=1e-3)
    assert annotation.draw_mask([disc], 120, 130).sum() == pytest.approx(area, rel=5e-3)


def test_parts_outside_the_image_are_cut_off():
    wide = np.array([[-0.3, -0.3], [4.3, -0.3], [4.3, 4.3], [-0.3, 4.3]])
    assert annotation.draw_mask([wide], 4, 4).all()


def test_two_lungs_are_united_even_where_they_overlap():
    other = SQUARE + [1, 0]
    assert annotation.draw_mask([SQUARE, other], 4, 6).sum() == 8
    assert annotation.polygon_area([SQUARE, other]) == 12


def test_area_does_not_depend_on_the_direction_of_drawing():
    assert annotation.polygon_area([SQUARE]) == 6
    assert annotation.polygon_area([SQUARE[::-1]]) == 6


def test_no_polygon_makes_an_empty_mask():
    assert annotation.draw_mask([], 2, 3).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_written_polygons_are_read_back(tmp_path):
    path = tmp_path / "a.json"
    outline.write_labelme(path, [SQUARE, SQUARE + 1], 9, 8, "a.png")
    first, second = annotation.read_polygons(path, shape=(9, 8))
    np.testing.assert_array_equal(first, SQUARE)
    np.testing.assert_array_equal(second, SQUARE + 1)


def test_other_labels_are_passed_over(tmp_path):
    heart = {"label": "heart", "points": [[0, 0]]}
    path = write(tmp_path / "a.json", [heart, lung(SQUARE.tolist(), label="Lung ")])
    assert len(annotation.read_polygons(path)) == 1


TRIANGLE = [[0, 0], [9, 0], [0, 9]]


@pytest.mark.parametrize(
    ("shapes", "cause"),
    [
        ([], "no shape is labelled"),
        ([lung([[0, 0], [1, 1]])], "2 points, fewer than 3"),
        ([lung(TRIANGLE, shape_type="circle")], "drawn as a circle"),
        ([lung([[0, 0], [9, 0], [0, float("nan")]])], "not finite"),
        ([lung([[0, 0], [9, 0], [0, float("inf")]])], "not finite"),
        ([lung([[0, 0], [9, 0], [0, 2e9]])], r"\(0, 2e\+09\) is far outside the 20 x"),
        ([lung([[0, 0], [9, 0], [-5, 9]])], r"\(-5, 9\) is far outside"),
        ([lung(TRIANGLE * 6667)], "20001 points are more than 20000"),
        ([lung([[0, 0], [9], [0, 9]])], "not LabelMe JSON"),
        ([lung("abc")], "not LabelMe JSON"),
        ([{"points": TRIANGLE}], "not LabelMe JSON"),
        (None, "not LabelMe JSON"),
    ],
)
def test_unusable_annotation_is_refused_by_name(tmp_path, shapes, cause):
    path = write(tmp_path / "a.json", shapes, imageHeight=10, imageWidth=20)
    with pytest.raises(annotation.AnnotationError, match=rf"a\.json.*{cause}"):
        annotation.read_polygons(path)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "[" * 100_000, "\ud55c"])
def test_broken_json_is_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content.encode("utf-16" if content == "\ud55c" else "utf-8"))
    with pytest.raises(annotation.AnnotationError, match=r"a\.json is not LabelMe"):
        annotation.read_polygons(path)


def test_missing_annotation_is_refused(tmp_path):
    with pytest.raises(annotation.AnnotationError, match=r"Cannot read a\.json"):
        annotation.read_polygons(tmp_path / "a.json")


def test_annotation_of_an_image_of_another_size_is_refused(tmp_path):
    path = write(tmp_path / "a.json", [lung(TRIANGLE)], imageHeight=10, imageWidth=20)
    with pytest.raises(annotation.AnnotationError, match="a 20 x 10 image, .* 40 x 20"):
        annotation.read_polygons(path, shape=(20, 40))


BOW_TIE = np.array([[0, 0], [40, 0], [0, 40], [40, 40]], float)  # its halves cancel


@pytest.mark.parametrize(
    ("polygons", "areas"),
    [
        ([BOW_TIE], "encloses 0 px² but draws 8"),  # two triangles of 40 x 20 / 2
        ([SQUARE * 20, SQUARE * 20 + 1], "encloses 4800 px² but draws 24"),
    ],
)
def test_outline_whose_area_is_not_its_masks_is_doubted(polygons, areas):
    mask = annotation.draw_mask(polygons, 90, 90)
    (doubt,) = annotation.list_warnings(polygons, mask)
    assert areas in doubt


def test_whole_outline_is_not_doubted():
    for polygon in (SQUARE, SQUARE * 9 + 0.3, np.array([[0, 0], [80, 3], [5, 70.0]])):
        mask = annotation.draw_mask([polygon], 90, 90)
        assert annotation.list_warnings([polygon], mask) == []


def test_file_of_two_million_points_is_refused_by_its_size_or_count(tmp_path):
    path = write(tmp_path / "a.json", [lung([[1, 2]] * 2_000_000)])
    with pytest.raises(annotation.AnnotationError, match="2000000 points are more"):
        annotation.read_polygons(path)
    path.write_bytes(b" " * (2**26 + 1))
    with pytest.raises(annotation.AnnotationError, match="larger than 67108864 bytes"):
        annotation.read_polygons(path)
