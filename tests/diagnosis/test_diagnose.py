import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from rds_tf import errors
from rds_tf.classification import classifier, ensemble
from rds_tf.diagnosis import batch, diagnose
from rds_tf.dicom import radiograph
from rds_tf.storage import disk


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
    assert names(batch.find_files(films, films / "out")) == ["a.dcm", "b.png"]


@pytest.mark.parametrize("out", [".", ".."])
def test_results_beside_or_above_the_films_hide_none_of_them(films, out):
    found = batch.find_files(films, films / out)
    assert names(found) == ["a.dcm", "b.png", "a.png"]


def test_one_film_is_taken_whatever_its_name(films):
    assert names(batch.find_files(films / "notes.txt", films)) == ["notes.txt"]


def test_a_folder_without_films_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file to diagnose"):
        batch.find_files(tmp_path, tmp_path)


def test_films_of_the_same_name_get_results_of_their_own(films):
    found = batch.find_files(films, films)
    assert batch.name_outputs(found, films) == ["a_dcm", "b", "out__a_png"]


def test_classifiers_of_one_name_are_told_apart_by_their_folder():
    def stub(folder):
        return classifier.Classifier(None, {}, Path(folder))

    models = diagnose.Models(
        None, [stub("m/seed_0/a"), stub("m/seed_1/a"), stub("m/b")]
    )
    assert diagnose._name(models) == ["seed_0/a", "seed_1/a", "b"]


def test_only_the_members_that_an_ensemble_names_are_loaded(tmp_path, monkeypatch):
    members = ["seed_0/a", "seed_0/b"]
    disk.write_json(tmp_path / "ensemble.json", {"members": members})
    loaded = []
    monkeypatch.setattr(classifier, "load_segmenters", lambda *_: [])
    monkeypatch.setattr(
        classifier, "load_classifiers", lambda folder, *_: loaded.append(folder) or []
    )
    diagnose.load_models(tmp_path)
    assert loaded == [tmp_path / member for member in members]


def test_a_path_that_spells_another_films_name_gets_results_of_its_own(tmp_path):
    films = [tmp_path / name for name in ("a.dcm", "s/a.dcm", "a_dcm.dcm")]
    assert len(set(batch.name_outputs(films, tmp_path))) == 3


def test_results_are_not_written_over_the_films(films):
    with pytest.raises(FileExistsError, match=r"b\.png: is an input"):
        batch.diagnose_files(films / "b.png", films, None)
    assert (films / "b.png").read_bytes() == b"x"


@pytest.fixture
def grey_films(tmp_path, monkeypatch):
    """Return a folder of films of three greys, and one that is none, and stub models.

    A film's probability is its grey.
    """
    folder = tmp_path / "grey"
    folder.mkdir()
    for name, grey in (("a", 0.2), ("c", 0.4), ("d", 0.6)):
        radiograph.write_png(folder / f"{name}.png", np.full((40, 600), grey, "f4"))
    (folder / "b.png").write_bytes(b"no film")

    def judge(film, _):
        mask = np.zeros(film.image.shape, "uint8")
        grey = round(float(film.image[0, 0]), 2)
        return diagnose.Diagnosis(
            film.image, mask, 1.0, mask.astype("f4"), grey, "no RDS", (), (grey,)
        )

    def describe(found, source, _):
        return {"file": source.name, "probability": found.probability}

    monkeypatch.setattr(diagnose, "diagnose_radiograph", judge)
    monkeypatch.setattr(diagnose, "describe", describe)
    return folder


def test_each_film_of_a_folder_gets_its_own_results_past_one_that_is_refused(
    grey_films, tmp_path
):
    out, exported = tmp_path / "out", []

    def export(film, found, *, record, overlay, stem):
        assert Path(f"{stem}.png").is_file() and Path(f"{stem}.json").is_file()
        np.testing.assert_array_equal(overlay, batch.draw_diagnosis(found))
        exported.append((film.name, record["probability"], stem.name))

    done, refused = batch.diagnose_files(grey_films, out, None, export)
    assert [one["file"] for one in done] == ["a.png", "c.png", "d.png"]
    assert [refusal.split(":")[0] for refusal in refused] == ["Cannot use b.png"]
    assert exported == [("a.png", 0.2, "a"), ("c.png", 0.4, "c"), ("d.png", 0.6, "d")]
    assert sorted(names(out.glob("[!.]*"))) == [
        *("a.json", "a.png", "c.json", "c.png", "d.json", "d.png")
    ]
    for name, grey in (("a", 0.2), ("c", 0.4), ("d", 0.6)):
        assert disk.read_json(out / f"{name}.json")["probability"] == grey
        drawn = cv2.imread(str(out / f"{name}.png"))
        assert (drawn[:40] == drawn[0, 0]).all() and drawn.shape[0] > 40


