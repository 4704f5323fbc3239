"""The command line, run in this process on the smallest cohort and models."""

import json

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest

from rds_tf import __main__ as command
from rds_tf import config
from rds_tf.lungs import segmenter
from rds_tf.storage import model_store

VERBS = ["phantom", "prepare", "train", "segment", "evaluate", "diagnose", "demo"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    arguments = ["phantom", str(folder), "--cases", "12", "--seed", "7"]
    assert command.main([*arguments, "--size", "64", "--workers", "1"]) == 0
    return folder


@pytest.fixture(scope="module")
def prepared(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    table = str(cohort / "cohort.csv")
    assert command.main(["prepare", table, str(out), "--workers", "1"]) == 0
    return out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main([verb, "--help"])
    assert stop.value.code == 0
    assert config.NOT_FOR_CLINICAL_USE in " ".join(capsys.readouterr().out.split())


def test_prepare_writes_all_that_it_promises(prepared):
    names = {path.name for path in prepared.iterdir()}
    folds = {f"dataset_fold_{fold}_5.csv" for fold in range(5)}
    assert names >= {"images", "masks", "manifest.csv", "rejected.csv", *folds}
    tables = [pd.read_csv(prepared / name) for name in folds]
    assert sum(map(len, tables)) == 12


def test_segment_writes_a_mask_of_the_films_size(prepared, models, tmp_path):
    arguments = ["segment", str(prepared), str(tmp_path), "--model", str(models)]
    assert command.main([*arguments, "--steps", "median"]) == 0
    for path in (prepared / "images").glob("*.png"):
        mask = cv2.imread(str(tmp_path / path.name), cv2.IMREAD_UNCHANGED)
        film = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask.shape == film.shape
        assert set(np.unique(mask)) <= {0, 255}


def test_evaluate_segmentation_writes_the_ablation_at_each_angle(
    prepared, models, tmp_path, capsys
):
    out = tmp_path / "scores.json"
    arguments = ["evaluate", "segmentation", str(prepared), "--model", str(models)]
    assert command.main([*arguments, "--angles", "0,90", "--json", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["num_cases"] == len(list((prepared / "masks").glob("*.png")))
    assert set(result["angles"]) == {"0", "90"}
    for steps in result["angles"].values():
        assert list(steps) == list(segmenter.STEPS)
        for step, scores in steps.items():
            gain = {"miou_gain"} if step != "none" else set()
            assert set(scores) == {"miou", "lung_iou", "dice"} | gain
            for score in scores.values():
                assert score["low"] <= score["value"] <= score["high"]
    assert result["forward_passes"] == segmenter.STEPS
    assert result["worst"]["median+rotate"]["angle"] in ("0", "90")
    judged = result["quality_control"]
    assert judged["num_bad"] + judged["num_good"] == 2 * result["num_cases"]
    shown = capsys.readouterr().out
    assert config.NOT_FOR_CLINICAL_USE in shown and "Mask quality control" in shown


def test_evaluate_diagnosis_writes_one_object_an_arm(prepared, models, tmp_path):
    out = tmp_path / "scores.json"
    arguments = ["evaluate", "diagnosis", str(prepared), "--model", str(models)]
    assert (
        command.main([*arguments, "--segmenter", str(models), "--json", str(out)]) == 0
    )
    scores = json.loads(out.read_text())["arms"]["B0 combined"]
    for name in ("accuracy", "precision", "recall", "specificity", "auroc"):
        assert set(scores[name]) == {"value", "low", "high"}
    assert np.sum(scores["confusion"]) == 12


def test_diagnose_a_folder_with_one_bad_file(cohort, models, tmp_path, capsys):
    films = tmp_path / "films"
    films.mkdir()
    for path in sorted((cohort / "dicom").glob("*.dcm"))[:2]:
        (films / path.name).write_bytes(path.read_bytes())
    (films / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 40)
    (films / "notes.txt").write_text("not a film")
    out = tmp_path / "out"
    status = command.main(
        ["diagnose", str(films), "--out", str(out), "--models", str(models)]
    )
    assert status == 1
    said = capsys.readouterr()
    assert "broken.dcm" in said.err and "Traceback" not in said.err
    assert {path.name for path in out.glob("[!.]*")} == {
        f"case000{number}.{kind}" for number in (0, 1) for kind in ("json", "png")
    }
    record = json.loads((out / "case0000.json").read_text())
    assert 0 <= record["probability"] <= 1
    called = "RDS" if record["probability"] >= record["threshold"] else "no RDS"
    assert record["decision"] in (called, "not decided")
    assert record["finding"] == "RDS"
    assert 0 <= record["mask_quality"] <= 1
    assert record["mask_convention"] == "heart in"
    assert record["mask_area_px"] >= 0 and isinstance(record["warnings"], list)
    assert record["notice"] == config.NOT_FOR_CLINICAL_USE
    assert "Phantom^Synthetic" not in (out / "case0000.json").read_text()
    assert cv2.imread(str(out / "case0000.png")).shape[1] >= 512


def test_diagnose_hands_over_what_has_a_study_and_says_what_has_none(
    cohort, models, tmp_path, capsys
):
    films = tmp_path / "films"
    films.mkdir()
    first, second = sorted((cohort / "dicom").glob("*.dcm"))[:2]
    (films / "a.dcm").write_bytes(first.read_bytes())
    dataset = pydicom.dcmread(second)
    del dataset.StudyInstanceUID
    dataset.save_as(films / "b.dcm")
    cv2.imwrite(str(films / "c.png"), np.eye(64, dtype="uint8") * 255)
    out = tmp_path / "out"
    arguments = ["diagnose", str(films), "--out", str(out), "--models", str(models)]
    assert command.main([*arguments, "--dicom"]) == 1
    said = capsys.readouterr()
    assert "b.dcm: its StudyInstanceUID is missing" in said.err
    assert "c.png: a picture names no patient" in said.err
    assert "3 diagnosed, 0 refused, 1 exported as DICOM" in said.out
    pictures = {f"{name}.{kind}" for name in "abc" for kind in ("json", "png")}
    written = {path.name for path in out.glob("[!.]*")}
    assert written == pictures | {"a_lungs.dcm", "a_overlay.dcm"}
    drawn = cv2.cvtColor(cv2.imread(str(out / "a.png")), cv2.COLOR_BGR2RGB)
    handed = pydicom.dcmread(out / "a_overlay.dcm").pixel_array
    np.testing.assert_array_equal(handed, drawn)


def test_training_a_fold_writes_a_model_that_never_saw_it(
    prepared, tmp_path, monkeypatch
):
    from rds_tf.data import prepare

    small = config.Profile(
        name="quick",
        num_cases=1,
        phantom_px=64,
        segmenter={"image_size": 16, "filters": 2, "depth": 1},
        segmenter_steps=10,
        backbones=("B0",),
        classifier_px={"B0": 32},
        classifier_steps=10,
        batch_size=2,
    )
    monkeypatch.setitem(config.PROFILES, "quick", small)
    arguments = ["train", "segmenter", str(prepared), str(tmp_path), "--fold", "2"]
    more = ["--start", "scratch", "--steps", "20", "--heart", "out"]
    assert command.main([*arguments, *more]) == 0
    manifest = model_store.read_manifest(tmp_path / "segmenter_fold_2")
    assert manifest["training"]["steps"] == 20 and manifest["hearts"] == ["out"]
    table = prepare.load_manifest(prepared)
    held_out = table.loc[table["fold"] == 2, "pixel_sha256"].str[:16]
    assert manifest["training"]["held_out_fold"] == 2
    assert not set(manifest["training"]["seen"]) & set(held_out)
    assert not (tmp_path / "segmenter_fold_2" / "backup.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["prepare", "nowhere.csv", "out"], "nowhere.csv"),
        (["diagnose", "nowhere.dcm", "--out", "out"], "nowhere.dcm"),
        (["segment", "nowhere", "out", "--model", "nowhere"], "nowhere"),
        (["evaluate", "segmentation", "nowhere"], "nowhere"),
        (["phantom", "out", "--cases", "0"], "`num_cases` must be at least 1"),
        (["demo", "--cohort", "nowhere.csv"], "nowhere.csv"),
        (["evaluate", "segmentation", ".", "--angles", "x"], "`--angles`"),
        (["train", "segmenter", ".", "out", "--steps", "5"], "multiple of 10"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_status_1(
    arguments, sentence, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert command.main(arguments) == 1
    said = capsys.readouterr().err.strip()
    assert sentence in said and "\n" not in said and "Traceback" not in said


def test_debug_shows_where_it_went_wrong(tmp_path):
    with pytest.raises(FileNotFoundError):
        command.main(["diagnose", str(tmp_path / "x"), "--out", "out", "--debug"])
