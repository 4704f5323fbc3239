import dataclasses
import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from rds_pages.reports import comparison
from rds_tf import config, training
from rds_tf.classification import (
    classifier,
    classifier_training,
    compare,
    cross_validation,
    ensemble,
)
from rds_tf.data import prepare
from rds_tf.lungs import segmenter
from rds_tf.parallel import local
from rds_tf.storage import disk

LUNGS = [{"name": "lung_segmenter", "sha256": "5" * 64, "heart": "in"}]


@pytest.fixture
def jobs(prepared, tmp_path):
    profile = config.load_profile("quick", 10)
    chosen = [classifier_training.Arm("B0", name) for name in ("whole", "masked")]
    return cross_validation.list_jobs(prepared, tmp_path, chosen, profile)


def finish(jobs):
    """Write what trainings would: logits that know the label, masked ones less so."""
    for job in jobs:
        table = prepare.load_manifest(job.prepared)
        test = table[table["fold"] == job.fold]
        noise = np.random.default_rng(job.fold).normal(0, 1, len(test))
        weight = 3 if job.arm.input_name == "whole" else 0.5
        found = test[["case_id", "patient_id", "rds", "fold"]].assign(
            logit=weight * (2 * test["rds"] - 1) + noise
        )
        disk.write_json(
            job.folder / "manifest.json",
            {
                "kind": "classifier",
                "architecture": {},
                "segmenters": LUNGS if job.segmenters else [],
                "weights": {"sha256": "", "bytes": 0, "file": "model.safetensors"},
                "training": {"start": "phantom", "record": job.record},
            },
        )
        found.to_csv(job.folder / cross_validation.PREDICTIONS, index=False)


def test_only_what_is_not_done_is_trained_and_each_job_apart(jobs, monkeypatch):
    finish(jobs[:7])
    calls = []

    def record(function, items, num_workers=1, description=""):
        calls.append((function, list(items)))
        return [local.Outcome(item, value="scratch") for item in items]

    monkeypatch.setattr(local, "map_isolated", record)
    cross_validation.run(jobs)
    (lungs, _), (start, tried), (_, trained) = calls
    assert lungs is cross_validation.find_masks
    assert start is classifier_training.find_start and len(tried) == 1
    assert [job.name for job in trained] == [job.name for job in jobs[7:]]
    assert {(job.start, job.num_threads) for job in trained} == {("scratch", 1)}


def test_a_failed_training_is_told_and_how_to_go_on(jobs, monkeypatch):
    def fail(function, items, num_workers=1, description=""):
        return [local.Outcome(item, error="no memory") for item in items]

    monkeypatch.setattr(local, "map_isolated", fail)
    with pytest.raises(RuntimeError, match="same command again.*no memory"):
        cross_validation.run(jobs[:5])


def test_a_folder_of_another_comparison_is_not_taken_for_this_one(jobs):
    finish(jobs)
    longer = config.load_profile("quick", 20)
    other = cross_validation.list_jobs(
        jobs[0].prepared, jobs[0].out, [jobs[0].arm], longer
    )
    assert training.is_done(jobs[0])
    with pytest.raises(ValueError, match="its steps differ.*name another folder"):
        training.is_done(other[0])
    assert not training.is_done(other[0], again=True)


def test_a_finished_model_without_a_record_is_not_taken_for_this_training(jobs):
    finish(jobs[:1])
    manifest = disk.read_json(jobs[0].folder / "manifest.json")
    del manifest["training"]["record"]
    disk.write_json(jobs[0].folder / "manifest.json", manifest)
    with pytest.raises(ValueError, match="without a record"):
        training.is_done(jobs[0])


def test_model_without_its_predictions_is_trained_on_by_the_same_command(jobs):
    finish(jobs[:1])
    (jobs[0].folder / cross_validation.PREDICTIONS).unlink()
    assert not training.is_done(jobs[0])


