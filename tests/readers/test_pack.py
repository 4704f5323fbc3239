"""Design and pack of a reader study, with models that judge at once."""

import itertools
import json
import zlib
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from rds_readers import answers, design, pack, sign_in
from rds_tf.classification import classifier
from rds_tf.data import prepare
from rds_tf.diagnosis import diagnose
from rds_tf.lungs import segmenter
from rds_tf.storage import disk


def make_table(num_patients=40, films_each=2):
    """Patients in turn healthy and ill, two films each, hashes that tell all apart."""
    rows = []
    for patient, film in itertools.product(range(num_patients), range(films_each)):
        name = f"case{patient:02d}{film}"
        row = {"case_id": name, "patient_id": f"P{patient:02d}", "rds": patient % 2}
        rows.append(
            row | {"pixel_sha256": name.encode().hex().rjust(64, "0"), "pseudonym": ""}
        )
    return pd.DataFrame(rows)


@pytest.fixture
def judged(prepared, monkeypatch):
    """Two folds' models that remember whom they judged; nothing is computed."""
    table = prepare.load_manifest(prepared)
    asked = []
    hashes = table["pixel_sha256"].str[:16]

    def make_classifier(fold):
        seen = hashes[table["fold"] != fold].tolist()
        return classifier.Classifier(
            None, {"training": {"seen": seen}}, Path(str(fold))
        )

    def judge(film, models):
        asked.append((film, [one.folder.name for one in models.classifiers]))
        image = cv2.imread(str(film), cv2.IMREAD_UNCHANGED)
        heat = np.zeros(image.shape, "float32")
        heat[:4, :4] = 1
        kept = {"mask": None, "mask_quality": 1.0, "warnings": (), "single": ()}
        return diagnose.Diagnosis(
            image=image, heatmap=heat, probability=0.75, decision="RDS", **kept
        )

    def assign(rows, path):
        yield "lungs", rows

    models = [make_classifier(fold) for fold in range(5)]
    monkeypatch.setattr(classifier, "load_classifiers", lambda path: models)
    monkeypatch.setattr(segmenter, "assign_unseen", assign)
    monkeypatch.setattr(classifier, "load_segmenters", lambda *_: ["lungs"])
    monkeypatch.setattr(diagnose, "diagnose", judge)
    return asked


def write(prepared, out, **sizes):
    plan = design.Design(**{"num_readers": 2, "num_cases": 8} | sizes)
    return pack.write_pack(prepared, out, out.parent, plan)


@pytest.mark.parametrize(
    ("sizes", "word"),
    [
        ({"order": "random"}, "order"),
        ({"num_readers": 0}, "num_readers"),
        ({"order": "crossover", "num_readers": 1}, "num_readers"),
        ({"num_cases": 7}, "num_cases"),
        ({"num_cases": 0}, "num_cases"),
        ({"order": "crossover", "num_cases": 10}, "num_cases"),
        ({"washout_days": -1}, "washout_days"),
        ({"seed": -1}, "seed"),
        ({"finding": " "}, "finding"),
    ],
)
def test_an_impossible_design_says_which_size_is_wrong(sizes, word):
    with pytest.raises(ValueError, match=f"`{word}` must be"):
        design.Design(**sizes)


def test_cases_are_half_ill_one_a_patient_and_named_in_a_drawn_order():
    table, plan = make_table(), design.Design(num_cases=20)
    chosen = design.choose_cases(table, np.ones(len(table), bool), plan)
    assert chosen["case"].tolist() == [f"C{i:03d}" for i in range(1, 21)]
    assert chosen["rds"].sum() == 10 and chosen["patient_id"].is_unique
    assert chosen["case_id"].tolist() != sorted(chosen["case_id"])
    truth = chosen["rds"].to_numpy()
    for part in (truth[:10], truth[::2]):  # neither one label first nor in turns
        assert 0 < part.sum() < 10


def test_choice_does_not_depend_on_the_order_of_the_rows_but_on_the_seed():
    table, plan = make_table(), design.Design(num_cases=20)
    every = np.ones(len(table), bool)
    first = design.choose_cases(table, every, plan)["case_id"].tolist()
    turned = table.iloc[::-1].reset_index(drop=True)
    assert design.choose_cases(turned, every, plan)["case_id"].tolist() == first
    other = design.Design(num_cases=20, seed=8)
    assert design.choose_cases(table, every, other)["case_id"].tolist() != first


