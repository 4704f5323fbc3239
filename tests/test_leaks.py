"""Each leak is planted here, and refused or told.

What tests elsewhere plant: films of one patient or one picture in a cohort
(`data/test_folds.py`), masks and scores by models that saw the case
(`lungs/test_segmenter.py`, `diagnosis/test_classifier.py`), a start that saw the fold
(`lungs/test_recipe.py`), a pack by models that saw all (`readers/test_pack.py`).
"""

import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from rds_phantoms import dataset
from rds_tf import command_line, config, training
from rds_tf.classification import (
    classifier_training,
    cross_validation,
    efficientnet,
    ensemble,
)
from rds_tf.data import pipeline, prepare
from rds_tf.dicom import radiograph
from rds_tf.lungs import segmenter, segmenter_training, unet
from rds_tf.storage import disk, model_store

PROFILE = config.load_profile("quick", 10)
VERBS = [
    ["train", "segmenter", "PREPARED", "OUT"],
    ["train", "classifier", "PREPARED", "OUT"],
    ["compare", "PREPARED", "OUT"],
    ["evaluate", "segmentation", "PREPARED"],
    ["evaluate", "diagnosis", "PREPARED"],
    ["audit", "PREPARED", "OUT"],
    ["segment", "PREPARED", "OUT"],
    ["study", "plan", "PREPARED", "OUT"],
]


@pytest.fixture
def copied(prepared, tmp_path):
    """A prepared cohort that a test may spoil, and its manifest."""
    shutil.copytree(prepared, tmp_path / "prepared")
    return tmp_path / "prepared"


def edit(prepared, change):
    """Edit the manifest as a spreadsheet would."""
    path = prepared / "manifest.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    change(table)
    table.to_csv(path, index=False)


def name_one_patient_twice(table):
    table.loc[table["fold"].isin(["0", "3"]), "patient_id"] = "somebody"


def move_one_film(table):
    many = table["patient_id"].value_counts().index[0]
    first = table.index[table["patient_id"] == many][0]
    table.loc[first, "fold"] = str((int(table.loc[first, "fold"]) + 1) % 5)


def give_a_picture_to_two(table):
    first, second = (table.index[table["fold"] == fold][0] for fold in ("0", "3"))
    table.loc[second, "pixel_sha256"] = table.loc[first, "pixel_sha256"]


@pytest.mark.parametrize("change", [name_one_patient_twice, move_one_film])
def test_a_patient_in_two_folds_is_refused(copied, change):
    edit(copied, change)
    with pytest.raises(ValueError, match=r"manifest\.csv: cases .* are of one patient"):
        prepare.load_manifest(copied)


def test_one_picture_in_two_folds_is_refused(copied):
    edit(copied, give_a_picture_to_two)
    sentence = r"one picture but in folds 0 and 3; prepare the cohort again\.$"
    with pytest.raises(ValueError, match=sentence):
        prepare.load_manifest(copied)


def test_one_film_stored_twice_goes_to_one_fold_and_is_told(tmp_path):
    folder = tmp_path / "cohort"
    dataset.write_cohort(folder, num_cases=10, seed=5, longest_px=256)
    table = pd.read_csv(folder / "cohort.csv", dtype=str)
    film = radiograph.read_image(folder / "dicom" / "case0000.dcm")
    levels = np.rint(film * 255).astype("uint8")[::2, ::2]  # half of the pixels
    _, jpeg = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, 80])
    cv2.imwrite(str(folder / "again.png"), cv2.imdecode(jpeg, 0))
    row = table.iloc[[0]].assign(filepath="again.png", patient_id="another")
    row = row.assign(exist_json="0", roi_area="0", height="", width="")
    pd.concat([table, row]).to_csv(folder / "cohort.csv", index=False)
    prepare.prepare(folder / "cohort.csv", tmp_path / "prepared", num_workers=1)
    found = prepare.load_manifest(tmp_path / "prepared").set_index("case_id")
    first = found.loc["again", "near_duplicate_of"]
    assert found.loc["again", "patient_id"] == "another"
    assert found["near_duplicate_of"].value_counts().to_dict() == {
        "": len(table) - 1,
        first: 2,
    }
    pair = found[found["near_duplicate_of"] == first]
    assert pair["fold"].nunique() == 1
    assert pair["pixel_sha256"].nunique() == 2  # no equal pixels told it
    assert pair["notes"].str.contains("one film stored twice?", regex=False).sum() == 1


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_refuses_such_folds_in_one_sentence(copied, tmp_path, capsys, verb):
    edit(copied, name_one_patient_twice)
    places = {"PREPARED": str(copied), "OUT": str(tmp_path / "out")}
    assert command_line.main([places.get(word, word) for word in verb]) == 1
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    assert "are of one patient but in folds 0 and 3" in sentence


