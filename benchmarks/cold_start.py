"""Time a cold start: `--help`, the import, and the first answer of `diagnose`.

    python benchmarks/cold_start.py [--rounds 5] [--json FILE]

Every figure is a process of its own, the arms run in turns, files are in the system's
cache. `diagnose` reads one phantom, loads the shipped models, writes its answer and
picture, and ends; what importing TensorFlow and Keras takes of it is given apart.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import claims
from tqdm import tqdm

OURS = [sys.executable, "-m", "rds_tf"]
PYTHON = [sys.executable, "-c"]


def main():
    """Time all starts in turns, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run([*OURS, "phantom", folder, "--cases", "1"])
        (film,) = Path(folder, "dicom").iterdir()
        arms = {
            "python": [*PYTHON, "pass"],
            "help": [*OURS, "--help"],
            "import": [*PYTHON, "import rds_tf"],
            "tensorflow": [*PYTHON, "import rds_tf, tensorflow, keras"],
            "diagnose": [*OURS, "diagnose", str(film), "--out", f"{folder}/out"],
        }
        medians = measure(arms, options.rounds)
    claims.publish(judge(medians), options.json)


def run(command: list[str]) -> float:
    """Run a command to its end; return its seconds."""
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return time.perf_counter() - begin


def measure(arms: dict[str, list[str]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each arm, after a turn that warms the disk."""
    seconds = {name: [] for name in arms}
    for turn in tqdm(range(rounds + 1), desc="cold starts"):
        for name, command in arms.items():
            taken = run(command)
            if turn:
                seconds[name].append(taken)
    for name, found in seconds.items():
        span = f"{min(found):.2f} to {max(found):.2f}"
        print(f"{name:10} {statistics.median(found):6.2f} s ({span})")
    return {name: statistics.median(found) for name, found in seconds.items()}


def judge(medians: dict[str, float]) -> list[dict]:
    """Make the rows: seconds, beside the least that such a process takes."""
    rows = {
        "`python -m rds_tf --help`, beside bare Python": ("help", "python", "<= 0.3"),
        "`import rds_tf`, beside bare Python": ("import", "python", ""),
        "import of TensorFlow and Keras alone": ("tensorflow", None, ""),
        "cold `diagnose` to its first answer, beside importing TensorFlow": (
            "diagnose",
            "tensorflow",
            "<= 12",
        ),
    }
    return [
        claims.make_row(
            work,
            ours=medians[mine],
            unit="s",
            must=must,
            limit=medians[limit] if limit else None,
        )
        for work, (mine, limit, must) in rows.items()
    ]


if __name__ == "__main__":
    main()
