"""Run the verbs on two machines of a Ray cluster, kill what works, compare and time.

    python benchmarks/many_machines.py OUT [--cases 200] [--size 512] [--rounds 5]
        [--parts bytes kills trainings overhead]

Needs Ray, Linux and root. The two machines are two Ray nodes on loopback, each in a
mount namespace of its own: the folder OUT/site is another disk on either, with its own
copy of the films. What one writes there the other does not see.

bytes: `prepare` there against local processes, every file. kills: workers killed by
SIGKILL from outside, a film that kills each worker that reads it, a machine that dies.
trainings: `train segmenter --fold all` and `compare` against local ones, and a rerun.
overhead: seconds of the whole command, in turns: local processes, a cluster of this
machine alone, and the two machines, with as many processes each (`--cores`).
"""

import argparse
import hashlib
import os
import random
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from rds_phantoms import dataset
from rds_tf.data import prepare
from rds_tf.parallel import ray_cluster, remote_task

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("bytes", "kills", "trainings", "overhead")
KEPT = (".png", ".csv", ".json", ".safetensors")
KILLER = "case0005.dcm"
PRIVATE = ["unshare", "--mount", "--propagation", "private"]


def main():
    """Make the films, then go on in a mount namespace of our own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2, help="even")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--node", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out = options.out.resolve()
    if options.node:
        own_disk(options.out)
        os.execv(ray_program(), [ray_program(), *options.node.split()])
    if options.inside:
        return run_parts(options)
    films = options.out / "films"
    if not (films / "cohort.csv").is_file():
        dataset.write_cohort(
            films, options.cases, longest_px=options.size, num_workers=options.cores
        )
    if "trainings" in options.parts:
        prepare.prepare(films / "cohort.csv", options.out / "prepared", films)
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    sys.exit(subprocess.call([*PRIVATE, sys.executable, *sys.argv, "--inside"]))


def run_parts(options) -> None:
    """Start the machines and run what is asked for."""
    own_disk(options.out)
    half = options.cores // 2
    if {*options.parts} - {"overhead"}:
        with Cluster(options.out, half, half) as machines:
            for part in options.parts:
                if part != "overhead":
                    globals()[f"show_{part}"](options, machines)
    if "overhead" in options.parts:
        show_overhead(options)


def own_disk(out: Path) -> None:
    """Mount a disk of this namespace at OUT/site, with its own copy of the films."""
    site = out / "site"
    site.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", site], check=True)
    shutil.copytree(out / "films", site / "films")  # with their times
    if (out / "prepared").is_dir():
        shutil.copytree(out / "prepared", site / "prepared")


def ray_program() -> str:
    """Return the path of the command `ray` beside this Python."""
    return str(Path(sys.executable).with_name("ray"))


class Cluster:
    """One or two Ray nodes that this process started and ends."""

    def __init__(self, out: Path, *cores: int):
        """Say how many cores each has; the first is this namespace's."""
        self.out, self.cores, self.nodes = out, cores, []
        self.address = f"127.0.0.1:{random.randint(20000, 30000)}"

    def __enter__(self):
        """Start them one after the other."""
        port = self.address.rpartition(":")[2]
        shared = "--disable-usage-stats --block --node-ip-address 127.0.0.1"
        first = f"start --head --port {port} --include-dashboard=false {shared}"
        self.start([ray_program(), *first.split()], self.cores[0])
        for cores in self.cores[1:]:
            self.start_afar(cores)
        return self

    def start_afar(self, cores: int) -> None:
        """Start a node with a disk of its own."""
        words = f"start --address {self.address} --block --num-cpus {cores}"
        program = [sys.executable, __file__, str(self.out), "--node", words]
        self.start([*PRIVATE, *program], None)

    def start(self, command: list[str], cores: int | None) -> None:
        """Start a node and wait until it says that it runs."""
        if cores:
            command = [*command, "--num-cpus", str(cores)]
        log = self.out / f"node{len(self.nodes)}.log"
        for _ in range(3):  # a busy machine needs more than the 15 s of Ray
            with open(log, "w") as file:
                node = subprocess.Popen(command, stdout=file, stderr=file)
            while node.poll() is None:
                if "Ray runtime started" in log.read_text():
                    self.nodes.append(node)
                    return
                time.sleep(0.2)
        self.__exit__()
        raise RuntimeError(f"A node did not start, see {log}")

    def __exit__(self, *_):
        """End them."""
        for node in reversed(self.nodes):
            node.terminate()
        for node in self.nodes:
            node.wait(60)

    def find(self, name: str) -> list[psutil.Process]:
        """Find the processes of our nodes whose command line holds a word."""
        found = []
        for node in self.nodes:
            try:
                children = psutil.Process(node.pid).children(recursive=True)
                found += [c for c in children if name in " ".join(c.cmdline())]
            except psutil.NoSuchProcess:
                pass
        return found


def verb(out: Path, *words, address: str | None = None) -> float:
    """Run a verb in a process of its own; return its seconds."""
    engine = ["--engine", "ray", "--address", address] if address else []
    command = [sys.executable, "-m", "rds_tf", *map(str, words), *engine]
    start = time.perf_counter()
    with open(out / "verbs.log", "a") as log:
        done = subprocess.run(command, stdout=log, stderr=log)
    if done.returncode:
        raise RuntimeError(f"{words}: ended with {done.returncode}, see {log.name}")
    return time.perf_counter() - start


def prepare_words(options, name: str) -> tuple:
    """Return the words of `prepare` into a folder of this machine's disk."""
    films, out = options.out / "site/films", options.out / "site" / name
    shutil.rmtree(out, ignore_errors=True)
    workers = "--workers", options.cores
    return ("prepare", films / "cohort.csv", out, "--root", films, *workers)


