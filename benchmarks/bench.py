"""Run every claim of speed, one after the other, and write the table of the page.

    make bench                                  # or: python benchmarks/bench.py
    python benchmarks/bench.py --only cold_start grad_cam     # prints, writes nothing

Each script of `SCRIPTS` writes its rows as JSON, see `claims.py`; the joined table goes
into docs/performance.md between its two markers, with the machine and the day. On two
quiet cores this is meant to take at most 30 minutes; other work beside it spoils it.
A script that is missing or fails ends the run, and the page stays as it was.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import claims

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"
MOST_MINUTES = 30
# The one list: a script of this folder and its arguments; {folder} is an empty folder.
SCRIPTS = {
    "cold_start": [],
    "dicom_to_png": ["--files", "160", "40", "80", "--peers", "2"],
    "phantoms": [],
    "growth": ["{folder}/out"],
    "pipeline": [],
    "training_step": [],
    "grad_cam": [],
    "diagnose_cost": [],
}


def main():
    """Run the scripts and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, help="print these alone")
    options = parser.parse_args()
    names = options.only or [*SCRIPTS]
    check(names)
    begin = time.monotonic()
    rows = []
    for place, name in enumerate(names, start=1):
        print(f"{place} of {len(names)}: {name}", flush=True)
        start = time.monotonic()
        rows += run(name)
        print(f"{name} took {time.monotonic() - start:.0f} s", flush=True)
    minutes = (time.monotonic() - begin) / 60
    print(f"\n{claims.draw_table(rows)}\n\n{minutes:.1f} minutes in all")
    if minutes > MOST_MINUTES:
        print(f"More than {MOST_MINUTES} minutes: is the machine busy otherwise?")
    if not options.only:
        page = PAGE.read_text(encoding="utf-8")
        text = f"{tell_machine(minutes)}\n\n{claims.draw_table(rows)}"
        PAGE.write_text(replace(page, text), encoding="utf-8")
        print(f"Written into {PAGE}")


def check(names: list[str]) -> None:
    """Refuse to begin where a script is missing, or the page has no place."""
    missing = [f"{name}.py" for name in names if not (HERE / f"{name}.py").is_file()]
    if missing:
        sys.exit(
            f"{HERE} lacks {', '.join(missing)}, of SCRIPTS in bench.py: nothing was "
            "run."
        )
    replace(PAGE.read_text(encoding="utf-8"), "")


def run(name: str) -> list[dict]:
    """Run one script in a process of its own; return its rows."""
    with tempfile.TemporaryDirectory() as folder:
        rows, own = Path(folder) / "rows.json", Path(folder) / "own"
        own.mkdir()
        arguments = [word.format(folder=own) for word in SCRIPTS[name]]
        script = [sys.executable, str(HERE / f"{name}.py")]
        paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
        done = subprocess.run(
            [*script, *arguments, "--json", str(rows)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        if done.returncode:
            sys.exit(f"{name}.py ended with status {done.returncode}: no page written.")
        if not rows.is_file():
            sys.exit(f"{name}.py wrote no rows to its --json: no page written.")
        return json.loads(rows.read_text(encoding="utf-8"))


def replace(page: str, text: str) -> str:
    """Put a text between the markers of a page, which must each stand there once."""
    if (
        page.count(BEGIN) != 1
        or page.count(END) != 1
        or page.find(END) < page.find(BEGIN)
    ):
        sys.exit(f"{PAGE} must hold {BEGIN} and then {END}, once each.")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def tell_machine(minutes: float) -> str:
    """Say when and on what the figures were measured."""
    packages = ("tensorflow", "keras", "numpy", "opencv-python-headless", "pydicom")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    return (
        f"Measured on {datetime.date.today():%d %B %Y} in {minutes:.0f} minutes, "
        f"{os.cpu_count()} cores ({tell_processor()}), Python "
        f"{platform.python_version()}, {versions}."
    )


def tell_processor() -> str:
    """Name the processor, as Linux does, or its kind alone."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else []
    names = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return names[0].strip() if names else platform.machine()


if __name__ == "__main__":
    main()
