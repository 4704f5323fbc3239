"""Does any bad input crash, hang, eat the memory, or pass for a good one?

    python benchmarks/bad_input.py [--count 1200] [--seed 0] [--only KIND ...]

Mutants of films, outlines, tables, pictures, models, prepared folders and command
lines (`bad_mutants.py` makes and judges them) are each given to a child process. What
counts as a fault: another error than a sentence of the project's own; a sentence that
does not name what it is about; more than 10 s of processor time, or five minutes; more
than 2 GiB; a child that dies; a result that is not what the input says. Exit status 1
and a list if there was one. Command lines are not for root: a verb may write where a
mutant says.
"""

import argparse
import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import bad_mutants
from tqdm import tqdm

MOST_SECONDS = 10  # of processor time a mutant
MOST_WAITING = 300  # a busy machine is no hang, a child that waits for ever is
START_SECONDS = 600  # of a child: TensorFlow is slow to import on a busy machine
MOST_BYTES = 2 * 2**30
MOST_ADDRESSES = {"model": 16 * 2**30, "command": 16 * 2**30}  # TensorFlow maps much
PROPORTIONS = {
    **{"dicom": 0.35, "outline": 0.15, "table": 0.1, "picture": 0.12},
    **{"model": 0.08, "prepared": 0.08, "command": 0.12},
}


class Child:
    """A process that judges mutants of one kind, one line in and one line out."""

    def __init__(self, kind: str, folder: Path, seed: int):
        """Start it and wait until it has written its good files."""
        command = [sys.executable, __file__, "--judge", kind, str(folder), str(seed)]
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        if self.read(START_SECONDS) != "ready":
            raise RuntimeError(
                f"The child for {kind} did not start: {self.last_words()}"
            )

    def judge(self, index: int) -> dict:
        """Judge one mutant; a child that fails at it is ended."""
        print(index, file=self.process.stdin, flush=True)
        before, answer = self.count_seconds(), ""
        for _ in range(MOST_WAITING // MOST_SECONDS):
            answer = answer or self.read(MOST_SECONDS)
            if answer or self.count_seconds() - before > MOST_SECONDS:
                break
        if answer:
            return json.loads(answer)
        ready, _, _ = select.select([self.process.stdout], [], [], 0)
        fault = f"died: {self.last_words()}" if ready else "hung"  # it closed its end
        self.end()
        return {"fault": fault, "what": f"mutant {index}"}

    def count_seconds(self) -> float:
        """Seconds of processor time that the child has used."""
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return float("inf")
        ticks = sum(map(int, stat.rpartition(")")[2].split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def read(self, seconds: float) -> str:
        """Read one line, "" where none came in time."""
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return self.process.stdout.readline().strip() if ready else ""

    def last_words(self) -> str:
        """The end of what the child wrote to stderr."""
        self.errors.seek(0)
        return self.errors.read()[-300:].decode(errors="replace")

    def end(self) -> None:
        """Kill the child and wait for it."""
        with self.process, self.errors:  # closes the pipes
            self.process.kill()


def judge_all(kind: str, folder: str, seed: str) -> None:
    """Be the child: read numbers of mutants, write what became of each."""
    limit = MOST_ADDRESSES.get(kind, MOST_BYTES + 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is printed is no answer
    bench = bad_mutants.Bench(kind, Path(folder), int(seed))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        Path("/proc/self/clear_refs").write_text("5")  # forget the highest memory
        before = used_seconds()
        found = bench.try_mutant(int(line))
        found["seconds"] = used_seconds() - before
        found["bytes"] = highest_memory()
        if found["seconds"] > MOST_SECONDS:
            found["fault"] = found.get("fault") or f"took {found['seconds']:.0f} s"
        if found["bytes"] > MOST_BYTES and not found.get("fault"):
            found["fault"] = f"took {found['bytes']} bytes"
        print(json.dumps(found), file=answers, flush=True)


def used_seconds() -> float:
    """Seconds of processor time of this process, and of those it has started."""
    apart = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + apart.ru_utime + apart.ru_stime


def highest_memory() -> int:
    """Bytes that this process held at most since it was asked to forget.

    Or any that it ever started, where that is more.
    """
    status = Path("/proc/self/status").read_text()
    here = int(status.partition("VmHWM:")[2].split()[0])
    return 1024 * max(here, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def run(kind: str, count: int, seed: int, folder: Path) -> list[dict]:
    """Judge `count` mutants of one kind, starting a new child where one ends."""
    folder.mkdir(parents=True, exist_ok=True)
    child, results = None, []
    for index in tqdm(range(count), kind.ljust(9), disable=None):
        if child is None or child.process.poll() is not None:
            child = Child(kind, folder, seed)
        results.append({"index": index, **child.judge(index)})
    if child:
        child.end()
    return results


def main() -> int:
    """Judge all kinds and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="+", choices=PROPORTIONS, default=list(PROPORTIONS)
    )
    parser.add_argument("--keep", type=Path, help="folder to keep the mutants in")
    options = parser.parse_args()
    if "command" in options.only and os.geteuid() == 0:
        parser.error("Commands are not for root: a verb writes where a mutant says.")
    faults = 0
    print("kind       mutants  accepted  refused  faults  slowest  most memory")
    with tempfile.TemporaryDirectory() as temporary:
        for kind in options.only:
            count = round(options.count * PROPORTIONS[kind])
            folder = (options.keep or Path(temporary)) / kind
            results = run(kind, count, options.seed, folder)
            verdicts = Counter(one.get("verdict", "fault") for one in results)
            slowest = max(one.get("seconds", MOST_SECONDS) for one in results)
            most = max(one.get("bytes", 0) for one in results) / 2**20
            wrong = [one for one in results if one.get("fault")]
            print(
                f"{kind:9}{count:9}{verdicts['accepted']:10}{verdicts['refused']:9}"
                f"{len(wrong):8}{slowest:8.2f} s{most:9.0f} MiB",
                flush=True,
            )
            for one in wrong:
                print(f"  {kind} {one['index']} {one.get('what', '')}: {one['fault']}")
            faults += len(wrong)
    print(f"faults: {faults}")
    return 1 if faults else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--judge"]:
        judge_all(*sys.argv[2:])
    else:
        sys.exit(main())