def test_lungs_by_other_segmenters_are_not_taken_for_these(jobs, monkeypatch, tmp_path):
    def find_lungs(prepared, table, segmenters):
        one = segmenter.Segmentation(np.ones((8, 8), "uint8"), 0.5)
        return [one] * len(table)

    monkeypatch.setattr(classifier, "find_lungs", find_lungs)
    shipped = jobs[-1]
    assert not cross_validation.masks_are_found(shipped)
    cross_validation.find_masks(shipped)
    assert cross_validation.masks_are_found(shipped)
    found_by = disk.read_json(tmp_path / "masks" / cross_validation.FOUND_BY)
    lungs = segmenter.load_segmenter(config.SAVED_MODELS / "lung_segmenter")
    assert found_by["segmenters"] == [lungs.describe()]
    other = tmp_path / "other"
    shutil.copytree(config.SAVED_MODELS / "lung_segmenter", other)
    manifest = disk.read_json(other / "manifest.json")
    manifest["weights"]["sha256"] = "0" * 64
    (other / "manifest.json").write_text(json.dumps(manifest))
    jobs = [dataclasses.replace(job, segmenters=other) for job in jobs[5:]]
    with pytest.raises(ValueError, match="by other segmenters"):
        cross_validation.masks_are_found(jobs[0])
    with pytest.raises(ValueError, match="by other segmenters"):
        cross_validation.run(jobs)


def test_patients_called_na_or_007_keep_their_names(jobs):
    finish(jobs)
    for job in jobs:
        path = job.folder / cross_validation.PREDICTIONS
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table["patient_id"] = ["NA", "007", "7"][: len(table)] + table["patient_id"][
            3:
        ].tolist()
        table.to_csv(path, index=False)
    names = cross_validation.load_predictions(jobs)["patient_id"]
    assert {"NA", "007", "7"} <= set(names) and names.map(type).eq(str).all()


def test_the_comparison_pools_every_case_once_and_ranks_the_arms(jobs):
    finish(jobs)
    result = compare.compare(jobs)
    assert result["num_cases"] == len(prepare.load_manifest(jobs[0].prepared))
    scores = result["arms"]
    assert {"B0 whole", "B0 masked", "ensemble of all"} < set(scores)
    assert scores["B0 whole"]["auroc"]["value"] > scores["B0 masked"]["auroc"]["value"]
    assert scores["B0 whole"]["start"] == "phantom"
    assert len(result["pairs"]) == 5 * 4 / 2


def test_a_baseline_knows_who_has_a_tube_where_tubes_are_drawn(jobs, tmp_path):
    finish(jobs)
    table = prepare.load_manifest(jobs[0].prepared)
    sick = table[table["rds"] == 1]
    for row in sick.itertuples():  # a tube in every sick case and in no other
        drawing = np.zeros((row.height, row.width), "uint8")
        drawing[:2, :2] = 255
        cv2.imwrite(str(tmp_path / f"{row.case_id}.png"), drawing)
    scores = compare.compare(jobs, tmp_path)["arms"]
    assert scores["baseline: tube present"]["auroc"]["value"] == 1
    assert "baseline: tube present" not in compare.compare(jobs)["arms"]


def test_the_page_of_a_comparison_needs_no_other_file(jobs):
    finish(jobs)
    text = comparison.write(jobs)
    page = (jobs[0].out / "comparison.html").read_text()
    for word in ("B0 whole", "McNemar", "Not for clinical use", "data:image/png"):
        assert word in page
    assert 'src="http' not in page and "ensemble of all" in text
    joined = ensemble.load(jobs[0].out)
    assert joined.finding == "RDS" and joined.segmenters == (*LUNGS,)
    comparison.write(jobs, finding="pneumonia")
    assert ensemble.load(jobs[0].out).finding == "pneumonia"


def test_only_cases_that_differ_little_in_ratio_are_matched():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    table = pd.DataFrame({"rds": labels, "height": 100, "width": 100})
    table["height"] += np.where(labels, 5, 0) + rng.integers(0, 6, 60)
    patients = np.arange(60)
    knows = labels + rng.normal(0, 0.1, 60)
    probabilities = {"knows": np.clip(knows, 0, 1)}
    found = compare.match_ratio(table, labels, probabilities, patients)
    chosen = found["num_cases"]
    assert 0 < chosen < 60 and chosen % 2 == 0
    assert found["arms"]["knows"]["auroc"]["value"] == 1
