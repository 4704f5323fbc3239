"""Near-duplicates, by correlations worked out by hand and by copies made."""

import cv2
import numpy as np
import pytest

from rds_tf.data import duplicates


def draw_film(seed, height=300, width=240):
    """Draw a smooth random film, as different from others as chests are at least."""
    noise = np.random.default_rng(seed).random((12, 10)).astype("float32")
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def store_as_jpeg(film):
    _, content = cv2.imencode(".jpg", np.rint(film * 255).astype("uint8"), [1, 60])
    return cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) / np.float32(255)


def find_near(names, thumbnails):
    return duplicates.find_near_duplicates(
        names, np.array([*map(duplicates.read_thumbnail, thumbnails)])
    )


COPIES = {
    "jpeg": store_as_jpeg,
    "half": lambda film: cv2.resize(film, None, fx=0.5, fy=0.5, interpolation=3),
    "8 bits of 12": lambda film: np.rint(film * 255) / 255,
    "brighter": lambda film: 0.3 + 0.5 * film,
}


def test_thumbnail_is_the_film_in_256_cells_from_its_darkest_to_its_brightest():
    film = np.full((32, 64), 0.25, "float32")
    film[:2, :4], film[2:4, :4] = 0.75, 0.45  # two cells of 2 x 4 pixels
    thumbnail = bytes.fromhex(duplicates.make_thumbnail(film))
    assert (len(thumbnail), thumbnail[0], thumbnail[16], thumbnail[1]) == (
        256,
        255,
        102,
        0,
    )


@pytest.mark.parametrize("make_copy", COPIES.values(), ids=COPIES)
def test_a_film_stored_in_another_way_is_found(make_copy):
    films = [draw_film(seed) for seed in range(6)]
    thumbnails = [
        duplicates.make_thumbnail(film) for film in [*films, make_copy(films[3])]
    ]
    found = find_near(list("abcdefg"), thumbnails)
    assert found == ["", "", "", "d", "", "", "d"]


def draw_thumbnail(*levels):
    """A thumbnail whose first cells are these levels above 100, the others 100."""
    return bytes([100 + level for level in levels] + [100] * (256 - len(levels))).hex()


def test_two_films_are_near_duplicates_from_the_stated_correlation_on():
    # Cells at 40 and e beside a cell at 40 alone: 40 / sqrt(1600 + e^2), which is
    # 0.9972 for e = 3 and 0.9939 for e = 4.5; the means change the fourth digit.
    found = find_near(["a", "b"], [draw_thumbnail(40), draw_thumbnail(40, 3)])
    assert found == ["a", "a"]
    assert find_near(["a", "b"], [draw_thumbnail(80), draw_thumbnail(80, 9)]) == [
        "",
        "",
    ]


def test_films_are_joined_through_others_whatever_their_order():
    chain = [draw_thumbnail(40, 3 * step) for step in range(4)]  # the ends: 0.976
    assert find_near(["a", "b"], [chain[0], chain[3]]) == ["", ""]
    for order in ([0, 1, 2, 3], [3, 0, 2, 1], [2, 3, 1, 0]):
        names = [f"case{place}" for place in order]
        thumbnails = [chain[place] for place in order]
        assert find_near(names, thumbnails) == ["case0"] * 4


def test_far_apart_in_the_table_is_found_too(monkeypatch):
    monkeypatch.setattr(duplicates, "BLOCK", 2)
    films = [duplicates.make_thumbnail(draw_film(seed)) for seed in range(5)]
    found = find_near(list("abcdef"), [*films, films[0]])
    assert found == ["a", "", "", "", "", "a"]


def test_blank_films_are_like_no_other_and_no_film_is_no_trouble():
    blank = duplicates.make_thumbnail(np.zeros((5, 5), "float32"))
    assert find_near(["a", "b"], [blank, blank]) == ["", ""]
    assert duplicates.find_near_duplicates([], np.zeros((0, 256), "uint8")) == []


def test_near_duplicates_are_found_across_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    thumbnails = rng.integers(0, 256, (11, 256)).astype("uint8")
    thumbnails[9], thumbnails[4] = thumbnails[2], thumbnails[3]
    names = [f"case{index:02d}" for index in range(11)]
    whole = duplicates.find_near_duplicates(names, thumbnails)
    monkeypatch.setattr(duplicates, "BLOCK", 4)
    assert duplicates.find_near_duplicates(names, thumbnails) == whole
    found = {index: name for index, name in enumerate(whole) if name}
    assert found == {2: "case02", 9: "case02", 3: "case03", 4: "case03"}
