"""Run the golden values, and quick tests, on a matrix of package versions.

    python benchmarks/versions.py OUT [--only NAME ...] [--tests PATH ...]

The base of each Python is an environment of constraints.txt; the one that runs this
script is taken for its own version, others are made in OUT (`python3.13` must be on
the path). Each cell is an environment on top of a base: pip solves all of
requirements.txt anew with the cell's pins in place of the lock's, and installs what
differs. So a cell costs a minute and not a TensorFlow. One version is moved at a time;
besides, all the oldest together and all the newest. A cell is deleted when it is done.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from packaging import requirements

ROOT = Path(__file__).resolve().parents[1]
UNUSED = {"gradio", "jupyter", "nbclient", "jupytext", "nbval", "playwright", "ruff"}
UNUSED |= {"highdicom"}  # DICOM out
OLDEST = {
    "opencv-python-headless": "4.12.0.88",
    "pandas": "2.2.3",
    "keras": "3.13.2",
    "numpy": "2.1.3",
    "scikit-learn": "1.6.1",
}
COLAB = OLDEST | {"opencv-python-headless": "5.0.0.93"}
NUMPY = {"numpy": "2.2.6"}  # the newest that OpenCV 4.12 admits
CELLS = {  # name -> Python, pins in place of the lock's
    "lock": ("3.11", {}),
    "OpenCV 4.12": ("3.11", {"opencv-python-headless": "4.12.0.88"} | NUMPY),
    "OpenCV 4.14": ("3.11", {"opencv-python-headless": "4.14.0.94"}),
    "pandas 2.2": ("3.11", {"pandas": "2.2.3"}),
    "Keras 3.13": ("3.11", {"keras": "3.13.2"}),
    "all oldest": ("3.11", OLDEST),
    "all newest": ("3.13", {}),
    "Colab": ("3.13", COLAB),
}
TESTS = ["tests/test_golden.py", "tests/test_store.py", "tests/lungs/test_frame.py"]
TESTS += ["tests/lungs/test_postprocess.py", "tests/data/test_radiograph.py"]
TESTS += ["tests/data/test_cohort.py", "tests/data/test_folds.py"]
TESTS += ["tests/data/test_manifest.py", "tests/data/test_prepare.py"]


def main() -> int:
    """Make, run and delete each cell and print its row; 1 where a cell fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--tests", nargs="*", default=TESTS)
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    print("| cell | Python, OpenCV, pandas, Keras, NumPy | angle | mask IoU | ", end="")
    print("probability | phantom | tests |\n|---|---|---|---|---|---|---|")
    failed = 0
    for name in options.only:
        version, pins = CELLS[name]
        cell = out / name.replace(" ", "-")
        try:
            python = make_cell(cell, find_base(out, version), pins)
            found = measure(python)
            summary, well = run_tests(python, options.tests)
        except subprocess.CalledProcessError as error:
            print(f"| {name} | FAILED: {' '.join(map(str, error.cmd))} |", flush=True)
            print(error.stderr[-3000:], file=sys.stderr)
            failed += 1
        else:
            print(f"| {name} | {describe(found)} | {summary} |", flush=True)
            failed += not (found["holds"] and well)
        finally:
            shutil.rmtree(cell, ignore_errors=True)
    return int(failed > 0)


def find_base(out: Path, version: str) -> Path:
    """Return the Python of an environment of the lock; make one if need be."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    base = out / f"base-{version}"
    python = base / "bin" / "python"
    if not (base / "done").exists():
        make = [f"python{version}", "-m", "venv", "--without-pip", "--clear"]
        run([*make, base])
        install(python, base, {})
        (base / "done").touch()
    return python


def make_cell(cell: Path, base: Path, pins: dict[str, str]) -> Path:
    """Make an environment that sees the base's packages behind its own."""
    run([base, "-m", "venv", "--without-pip", "--clear", cell])
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    python = cell / "bin" / "python"
    below = run([base, "-c", ask]).strip()
    (Path(run([python, "-c", ask]).strip()) / "base.pth").write_text(f"{below}\n")
    install(python, cell, pins)
    return python


def install(python: Path, home: Path, pins: dict[str, str]) -> None:
    """Install what rds_tf needs: `pins` hold, and the lock for every other package."""
    lines = read_lines(ROOT / "requirements.txt", UNUSED)
    (home / "needed.txt").write_text("\n".join(lines))
    lock = read_lines(ROOT / "constraints.txt", pins)
    lock += [f"{name}=={version}" for name, version in pins.items()]
    (home / "lock.txt").write_text("\n".join(lock))
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run([*command, "-r", home / "needed.txt", "-c", home / "lock.txt"])


def read_lines(path: Path, left_out) -> list[str]:
    """Read requirements without comments and without some packages."""
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    return [
        line
        for line in lines
        if line and requirements.Requirement(line).name not in left_out
    ]


def measure(python: Path) -> dict:
    """Run the golden values in a cell."""
    command = [python, ROOT / "benchmarks" / "golden.py"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if not done.stdout.strip():
        raise subprocess.CalledProcessError(
            done.returncode, command, stderr=done.stderr
        )
    return json.loads(done.stdout.splitlines()[-1]) | {"holds": done.returncode == 0}


def run_tests(python: Path, tests: list[str]) -> tuple[str, bool]:
    """Run quick tests in a cell: pytest's last line, and whether it went well."""
    if not tests:
        return "not run", True
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment()
    )
    if done.returncode:
        print(done.stdout[-5000:], done.stderr[-2000:], file=sys.stderr)
    lines = done.stdout.strip().splitlines() or ["pytest said nothing"]
    return lines[-1].strip("= "), done.returncode == 0


def describe(found: dict) -> str:
    """Return the versions and the differences of one cell, as cells of a table."""
    names = ("python", "opencv-python-headless", "pandas", "keras", "numpy")
    verdict = "" if found["holds"] else " FAILS"
    return " | ".join(
        [
            ", ".join(found["versions"][name] for name in names),
            f"{found['angle_degrees']:.3f}",
            f"{found['mask_iou']:.5f}",
            f"{found['probability']:.1e}{verdict}",
            f"{found['film_levels']:.2f}",
        ]
    )


def environment() -> dict[str, str]:
    """Let a cell import this working tree and no other."""
    return os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}


def run(command: list) -> str:
    """Run a command to its end and return what it printed."""
    command = list(map(str, command))
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
