"""The command line, run in this process on the smallest cohort and models."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom
import pytest

from rds_tf import command_line as command
from rds_tf import config
from rds_tf.lungs import segmenter
from rds_tf.storage import model_store


def list_parsers(parser, name=""):
    """Return every parser by the words that lead to it, groups of verbs too."""
    found = {name: parser}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, child in action.choices.items():
                found |= list_parsers(child, f"{name} {word}".strip())
    return found


PARSERS = list_parsers(command.build_parser())
VERBS = {name: PARSERS[name] for name in command.list_verbs()}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    arguments = ["phantom", str(folder), "--cases", "12", "--seed", "7"]
    assert command.main([*arguments, "--longest-px", "64", "--workers", "1"]) == 0
    return folder


@pytest.fixture(scope="module")
def prepared(cohort, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    table = str(cohort / "cohort.csv")
    assert command.main(["prepare", table, str(out), "--workers", "1"]) == 0
    return out


def read_help(parser):
    return " ".join(parser.format_help().split())


def test_parser_has_the_verbs_of_the_table_and_their_groups():
    groups = {name.partition(" ")[0] for name in command.list_verbs()}
    assert set(PARSERS) == {"", *groups, *command.list_verbs()}


@pytest.mark.parametrize("name", PARSERS)
def test_every_verb_explains_itself_and_names_its_limits(name, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main([*name.split(), "--help"])
    assert stop.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said == read_help(PARSERS[name])
    assert config.NOT_FOR_CLINICAL_USE in said


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_a_description_and_an_example_that_parses(name):
    _, _, example = VERBS[name].epilog.partition("Example:\n  ")
    assert example.startswith(f"rds-tf {name} ") and "\n" not in example
    options = command.parse(shlex.split(example)[1:])
    assert options.run is command.list_verbs()[name][0]
    summary, _, rest = VERBS[name].description.partition("\n\n")
    assert summary.endswith(".") and len(rest.split()) > 12


@pytest.mark.parametrize("name", VERBS)
def test_every_argument_has_help_and_every_option_shows_its_default(name):
    said = read_help(VERBS[name])
    for action in VERBS[name]._actions:
        assert action.help, action.dest
        if not action.option_strings or action.required or action.nargs == 0:
            continue  # it has no default: an argument, a must, or a switch
        assert "(default: " in VERBS[name]._get_formatter()._get_help_string(action)
        value = action.default
        if value == config.SAVED_MODELS:
            value = "the shipped ones"
        elif isinstance(value, list):
            value = " ".join(map(str, value))
        if value is not None:
            assert f"(default: {value})" in said, action.dest


@pytest.mark.parametrize("name", PARSERS)
def test_no_verb_guesses_what_a_shortened_option_means(name):
    assert not PARSERS[name].allow_abbrev


def test_an_option_has_one_type_in_all_verbs():
    found = {}
    for parser in VERBS.values():
        for action in parser._actions:
            for option in action.option_strings:
                found.setdefault(option, set()).add(str(action.type))
    assert {option: types for option, types in found.items() if len(types) > 1} == {}


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("segment prepared out --model models", "(did you mean --models?)"),
        ("evaluate segmentation p --segmenter nowhere", "--segmenter nowhere"),
        ("train segmenter p out --backbone B0", "--backbone B0"),
        ("train classifier p out --image-px 64", "--image-px 64"),
        ("segment p out --steps none", "unrecognized arguments: --steps none"),
        ("diagnose a --out b --thresh 0.5", "(did you mean --threshold?)"),
        (
            "diagnose a --out b --threshold 0.5 --operating-point sensitive",
            "not allowed with argument --threshold",
        ),
        ("diagnose a --out b --threshold nan", "a number from 0 to 1. Received: 'nan'"),
        ("phantom out --cases 0", "a whole number from 1 to 1000000. Received: '0'"),
        ("phantom out --cases 1.5", "a whole number"),
        ("phantom out --tube-link 2", "a number from 0 to 1. Received: '2'"),
        ("phantom out --weeks 20,40", "a number from 24 to 1080. Received: '20'"),
        ("phantom out --weeks 40,26", "the lower first. Received: '40,26'"),
        ("phantom out --weeks 30", "must be two ages, the lower first"),
        ("phantom out --seed -1", "a whole number from 0"),
        ("phantom out --longest-px 9", "a whole number from 32 to 4096"),
        ("evaluate segmentation p --angles x", "--angles: must be a number from -360"),
        ("study", "required: VERB"),
        ("", "required: VERB"),
    ],
)
def test_wrong_usage_ends_with_status_2_and_says_what_is_wrong(words, hint, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(words.split())
    assert stop.value.code == 2
    assert hint in " ".join(capsys.readouterr().err.split())


def list_documented_commands():
    """Return every command line of README, docs and lessons, its file first."""
    files = [*config.CLONE.glob("*.md"), *config.CLONE.glob("docs/*.md")]
    files += [*config.CLONE.glob("notebooks/src/*.py")]
    found = []
    for file in sorted(files):
        text = file.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            words = line.removeprefix("# ").removeprefix("srun ")
            if words.startswith("rds-tf ") and "[" not in words:
                found.append((file.name, words))
    return found


DOCUMENTED = list_documented_commands()


def test_documents_show_the_verbs_of_a_whole_study():
    shown = {" ".join(words.split()[1:3]) for _, words in DOCUMENTED}
    for verb in ("train segmenter", "train classifier", "study plan", "serve demo"):
        assert verb in shown


@pytest.mark.parametrize(("file", "words"), DOCUMENTED)
def test_documented_command_parses(file, words):
    words = words.replace("$BACKBONE", "B0").replace("$FOLD", "0")
    command.parse(shlex.split(words, comments=True)[1:])


def test_help_lists_the_exit_statuses():
    said = PARSERS[""].format_help()
    for status in (0, 1, 2, 3, 70, 130):
        assert f"\n  {status} " in said


def test_prepare_writes_all_that_it_promises(prepared):
    names = {path.name for path in prepared.iterdir()}
    folds = {f"dataset_fold_{fold}_5.csv" for fold in range(5)}
    assert names >= {"images", "masks", "manifest.csv", "rejected.csv", *folds}
    tables = [pd.read_csv(prepared / name) for name in folds]
    assert sum(map(len, tables)) == 12


def test_segment_writes_a_mask_of_the_films_size(prepared, models, tmp_path):
    arguments = ["segment", str(prepared), str(tmp_path), "--models", str(models)]
    assert command.main([*arguments, "--post-processing", "median"]) == 0
    for path in (prepared / "images").glob("*.png"):
        mask = cv2.imread(str(tmp_path / path.name), cv2.IMREAD_UNCHANGED)
        film = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask.shape == film.shape
        assert set(np.unique(mask)) <= {0, 255}


def test_evaluate_segmentation_writes_the_ablation_at_each_angle(
    prepared, models, tmp_path, capsys
):
    out = tmp_path / "scores.json"
    arguments = ["evaluate", "segmentation", str(prepared), "--models", str(models)]
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
    arguments = ["evaluate", "diagnosis", str(prepared), "--models", str(models)]
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
    assert status == 3
    said = capsys.readouterr()
    assert "broken.dcm" in said.err and "Traceback" not in said.err
    assert {path.name for path in out.glob("[!.]*")} == {
        f"case000{number}.{kind}" for number in (0, 1) for kind in ("json", "png")
    }
    record = json.loads((out / "case0000.json").read_text())
    if record["probability"] is None:
        assert record["decision"] == "not decided" and record["reasons"]
    else:
        called = "RDS" if record["probability"] >= record["threshold"] else "no RDS"
        assert record["decision"] == called
    assert f"case0000.dcm: {record['statement']}" in said.out
    assert record["finding"] == "RDS"
    assert 0 <= record["mask_quality"] <= 1
    assert record["mask_convention"] == "heart in"
    assert record["mask_area_px"] >= 0 and isinstance(record["warnings"], list)
    assert record["notice"] == config.NOT_FOR_CLINICAL_USE
    assert "Phantom^Synthetic" not in (out / "case0000.json").read_text()
    assert cv2.imread(str(out / "case0000.png")).shape[1] >= 512


@pytest.mark.parametrize(
    ("words", "status", "found"),
    [
        ("", 0, (0.5, "accurate", "RDS", "")),
        ("--threshold 0", 0, (0.0, "given", "RDS", "")),
        ("--threshold 1", 0, (1.0, "given", "no RDS", "")),
        ("--operating-point sensitive", 1, (None, None, None, "`compare` fits one")),
    ],
)
def test_diagnose_decides_by_the_threshold_asked_for_and_records_it(
    words, status, found, cohort, models, tmp_path, capsys
):
    film = sorted((cohort / "dicom").glob("*.dcm"))[0]
    arguments = ["diagnose", str(film), "--out", str(tmp_path), "--models", str(models)]
    assert command.main([*arguments, *words.split()]) == status
    threshold, point, decision, sentence = found
    assert sentence in capsys.readouterr().err
    if threshold is None:
        assert not list(tmp_path.glob("*.json"))
        return
    record = json.loads((tmp_path / f"{film.stem}.json").read_text())
    assert (record["threshold"], record["operating_point"]) == (threshold, point)
    if threshold != 0.5:
        assert record["decision"] in (decision, "not decided")


def test_diagnose_takes_the_segmenter_that_is_named(cohort, models, tmp_path, capsys):
    film = sorted((cohort / "dicom").glob("*.dcm"))[0]
    arguments = ["diagnose", str(film), "--out", str(tmp_path), "--models", str(models)]
    assert command.main([*arguments, "--segmenter", str(models / "segmenter")]) == 0
    assert command.main([*arguments, "--segmenter", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().err


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
    assert command.main([*arguments, "--dicom"]) == 3
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


@pytest.fixture
def small(monkeypatch):
    profile = config.Profile(
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
    monkeypatch.setitem(config.PROFILES, "quick", profile)


def test_training_a_fold_writes_a_model_that_never_saw_it(
    prepared, tmp_path, small, capsys
):
    from rds_tf.data import prepare

    arguments = ["train", "segmenter", str(prepared), str(tmp_path), "--fold", "2"]
    arguments += ["--start", "scratch", "--heart", "out"]
    assert command.main([*arguments, "--training-steps", "20"]) == 0
    folder = tmp_path / "segmenter_fold_2"
    manifest = model_store.read_manifest(folder)
    assert manifest["training"]["steps"] == 20 and manifest["hearts"] == ["out"]
    table = prepare.load_manifest(prepared)
    held_out = table.loc[table["fold"] == 2, "pixel_sha256"].str[:16]
    assert manifest["training"]["held_out_fold"] == 2
    assert not set(manifest["training"]["seen"]) & set(held_out)
    assert not (folder / "backup.npz").exists()

    # Finished: it stays, another training is refused, and --again writes over it.
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert command.main([*arguments, "--training-steps", "20"]) == 0
    assert "was trained before and stays" in capsys.readouterr().out
    assert command.main([*arguments, "--training-steps", "10"]) == 1
    assert "--again" in capsys.readouterr().err
    assert (folder / "manifest.json").stat().st_mtime_ns == written
    assert command.main([*arguments, "--training-steps", "10", "--again"]) == 0
    assert "is trained again and written over" in capsys.readouterr().out
    assert model_store.read_manifest(folder)["training"]["steps"] == 10


def test_diagnose_calls_the_finding_of_the_training_by_its_name(
    cohort, prepared, tmp_path, small
):
    arguments = ["train", "classifier", str(prepared), str(tmp_path / "models")]
    more = ["--start", "scratch", "--finding", "pneumonia"]
    assert command.main([*arguments, *more]) == 0
    film = sorted((cohort / "dicom").glob("*.dcm"))[0]
    arguments = ["diagnose", str(film), "--out", str(tmp_path)]
    assert command.main([*arguments, "--models", str(tmp_path / "models")]) == 0
    record = json.loads((tmp_path / f"{film.stem}.json").read_text())
    assert record["finding"] == "pneumonia"
    assert record["decision"] in ("pneumonia", "no pneumonia", "not decided")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("prepare nowhere.csv out", "nowhere.csv"),
        ("prepare text.txt out", "text.txt"),
        ("prepare binary out", "binary"),
        ("prepare folder out", "folder"),
        ("train segmenter nowhere out", "nowhere"),
        ("train segmenter garbled out", "manifest.csv"),
        ("train segmenter . out --training-steps 5", "multiple of 10"),
        ("train segmenter . out --start nowhere", "a folder that holds one"),
        ("train classifier nowhere out", "nowhere"),
        ("train classifier garbled out", "manifest.csv"),
        ("segment nowhere out --models nowhere", "nowhere"),
        ("segment garbled out", "manifest.csv"),
        ("segment PREPARED out --models garbled", "manifest.json"),
        ("evaluate segmentation nowhere", "nowhere"),
        ("evaluate segmentation PREPARED --models garbled", "manifest.json"),
        ("evaluate diagnosis nowhere", "nowhere"),
        ("evaluate diagnosis garbled", "manifest.csv"),
        ("evaluate diagnosis PREPARED --models garbled", "manifest.json"),
        ("compare nowhere out", "nowhere"),
        ("compare garbled out", "manifest.csv"),
        ("audit nowhere out", "nowhere"),
        ("audit garbled out", "manifest.csv"),
        ("audit PREPARED out --models garbled", "manifest.json"),
        ("audit PREPARED out --tubes nowhere", "nowhere"),
        ("diagnose nowhere.dcm --out out", "nowhere.dcm"),
        ("diagnose empty --out out", "empty"),
        ("diagnose binary --out out --models garbled", "manifest.json"),
        ("study plan prepared", "say where to write the pack"),
        ("study plan nowhere out --simulations 0", "nowhere"),
        ("study plan garbled out --simulations 0", "manifest.csv"),
        ("study plan --pilot text.txt", "text.txt"),
        ("study plan --pilot binary", "binary"),
        ("study plan --effect 0", "`effect` must not be 0"),
        ("study analyse nowhere.csv", "nowhere.csv"),
        ("study analyse text.txt", "text.txt"),
        ("study analyse binary", "binary"),
        ("study analyse folder", "folder"),
        ("serve study nowhere", "nowhere"),
        ("serve study folder", "folder"),
        ("serve demo --models nowhere", "nowhere"),
        ("serve demo --models garbled", "manifest.json"),
        ("report nowhere out", "nowhere"),
        ("report empty out", "empty"),
        ("report garbled out", "manifest"),
        ("demo --cohort nowhere.csv", "nowhere.csv"),
        ("demo --cohort text.txt", "text.txt"),
    ],
)
def test_missing_or_garbled_input_is_one_sentence_and_status_1(
    words, sentence, prepared, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RDS_TF_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("RDS_TF_ROOT", str(tmp_path))  # `demo` sets it
    for folder in ("empty", "folder", "garbled", "garbled/model"):
        Path(folder).mkdir()
    for name in ("text.txt", "folder/text.txt"):
        Path(name).write_text("this is,no table\n1,2,3,4\n")
    for name in ("binary", "garbled/manifest.csv", "garbled/model/manifest.json"):
        Path(name).write_bytes(bytes(range(256)))
    words = words.replace("PREPARED", str(prepared))
    assert command.main(words.split()) == 1
    said = capsys.readouterr().err.strip()
    assert sentence in said and "\n" not in said and "Traceback" not in said


BUGS = [KeyError("rds"), ValueError("shapes (2,3) and (4,) do not match")]


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
def test_an_error_of_ours_is_not_told_as_a_mistake_of_the_user(
    name, bug, monkeypatch, capsys
):
    def fail(options):
        raise bug

    example = shlex.split(VERBS[name].epilog.partition("Example:\n  ")[2])[1:]
    put_in_place(monkeypatch, name, fail)
    assert command.main(example) == 70
    said = capsys.readouterr().err.strip()
    address = tomllib.loads((config.CLONE / "pyproject.toml").read_text())
    assert f"{address['project']['urls']['Repository']}/issues" in said
    assert type(bug).__name__ in said and f"`rds-tf {name}`" in said
    assert "--debug" in said and str(bug) not in said and "\n" not in said
    with pytest.raises(type(bug)):
        command.main([*example, "--debug"])


def put_in_place(monkeypatch, name, fail):
    """Put a function in the place of a verb's, with its description."""
    run = command.list_verbs()[name][0]
    fail.__doc__ = run.__doc__
    monkeypatch.setattr(sys.modules[run.__module__], run.__name__, fail)