def test_images_that_share_a_patient_by_their_pixels_alone_are_one_patient():
    table = make_table(num_patients=4, films_each=1)
    table.loc[:, "pixel_sha256"] = [
        letter * 64 for letter in "abac"
    ]  # P00 and P02 are one
    with pytest.raises(ValueError, match="2 patients without RDS.*there are 1"):
        design.choose_cases(table, np.ones(4, bool), design.Design(num_cases=4))


def test_sequential_plan_gives_each_reader_every_case_alone_then_with_the_model():
    cases = [f"C{i}" for i in range(12)]
    plan = design.plan_sessions(cases, np.arange(12) % 2, design.Design(num_readers=3))
    orders = []
    for entry in plan:
        (session,) = entry["sessions"]
        assert all(film["steps"] == ["alone", "with model"] for film in session)
        orders.append([film["case"] for film in session])
        assert sorted(orders[-1]) == sorted(cases)
    assert [entry["reader"] for entry in plan] == ["R1", "R2", "R3"]
    assert len(set(map(tuple, orders))) == 3


def test_crossover_is_balanced_in_treatment_label_block_and_reader():
    cases, truth = [f"C{i}" for i in range(16)], np.arange(16) % 2
    label = dict(zip(cases, truth, strict=True))
    plan = design.plan_sessions(cases, truth, design.Design("crossover", num_readers=6))
    first_with_model, begins = Counter(), Counter()
    for entry in plan:
        first, second = entry["sessions"]
        read = [
            (f["case"], *f["steps"]) for session in (first, second) for f in session
        ]
        wanted = set(itertools.product(cases, ("alone", "with model")))
        assert set(read) == wanted and len(read) == len(wanted)
        for session in (first, second):
            assert sorted(f["case"] for f in session) == sorted(cases)
            treatments = [f["steps"][0] for f in session]
            assert treatments[:8] == 8 * treatments[:1], "blocks, not a mixture"
            assert treatments[8:] == 8 * treatments[8:9]
            assert sum(label[f["case"]] for f in session[:8]) == 4
        assert first[0]["steps"] != second[0]["steps"]
        begins[first[0]["steps"][0]] += 1
        first_with_model.update(
            f["case"] for f in first if f["steps"] == ["with model"]
        )
    assert begins == {"alone": 3, "with model": 3}
    assert first_with_model == dict.fromkeys(cases, 3)


def test_same_seed_writes_the_same_plan_key_and_films_to_the_byte_and_other_codes(
    prepared, judged, tmp_path
):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(prepared, tmp_path / name / "pack")
    one, two = tmp_path / "a", tmp_path / "b"
    same = [p.relative_to(one) for p in sorted(one.rglob("*.*")) if p.suffix]
    apart = {Path("pack_codes.csv"), Path("pack/access.json")}
    assert apart < set(same) and len(same) == 2 + 1 + 1 + 3 * 8
    for name in same:
        equal = (one / name).read_bytes() == (two / name).read_bytes()
        assert equal == (name not in apart), name


def test_each_case_is_judged_only_by_models_that_never_saw_its_patient(
    prepared, judged, tmp_path
):
    write(prepared, tmp_path / "pack")
    key = pd.read_csv(tmp_path / "pack_key.csv").set_index("case")
    table = prepare.load_manifest(prepared).set_index("case_id")
    assert len(judged) == 8
    for film, folds in judged:
        assert folds == [str(table.at[key.at[film.stem, "case_id"], "fold"])]


def test_key_holds_the_truth_and_the_pack_does_not(prepared, judged, tmp_path):
    summary = write(prepared, tmp_path / "pack")
    assert "8 cases" in summary and "Not for clinical use" in summary
    key = pd.read_csv(tmp_path / "pack_key.csv")
    table = prepare.load_manifest(prepared).set_index("case_id")
    assert key.columns.tolist() == ["case", "case_id", "patient_id", "truth"]
    assert key["truth"].tolist() == table.loc[key["case_id"], "rds"].tolist()
    drawn = pd.read_csv(tmp_path / "pack_codes.csv").set_index("reader")["code"]
    access = sign_in.load_access(tmp_path / "pack")
    assert [sign_in.find_reader(code, access) for code in drawn] == ["R1", "R2"]
    content = b"".join(
        path.name.encode() + path.read_bytes()
        for path in (tmp_path / "pack").rglob("*")
        if path.is_file()
    )
    for word in [*key["case_id"], *key["patient_id"], *drawn, str(prepared), "truth"]:
        assert word.encode() not in content
    for path in tmp_path.glob("pack_*.csv"):
        assert path.stat().st_mode & 0o077 == 0


