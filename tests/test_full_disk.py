"""A disk that fills up: one sentence, nothing half written, and a rerun does the rest.

`benchmarks/full_disk.py` does the same to every verb, on a small disk of its own.
"""

import ast
import dataclasses
import errno
import os
from pathlib import Path

import keras
import pytest

from rds_tf import command_line as command
from rds_tf import config

ROOT = Path(__file__).parents[1]
write_bytes = Path.write_bytes
PHANTOM = "--cases", "8", "--longest-px", "64", "--workers", "1"
TINY = "--start", "scratch", "--image-px", "16", "--training-steps", "10"


@pytest.fixture
def disk(monkeypatch):
    """Return a function that leaves room for some bytes, None for all."""

    class Disk:
        used, room = 0, None

    def write(path, data):
        fits = data if Disk.room is None else data[: max(0, Disk.room - Disk.used)]
        Disk.used += len(fits)
        write_bytes(path, fits)
        if len(fits) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write)
    return Disk


@pytest.fixture
def tiny(monkeypatch):
    quick = config.PROFILES["quick"]
    small = {"image_size": 16, "filters": 2, "depth": 1}
    profile = dataclasses.replace(quick, segmenter=small, batch_size=2)
    monkeypatch.setitem(config.PROFILES, "quick", profile)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    assert command.main(["phantom", str(folder), *PHANTOM]) == 0
    return folder


def list_verb(name, out, cohort, prepared, models):
    words = {
        "phantom": ["phantom", out, *PHANTOM],
        "prepare": ["prepare", cohort / "cohort.csv", out, "--workers", "1"],
        "train": ["train", "segmenter", prepared, out, *TINY],
        "segment": [
            "segment",
            prepared,
            out,
            "--models",
            models,
            "--post-processing",
            "none",
        ],
    }
    return [str(word) for word in words[name]]


@pytest.mark.parametrize(
    ("name", "shares"),
    [("phantom", [0, 0.7]), ("prepare", [0, 0.7]), ("train", [0.9]), ("segment", [0])],
)
def test_full_disk_is_told_and_a_rerun_does_the_rest(
    name, shares, disk, tiny, cohort, prepared, models, tmp_path, capsys
):
    def run(out):
        keras.utils.clear_session()  # the names of layers stand in the file of weights
        return command.main(list_verb(name, out, cohort, prepared, models))

    whole = tmp_path / "whole"
    assert run(whole) == 0
    expected, total = read_tree(whole), disk.used
    for share in shares:
        torn = tmp_path / f"torn_{share}"
        disk.used, disk.room = 0, int(share * total)
        capsys.readouterr()
        assert run(torn) == 1
        told = capsys.readouterr().err.strip().splitlines()
        assert len(told) == 1
        assert told[0].startswith(f"Cannot write {torn}")
        assert told[0].endswith(": No space left on device.")
        assert read_tree(torn).items() <= expected.items()
    disk.room = None
    assert run(torn) == 0
    assert read_tree(torn) == expected


def read_tree(folder):
    """Return what each file holds, half-written ones too; no state of a training."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.name not in (".lock", "backup.npz", "history.csv")
    }


def test_every_file_is_written_by_the_one_function_that_writes_it_whole():
    found = []
    writers = {"rds_tf/storage/disk.py", "rds_phantoms/workers.py"}
    for path in sorted(ROOT.glob("rds_*/**/*.py")):
        if path.relative_to(ROOT).as_posix() not in writers:
            tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            calls = [node for node in tree if isinstance(node, ast.Call)]
            found += [f"{path.name}:{call.lineno}" for call in calls if writes(call)]
    assert not found


def writes(call):
    """Say whether a call writes to a path of its own."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("write_bytes", "write_text", "imwrite", "savetxt", "tofile"):
        return True
    if name == "to_csv":
        return bool(call.args)
    words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    return name == "open" and any(str(word)[:1] in "wax" for word in words if word)


def test_the_checks_eye_sees_writers():
    lines = "p.write_bytes(b)", "open(p, 'wb')", "t.to_csv(p)", "p.open('a')"
    assert all(writes(ast.parse(line).body[0].value) for line in lines)
    lines = "open(p)", "t.to_csv(index=False)", "open(p, 'rb')", "write_whole(p, b)"
    assert not any(writes(ast.parse(line).body[0].value) for line in lines)