def test_an_interrupted_verb_ends_with_status_130(monkeypatch, capsys):
    def stop(options):
        raise KeyboardInterrupt

    put_in_place(monkeypatch, "report", stop)
    assert command.main(["report", "a", "b"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_prepare_names_its_rejects_and_ends_with_status_3(cohort, tmp_path, capsys):
    table = pd.read_csv(cohort / "cohort.csv")
    table.loc[0, "filepath"] = "C:\\gone.dcm"
    table.to_csv(tmp_path / "cohort.csv", index=False)
    words = ["prepare", str(tmp_path / "cohort.csv"), str(tmp_path / "out")]
    assert command.main([*words, "--root", str(cohort), "--workers", "1"]) == 3
    said = capsys.readouterr()
    assert "11 images" in said.out and "1 rows rejected" in said.out
    assert "rejected.csv" in said.err
    assert command.main([*words, "--root", str(cohort), "--workers", "1"]) == 3
    assert "11 images (11 of them done before)" in capsys.readouterr().out


def test_segment_ends_with_status_3_where_a_film_gets_no_mask(
    prepared, models, tmp_path, capsys
):
    seen = pd.read_csv(prepared / "manifest.csv")["pixel_sha256"].str[:16].tolist()
    for fold, known in enumerate((seen[:2], seen[:1])):
        folder = tmp_path / "models" / f"segmenter_fold_{fold}"
        folder.mkdir(parents=True)
        for file in (models / "segmenter").iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["training"]["seen"] = known
        (folder / "manifest.json").write_text(json.dumps(manifest))
    words = ["segment", str(prepared), str(tmp_path / "out")]
    more = ["--models", str(tmp_path / "models"), "--post-processing", "none"]
    assert command.main([*words, *more]) == 3
    said = capsys.readouterr().out
    left = 12 - len(list((tmp_path / "out").glob("*.png")))
    assert left >= 1 and f"{left} films get no mask" in said


def test_debug_shows_where_it_went_wrong(tmp_path):
    with pytest.raises(FileNotFoundError):
        command.main(["diagnose", str(tmp_path / "x"), "--out", "out", "--debug"])


@pytest.mark.parametrize(
    "words",
    [
        "phantom out --cases 2 --longest-px 32 --workers 1",
        "prepare COHORT/cohort.csv out --workers 1",
        "study plan --simulations 0",
        "study analyse readings.csv",
        "report RESULTS out",
    ],
)
def test_verb_that_needs_no_network_loads_no_tensorflow(
    words, cohort, prepared, tmp_path
):
    rows = [
        f"R{r},T{t},C{c},{c % 2},{(7 * c + 3 * r + 5 * t) % 9}"
        for r in range(3)
        for t in range(2)
        for c in range(8)
    ]
    table = "\n".join(["reader,treatment,case,truth,rating", *rows])
    (tmp_path / "readings.csv").write_text(table)
    words = words.replace("COHORT", str(cohort)).replace("RESULTS", str(prepared))
    script = [sys.executable, "-X", "importtime", "-m", "rds_tf", *words.split()]
    done = subprocess.run(
        script,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(config.CLONE)},
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0, done.stderr.splitlines()[-1]
    assert "argparse" in loaded
    assert not {name.partition(".")[0] for name in loaded} & {"tensorflow", "keras"}


def test_console_script_is_the_same_as_the_module():
    project = tomllib.loads((config.CLONE / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"rds-tf": "rds_tf.command_line:main"}
