"""The check of the installed packages that `make lint` runs."""

import base64
import hashlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "packages.py"
SPEC = importlib.util.spec_from_file_location("packages", SCRIPT)
packages = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(packages)


@pytest.fixture
def installed(tmp_path):
    """A package of two files as pip leaves it."""
    (tmp_path / "lung.py").write_text("side = 'left'\n")
    (tmp_path / "heart.py").write_text("beats = True\n")
    info = tmp_path / "Some_Thing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Some_Thing\n")
    lines = []
    for name in ("lung.py", "heart.py"):
        digest = hashlib.sha256((tmp_path / name).read_bytes()).digest()
        text = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        lines.append(f"{name},sha256={text},13\n")
    (info / "RECORD").write_text("".join(lines) + "lung.pyc,,\n")
    with (info / "METADATA").open("a") as file:
        file.write("Version: 1.0\n")
    return metadata.Distribution.at(info)


def test_a_package_as_it_was_packed_passes(installed):
    assert packages.find_damage(installed) == []


def test_an_edited_and_a_missing_file_are_named(installed, tmp_path):
    (tmp_path / "lung.py").write_text("side = 'Left'\n")
    (tmp_path / "heart.py").unlink()
    told = [f"some-thing: {n}.py is missing, or not as it" for n in ("lung", "heart")]
    found = packages.find_damage(installed)
    assert [line.partition(" was packed")[0] for line in found] == told


def test_a_pin_holds_only_for_its_python():
    text = "# the set\nNumPy==2.4.6  # arrays\n\nnew==1 ; python_version >= '3'\n"
    text += "old==2 ; python_version < '3'\n"
    assert packages.read_lock(text) == {"numpy": "2.4.6", "new": "1"}


def test_a_package_more_less_or_other_is_told(installed, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    assert packages.compare({"some-thing": "1.0"}, [installed]) == []
    found = packages.compare({"some-thing": "1.1", "gone": "3"}, [installed])
    assert found == [
        "gone is missing, the lock says 3",
        "some-thing is 1.0, the lock says 1.1",
    ]
    assert packages.compare({}, [installed]) == [
        "some-thing is 1.0, the lock says none"
    ]


def test_only_linux_is_held_to_the_whole_lock(installed, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert packages.compare({"gone": "3"}, [installed]) == []
    assert len(packages.compare({"some-thing": "1.1"}, [installed])) == 1


@pytest.mark.parametrize(
    ("pin", "holes", "arguments", "code"),
    [
        ("1.0", [], [], 0),
        ("1.0", ["one"], [], 0),  # a new advisory must not stop a class
        ("1.0", ["one"], ["--strict"], 1),
        ("1.1", [], [], 1),
    ],
)
def test_the_lock_stops_a_class_and_an_advisory_does_not(
    installed, tmp_path, monkeypatch, capsys, pin, holes, arguments, code
):
    lock = tmp_path / "constraints.txt"
    lock.write_text(f"some-thing=={pin}\n")
    monkeypatch.setattr(packages, "LOCK", lock)
    monkeypatch.setattr(packages.metadata, "distributions", lambda: [installed])
    monkeypatch.setattr(packages, "is_reached", lambda: True)
    monkeypatch.setattr(packages, "look_up", lambda: holes)
    monkeypatch.setattr(sys, "argv", ["packages.py", *arguments])
    assert packages.main() == code
    told = capsys.readouterr().err
    assert ("ADVISORY: one" in told) == bool(holes)
    assert ("LOCK: " in told) == (pin == "1.1")


@pytest.mark.parametrize(
    ("pin", "code"), [("some-thing==1.0", 0), ("other==2", 1), ("some-thing==2", 1)]
)
def test_an_extra_may_be_installed_in_its_locked_version_and_need_not(
    installed, tmp_path, monkeypatch, pin, code
):
    monkeypatch.setattr(sys, "platform", "linux")
    for name, text in {"LOCK": "", "EXTRA": f"{pin}\nnever==3\n"}.items():
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(packages, name, tmp_path / name)
    monkeypatch.setattr(packages.metadata, "distributions", lambda: [installed])
    monkeypatch.setattr(packages, "is_reached", lambda: False)
    monkeypatch.setattr(sys, "argv", ["packages.py"])
    assert packages.main() == code


def test_a_package_that_was_not_looked_up_is_not_called_clean():
    hole = {"id": "GHSA-1", "fix_versions": ["2.1", "3.0"]}
    report = {
        "dependencies": [
            {"name": "good", "version": "1", "vulns": []},
            {"name": "bad", "version": "2", "vulns": [hole]},
            {"name": "lost", "skip_reason": "not found"},
        ]
    }
    assert packages.read_holes(report) == [
        "bad 2 has the known hole GHSA-1, mended in 2.1, 3.0",
        "lost not looked up: not found",
    ]
