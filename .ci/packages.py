"""Are the installed packages those of the lock, whole, and without known holes?

    python .ci/packages.py [--strict]

First, without network: what is installed beside this program must be what
constraints.txt pins, no more, no less and in no other version, and every file that a
package brought must have the SHA-256 that its RECORD lists. Any difference fails. What
constraints-ray.txt pins, for the extra `ray`, may be there or not.

Then, where the advisory database (OSV) can be reached, pip-audit looks the lock up in
it. A hole that is found is printed but fails only with `--strict`: an advisory may
appear on the morning of a class, and what ran yesterday must run. Nor does it fail
where nothing could be looked up, and says so: pip-audit's own default, the package
index, answers "not found" behind some mirrors, and pip-audit then ends well.
"""

import argparse
import base64
import hashlib
import json
import os
import subprocess
import sys
import urllib.request
import venv
from concurrent import futures
from importlib import metadata
from pathlib import Path

from packaging import requirements, utils

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "constraints.txt"
EXTRA = ROOT / "constraints-ray.txt"
AUDIT = ROOT / ".audit"  # pip-audit has its own environment: it is not of the set
DATABASE = "https://api.osv.dev/v1/query"
OLD = {"version": "2.4.1", "package": {"name": "jinja2", "ecosystem": "PyPI"}}  # holed
OURS = {"pip", "rds-tf"}  # of the environment itself, and what is being worked on


def main() -> int:
    """Check and print; 1 where something differs from the lock, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strict", action="store_true", help="advisories fail too")
    strict = parser.parse_args().strict
    installed = [one for one in metadata.distributions() if name_of(one) not in OURS]
    names = {name_of(one) for one in installed}
    extra = read_lock(EXTRA.read_text()).items()
    lock = read_lock(LOCK.read_text()) | {n: v for n, v in extra if n in names}
    faults = compare(lock, installed)
    with futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        for damaged in threads.map(find_damage, installed):
            faults += damaged
    for fault in faults:
        print(f"LOCK: {fault}", file=sys.stderr)
    if faults:
        return 1
    print(f"{len(installed)} packages are those of {LOCK.name}, every file as packed.")
    holes = look_up() if is_reached() else ["not looked up: no database in reach"]
    for hole in holes:
        print(f"ADVISORY: {hole}", file=sys.stderr)
    return int(strict and bool(holes))


def name_of(installed: metadata.Distribution) -> str:
    """Return a package's name as indexes spell it."""
    return utils.canonicalize_name(installed.metadata["Name"])


def read_lock(text: str) -> dict[str, str]:
    """Return version by name of the pins that hold for this Python."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    pins = [requirements.Requirement(line) for line in lines if line]
    return {
        utils.canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }


def compare(lock: dict[str, str], installed: list[metadata.Distribution]) -> list[str]:
    """Say what is installed otherwise than locked, one sentence each.

    The lock was written on Linux; other systems need a package more or less.
    """
    here = {name_of(one): one.version for one in installed}
    on_linux = sys.platform == "linux"
    names = here.keys() | lock.keys() if on_linux else here.keys() & lock.keys()
    return [
        f"{name} is {here.get(name, 'missing')}, the lock says {lock.get(name, 'none')}"
        for name in sorted(names)
        if here.get(name) != lock.get(name)
    ]


def find_damage(installed: metadata.Distribution) -> list[str]:
    """Name the files of a package that are not as its RECORD says."""
    if installed.files is None:
        return [f"{name_of(installed)} has no RECORD of its files"]
    return [
        f"{name_of(installed)}: {file} is missing, or not as it was packed"
        for file in installed.files
        if file.hash and hash_file(file.locate(), file.hash.mode) != file.hash.value
    ]


def hash_file(path, kind: str) -> str:
    """Return a file's hash as RECORD writes it, or nothing where there is no file."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, kind).digest()
    except FileNotFoundError:
        return ""
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_reached() -> bool:
    """Ask the database for a hole that is known: does it answer?"""
    try:
        with urllib.request.urlopen(DATABASE, json.dumps(OLD).encode(), 5) as answer:
            return "vulns" in json.load(answer)
    except (OSError, ValueError):
        return False


def look_up() -> list[str]:
    """Let pip-audit look the lock up; one sentence a hole, or why it could not."""
    try:
        if not (AUDIT / "bin" / "pip-audit").exists():
            venv.create(AUDIT, with_pip=True)
            get = [AUDIT / "bin" / "pip", "install", "--quiet", "pip-audit"]
            subprocess.run(get, check=True, timeout=300)
        command = [AUDIT / "bin" / "pip-audit", "--requirement", LOCK, "--no-deps"]
        command += ["--disable-pip", "--vulnerability-service", "osv"]
        command += ["--format", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return read_holes(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return [f"not looked up: pip-audit failed ({type(error).__name__})"]


def read_holes(report: dict) -> list[str]:
    """Return one sentence a hole of a report of pip-audit, or a package left out."""
    found = []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            found.append(f"{package['name']} not looked up: {package['skip_reason']}")
        for hole in package.get("vulns", []):
            cure = ", ".join(hole["fix_versions"]) or "no version yet"
            name = f"{package['name']} {package['version']}"
            found.append(f"{name} has the known hole {hole['id']}, mended in {cure}")
    return found


if __name__ == "__main__":
    sys.exit(main())