def test_films_after_the_first_are_with_the_networks_two_at_a_time(
    grey_films, tmp_path, monkeypatch
):
    meet, alone = threading.Barrier(2), diagnose.diagnose_radiograph
    seen = []

    def judge(film, models):
        seen.append(film)
        if len(seen) > 1:
            meet.wait(timeout=60)  # breaks where the other never comes
        return alone(film, models)

    monkeypatch.setattr(diagnose, "diagnose_radiograph", judge)
    done, _ = batch.diagnose_files(grey_films, tmp_path / "out", None)
    assert [one["file"] for one in done] == ["a.png", "c.png", "d.png"]


def test_results_that_cannot_be_written_end_the_run(grey_films, tmp_path):
    out = tmp_path / "out"
    (out / "a.json").mkdir(parents=True)
    with pytest.raises(OSError, match=r"a\.json"):
        batch.diagnose_files(grey_films, out, None)


def test_a_run_that_is_ended_keeps_what_it_knows(grey_films, tmp_path, monkeypatch):
    def read(film, whole=radiograph.read_radiograph):
        if film.name == "c.png":
            raise KeyboardInterrupt
        return whole(film)

    monkeypatch.setattr(radiograph, "read_radiograph", read)
    with pytest.raises(KeyboardInterrupt):
        batch.diagnose_files(grey_films, tmp_path / "out", None)
    assert names(sorted((tmp_path / "out").glob("[!.]*"))) == ["a.json", "a.png"]


def stub(folder="a", **training):
    manifest = {"training": {"seen": [], **training}, "threshold": 0.3}
    return classifier.Classifier(None, manifest, Path(folder))


def test_a_single_classifier_decides_by_its_own_threshold_and_finding():
    joined = ensemble.join([stub(finding="pneumonia")])
    assert (joined.threshold, joined.finding) == (0.3, "pneumonia")
    assert joined.sensitive_threshold is None
    assert ensemble.join([stub()]).finding == "RDS"


def test_several_classifiers_without_ensemble_json_decide_by_their_mean():
    assert ensemble.join([stub(), stub()]).threshold == 0.5


def test_classifiers_of_different_findings_are_not_joined():
    with pytest.raises(errors.InputError, match="find RDS, pneumonia"):
        ensemble.join([stub(), stub(finding="pneumonia")])


@pytest.mark.parametrize("threshold", [1.5, "high", None, float("nan")])
def test_a_classifier_whose_threshold_is_no_probability_is_refused(threshold):
    one = stub()
    one.manifest["threshold"] = threshold
    with pytest.raises(errors.InputError, match="threshold"):
        ensemble.join([one])


def test_the_threshold_is_the_fitted_one_or_the_one_that_was_given():
    joined = ensemble.Ensemble(threshold=0.4, sensitive_threshold=0.1)
    models = diagnose.Models([], [stub()], joined)

    def choose(*arguments):
        chosen = diagnose.choose_threshold(models, *arguments)
        return chosen.joined.threshold, chosen.operating_point

    assert choose() == (0.4, "accurate")
    assert choose(None, "sensitive") == (0.1, "sensitive")
    assert choose(0.7) == choose(0.7, "sensitive") == (0.7, "given")
    assert choose(0.0) == (0.0, "given")


def test_a_sensitive_threshold_that_was_never_fitted_is_refused_with_the_reason():
    models = diagnose.Models([], [stub()], ensemble.join([stub()]))
    with pytest.raises(errors.InputError, match="`compare` fits one"):
        diagnose.choose_threshold(models, None, "sensitive")
    with pytest.raises(errors.InputError, match="from 0 to 1"):
        diagnose.choose_threshold(models, 1.5)
    with pytest.raises(errors.InputError, match='"accurate" or "sensitive"'):
        diagnose.choose_threshold(models, None, "best")