def test_readers_are_asked_for_the_finding_of_label_1(prepared, judged, tmp_path):
    summary = write(prepared, tmp_path / "pack", finding="pneumonia")
    assert "half of them with pneumonia" in summary
    assert answers.Answers(tmp_path / "pack").finding == "pneumonia"
    plan = disk.read_json(tmp_path / "pack" / "plan.json")
    disk.write_json(
        tmp_path / "pack" / "plan.json",
        {name: value for name, value in plan.items() if name != "finding"},
    )
    assert answers.Answers(tmp_path / "pack").finding == "RDS"  # as packs were before


def list_chunks(png):
    """Read the names of a PNG's chunks by the letter of its specification."""
    names, place = [], 8
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        body = png[place + 4 : place + 8 + length]
        crc = png[place + 8 + length : place + 12 + length]
        assert zlib.crc32(body).to_bytes(4, "big") == crc
        names.append(body[:4].decode())
        place += 12 + length
    return names


def test_images_keep_their_levels_and_lose_everything_else(tmp_path):
    import PIL.Image
    import PIL.PngImagePlugin

    levels = np.arange(12, dtype="uint16").reshape(3, 4) * 5000
    note = PIL.PngImagePlugin.PngInfo()
    note.add_text("Patient", "Hong Gildong")
    PIL.Image.fromarray(levels).save(tmp_path / "in.png", pnginfo=note, dpi=(72, 72))
    assert "tEXt" in list_chunks((tmp_path / "in.png").read_bytes())
    pack.write_levels(tmp_path / "in.png", tmp_path / "out.png")
    chunks = list_chunks((tmp_path / "out.png").read_bytes())
    assert set(chunks) == {"IHDR", "IDAT", "IEND"}
    kept = cv2.imread(str(tmp_path / "out.png"), cv2.IMREAD_UNCHANGED)
    assert kept.dtype == np.uint16 and (kept == levels).all()


def test_heat_is_clear_where_it_is_0_and_dense_where_it_is_1():
    layer = pack.draw_heatmap(np.array([[0.0, 1.0]], "float32"))
    assert layer.shape == (1, 2, 4)
    assert layer[0, 0, 3] == 0 and layer[0, 1, 3] == round(0.65 * 255)
    assert layer[0, 1, :3].tolist() == [164, 255, 252]  # inferno's last, as BGR
    assert max(pack.draw_heatmap(np.ones((4000, 1000), "float32")).shape) == 1024


def test_a_pack_is_never_written_over(prepared, judged, tmp_path):
    write(prepared, tmp_path / "pack")
    with pytest.raises(ValueError, match="pack: exists already and is not empty"):
        write(prepared, tmp_path / "pack")
    with pytest.raises(ValueError, match="other_key.csv: belongs to another pack"):
        (tmp_path / "other_key.csv").touch()
        write(prepared, tmp_path / "other")


def test_a_pack_that_was_not_finished_is_written_again(
    prepared, judged, tmp_path, monkeypatch
):
    def die(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pack, "describe_plan", die)  # all is written but the plan
        write(prepared, tmp_path / "pack")
    assert not (tmp_path / "pack" / "plan.json").exists()
    write(prepared, tmp_path / "pack")
    (tmp_path / "whole").mkdir()
    write(prepared, tmp_path / "whole" / "pack")
    for name in ("pack_key.csv", "pack/plan.json", "pack/films/C001.png"):
        assert (tmp_path / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()


@pytest.mark.parametrize("name", ["films", "thesis.pdf"])
def test_a_folder_of_something_else_is_no_unfinished_pack(
    prepared, judged, tmp_path, name
):
    (tmp_path / "pack" / name).mkdir(parents=True)
    with pytest.raises(ValueError, match="pack: exists already and is not empty"):
        write(prepared, tmp_path / "pack")


def test_models_that_saw_everybody_are_refused(prepared, judged, tmp_path, monkeypatch):
    seen = prepare.load_manifest(prepared)["pixel_sha256"].str[:16].tolist()
    one = classifier.Classifier(None, {"training": {"seen": seen}}, Path("x"))
    monkeypatch.setattr(classifier, "load_classifiers", lambda path: [one])
    with pytest.raises(ValueError, match="saw every patient in training"):
        write(prepared, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_the_written_plan_is_what_the_answers_read(prepared, judged, tmp_path):
    write(prepared, tmp_path / "pack", order="crossover", num_cases=8)
    store_of = answers.Answers(tmp_path / "pack")
    store_of.check_files()
    assert store_of.plan["washout_days"] == 28
    assert store_of.find_due("R1").total == 8
    view = json.loads((tmp_path / "pack" / "model" / "C001.json").read_text())
    said = {"probability": 0.75, "decision": "RDS", "reasons": []}
    assert view == {**said, "has_map": True}
