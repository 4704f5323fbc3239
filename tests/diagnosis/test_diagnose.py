import pytest

from rds_tf.diagnosis import diagnose


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    (folder / "out").mkdir(parents=True)
    for name in ("a.dcm", "b.png", "notes.txt", ".hidden.dcm", "out/a.png"):
        (folder / name).write_bytes(b"x")
    return folder


def names(found):
    return [path.name for path in found]


def test_results_of_an_earlier_run_below_the_films_are_passed_over(films):
    assert names(diagnose.find_films(films, films / "out")) == ["a.dcm", "b.png"]


@pytest.mark.parametrize("out", [".", ".."])
def test_results_beside_or_above_the_films_hide_none_of_them(films, out):
    found = diagnose.find_films(films, films / out)
    assert names(found) == ["a.dcm", "b.png", "a.png"]


def test_one_film_is_taken_whatever_its_name(films):
    assert names(diagnose.find_films(films / "notes.txt", films)) == ["notes.txt"]


def test_a_folder_without_films_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no film to diagnose"):
        diagnose.find_films(tmp_path, tmp_path)


def test_films_of_the_same_name_get_results_of_their_own(films):
    found = diagnose.find_films(films, films)
    assert diagnose._name_outputs(found, films) == ["a_dcm", "b", "out__a_png"]