def read_tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each result by its name below `folder`."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.suffix in KEPT and not path.name.startswith(".")
    }


def compare(first: Path, second: Path) -> str:
    """Say how many files are the same."""
    one, two = read_tree(first), read_tree(second)
    other = sorted(name for name in one | two if one.get(name) != two.get(name))
    text = f"{len(one) - len(other)} of {len(one)} files the same, byte for byte"
    return text + (f", not {other[:5]}" if other else "")


def prepare_counted(options, machines, name: str) -> tuple[prepare.Summary, int]:
    """Prepare on the cluster from this process; count the films that came home."""
    words = prepare_words(options, name)
    collect, came = remote_task.collect, []

    def count_and_collect(item, result, origin):
        if result and result[2]:
            came.append(item)
        return collect(item, result, origin)

    remote_task.collect = count_and_collect
    try:
        chosen = ray_cluster.choose_executor("ray", machines.address)
        return prepare.prepare(words[1], words[2], words[4], None, chosen), len(came)
    finally:
        remote_task.collect = collect


def show_bytes(options, machines) -> None:
    """Compare every file of `prepare` with a local run's."""
    verb(options.out, *prepare_words(options, "local"))
    _, came = prepare_counted(options, machines, "afar")
    site = options.out / "site"
    print(f"bytes: {compare(site / 'local', site / 'afar')}; {came} films came home")


def show_kills(options, machines) -> None:
    """Kill workers, let a film kill its workers, and kill a machine."""
    site = options.out / "site"
    if not (site / "local").is_dir():
        verb(options.out, *prepare_words(options, "local"))
    killed = []
    stop = threading.Event()

    def kill_now_and_then():
        while not stop.wait(random.uniform(2, 6)) and len(killed) < 10:
            if busy := machines.find("ray::_run_shard"):
                victim = random.choice(busy)
                victim.kill()
                killed.append(victim.pid)

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    done, _ = prepare_counted(options, machines, "torn")
    stop.set()
    killer.join()
    text = compare(site / "local", site / "torn")
    print(f"kills: {len(killed)} workers killed, {done.num_rejected} lost; {text}")

    whole = prepare.prepare_case
    prepare.prepare_case = prepare_or_die
    try:
        done, _ = prepare_counted(options, machines, "deadly")
    finally:
        prepare.prepare_case = whole
    named = (site / "deadly/rejected.csv").read_text().strip().splitlines()[1:]
    print(f"a deadly film: {done.num_images} done, rejected: {named}")

    ending = threading.Timer(3, kill_machine, [machines])
    ending.start()
    done, came = prepare_counted(options, machines, "halved")
    ending.join()
    text = compare(site / "local", site / "halved")
    print(f"a machine killed after 3 s: {done.num_rejected} lost; {came} came; {text}")
    machines.nodes.pop().wait(60)
    machines.start_afar(options.cores // 2)


def kill_machine(machines: Cluster) -> None:
    """Kill the second node and all that runs on it."""
    node = psutil.Process(machines.nodes[-1].pid)
    for process in [*node.children(recursive=True), node]:
        process.kill()


def prepare_or_die(task: prepare.Task) -> None:
    """Prepare a case, or end this process by SIGKILL."""
    if task.source.name == KILLER:
        os.kill(os.getpid(), signal.SIGKILL)
    from rds_tf.data import prepare

    prepare.prepare_case(task)


def show_trainings(options, machines) -> None:
    """Compare trained models with those of local processes; run again."""
    site = options.out / "site"
    short = "--start", "scratch", "--training-steps", 20
    small = "train", "segmenter", site / "prepared"
    more = *short, "--image-px", 32, "--fold"
    for fold in range(5):  # Keras numbers the models of a process, in their files too
        verb(options.out, *small, site / "train_local", *more, fold)
    every = *small, site / "train_afar", *more, "all"
    verb(options.out, *every, address=machines.address)
    print(f"train: {compare(site / 'train_local', site / 'train_afar')}")
    both = "compare", site / "prepared"
    arm = *short, "--inputs", "combined"
    verb(options.out, *both, site / "compare_local", *arm)
    verb(options.out, *both, site / "compare_afar", *arm, address=machines.address)
    print(f"compare: {compare(site / 'compare_local', site / 'compare_afar')}")
    log = options.out / "verbs.log"
    before = log.stat().st_size
    verb(options.out, *both, site / "compare_afar", *arm, address=machines.address)
    begun = log.read_bytes()[before:].count(b"Epoch 1/")
    print(f"compare again: {begun} trainings begun")


def show_overhead(options) -> None:
    """Time whole commands in turns."""
    cores, half = options.cores, options.cores // 2
    for name, sizes in (("one machine", (cores,)), ("two machines", (half, half))):
        seconds = {"local": [], name: []}
        with Cluster(options.out, *sizes) as machines:
            for turn in range(options.rounds + 1):
                here = verb(options.out, *prepare_words(options, "timed"))
                words = prepare_words(options, "timed")
                there = verb(options.out, *words, address=machines.address)
                if turn:  # the first fills caches
                    seconds["local"].append(here)
                    seconds[name].append(there)
        ratios = [t / h for h, t in zip(*seconds.values(), strict=True)]
        here, there = map(statistics.median, seconds.values())
        print(
            f"overhead, {name} of {cores} cores in all: {there:.1f} s, local processes "
            f"{here:.1f} s, ratio {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f}), {options.rounds} rounds",
            flush=True,
        )


if __name__ == "__main__":
    main()