def make_readings(num=200, seed=0):
    """Two members' logits of cases in five folds, half of them right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, num)
    cases = pd.DataFrame({"rds": labels, "fold": np.arange(num) % 5})
    logits = (2 * labels - 1) + rng.normal(0, 1.5, (2, num))
    return cases.assign(patient_id=[f"p{i}" for i in range(num)]), logits.T


def test_no_label_of_a_fold_moves_what_its_cases_are_judged_by():
    cases, logits = make_readings()
    test = (cases["fold"] == 2).to_numpy()
    before = ensemble.judge_on_others(cases, logits)
    turned = cases.assign(rds=np.where(test, 1 - cases["rds"], cases["rds"]))
    after = ensemble.judge_on_others(turned, logits)
    pd.testing.assert_frame_equal(before[test], after[test])
    chosen = ["probability", "threshold", "sensitive_threshold"]
    assert (before[~test][chosen] != after[~test][chosen]).any(axis=0).all()


def test_what_is_reported_of_a_fold_hangs_on_the_labels_of_the_others_alone():
    cases, logits = make_readings()
    test = (cases["fold"] == 2).to_numpy()
    found = ensemble.evaluate(cases, logits)
    turned = cases.assign(rds=np.where(test, 1 - cases["rds"], cases["rds"]))
    after = ensemble.evaluate(turned, logits)
    was, now = (np.array(one["probabilities"])[test] for one in (found, after))
    np.testing.assert_array_equal(was, now)
    rule = ensemble.fit(cases["rds"][~test].to_numpy(), logits[~test])
    np.testing.assert_allclose(was, rule.predict(logits[test]), atol=1e-12)


def spoil_films(prepared, rows):
    """Turn films upside down and their grey round; nobody could miss that."""
    for name in rows["image"]:
        image = radiograph.read_image(prepared / name)
        radiograph.write_png(prepared / name, 1 - image[::-1])


@pytest.fixture
def trained_on(monkeypatch):
    """What trainings get to see, in the order of their calls."""
    seen = []

    def take_windows(windows, *_):
        seen.append(windows)
        raise KeyboardInterrupt

    def take_arrays(images, masks, *_, **__):
        seen.append(np.concatenate([images, masks]))
        raise KeyboardInterrupt

    monkeypatch.setattr(classifier_training, "train_windows", take_windows)
    monkeypatch.setattr(pipeline, "segmentation_dataset", take_arrays)
    return seen


@pytest.mark.parametrize("what", ["classifier", "segmenter"])
def test_no_film_of_the_test_fold_moves_what_training_sees(copied, trained_on, what):
    places = copied, copied / "o"
    if what == "classifier":
        arms = [classifier_training.Arm("B0", "whole")]
        jobs = cross_validation.list_jobs(*places, arms, PROFILE)
    else:
        arm = segmenter_training.Arm("scratch")
        jobs = segmenter_training.list_jobs(*places, arm, PROFILE)
    job, table = jobs[1], prepare.load_manifest(copied)
    for fold in (1, 2):  # at last one that is trained on
        with pytest.raises(KeyboardInterrupt):
            job.train(job)
        spoil_films(copied, table[table["fold"] == fold])
    with pytest.raises(KeyboardInterrupt):
        job.train(job)
    first, test_spoiled, train_spoiled = trained_on
    np.testing.assert_array_equal(first, test_spoiled)
    assert (first != train_spoiled).any()


def test_statistics_of_batch_normalisation_come_from_the_films_given_alone():
    keras = pytest.importorskip("keras")
    model = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.BatchNormalization()]
    )
    images = np.array([10, 20, 60, 90], "uint8").reshape(4, 1, 1, 1)
    training.refresh_batch_norm(model, np.tile(images, (1, 2, 2, 1)))
    _, _, mean, variance = (one.item() for one in model.get_weights())
    assert mean == pytest.approx(45 / 255, rel=1e-5)
    assert variance == pytest.approx(np.var([10, 20, 60, 90]) / 255**2, rel=1e-4)


def test_a_classifier_does_not_start_from_one_that_saw_films(tmp_path, monkeypatch):
    tiny = {"backbone": "B0", "image_size": 32}
    calls = []
    manifest = {"architecture": tiny, "training": {"seen": ["0" * 16]}}
    monkeypatch.setattr(config, "SAVED_MODELS", tmp_path)
    monkeypatch.setattr(model_store, "find_models", lambda *_: [tmp_path / "shipped"])
    monkeypatch.setattr(model_store, "read_manifest", lambda _: manifest)
    monkeypatch.setattr(model_store, "load_model", lambda *_: calls.append(1))
    monkeypatch.setattr(efficientnet, "load_start", lambda *_: ("scratch", ""))
    with pytest.raises(ValueError, match="not available: .*shipped: saw films"):
        classifier_training.load_start(None, tiny, "phantom")
    assert classifier_training.load_start(None, tiny) == "scratch" and not calls
    manifest["training"]["seen"] = []
    assert classifier_training.load_start(
        None, tiny, "phantom"
    ) == "phantom" and calls == [1]


def test_results_of_other_folds_are_not_taken_for_these(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "prepared")

    def list_job():
        arms = [classifier_training.Arm("B0", "whole")]
        places = tmp_path / "prepared", tmp_path / "out"
        return cross_validation.list_jobs(*places, arms, PROFILE)[0]

    job = list_job()
    manifest = {
        "kind": "classifier",
        "architecture": {},
        "weights": {"sha256": "", "bytes": 0, "file": "model.safetensors"},
    }
    manifest["training"] = {"record": job.record}
    disk.write_json(job.folder / "manifest.json", manifest)
    (job.folder / cross_validation.PREDICTIONS).write_text(
        "case_id,patient_id,rds,fold,logit\n"
    )
    assert training.is_done(job)

    def deal_again(table):
        table["fold"] = table["fold"].map(dict(zip("01234", "12340", strict=True)))

    edit(tmp_path / "prepared", deal_again)
    with pytest.raises(ValueError, match="another training .its data differ"):
        training.is_done(list_job())


def test_masks_of_films_seen_in_training_are_said_to_be_such(
    prepared, tmp_path, monkeypatch, capsys
):
    table = prepare.load_manifest(prepared)
    seen = table.loc[table["fold"] == 0, "pixel_sha256"].str[:16].tolist()
    small = {"image_size": 16, "filters": 2, "depth": 1}
    manifest = {"kind": "segmenter", "architecture": small}
    for name, known in (("old", seen), ("new", [])):
        model = unet.build_unet(**small)
        record = manifest | {"training": {"seen": known}}
        model_store.save_model(model, tmp_path / name, record)
        segmenter.segment_folder(tmp_path / name, prepared, tmp_path / "o", "none")
    said = capsys.readouterr().out
    count = (table["fold"] == 0).sum()
    assert said.startswith(f"{count} of {len(table)} films are of patients seen")
    assert len(said.splitlines()) == 1


def test_a_picture_under_two_names_of_two_patients_stays_in_one_fold(tmp_path):
    rows = ["filepath,rds,exist_json,patient_id"]
    for index in range(10):
        film = np.random.default_rng(index).integers(0, 256, (8, 8)).astype("uint8")
        cv2.imwrite(str(tmp_path / f"film{index}.png"), film)
        rows.append(f"film{index}.png,{index % 2},0,p{index}")
    shutil.copy(tmp_path / "film3.png", tmp_path / "copy.png")
    rows.append("copy.png,1,0,q")
    (tmp_path / "cohort.csv").write_text("\n".join(rows))
    audit = prepare.prepare(tmp_path / "cohort.csv", tmp_path / "o").audit
    table = prepare.load_manifest(tmp_path / "o").set_index("case_id")
    assert table.at["copy", "fold"] == table.at["film3", "fold"]
    assert table.at["copy", "patient_id"] == "q"
    assert audit["duplicates_within"].sum() == 1
    assert audit["duplicates_across"].sum() == 0
