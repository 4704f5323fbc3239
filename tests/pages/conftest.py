"""A pack written by hand, its server in a process of its own, and a real browser."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from rds_readers import design, sign_in
from rds_tf.storage import disk

REPOSITORY = Path(__file__).parents[2]
CODES = {"R1": "AB2C-DE3F-GH4J", "R2": "KM5N-PQ6R-ST7V"}
START_SECONDS = 120


def write_pack(folder, order="sequential", num_cases=12, washout_days=14, **more):
    """Write a pack of small films: left half a quarter bright, right half three."""
    pack = folder / "pack"
    for name in ("films", "model"):
        (pack / name).mkdir(parents=True)
    cases = [f"C{i:03d}" for i in range(1, num_cases + 1)]
    for number, case in enumerate(cases):
        film = np.full((60, 40), 191, "uint8")
        film[:, :20] = 64
        if case == "C001":  # two 16-bit levels that 8 bits cannot tell apart
            film = np.full((60, 40), 33168, "uint16")
            film[:, :20] = 32768
        cv2.imwrite(str(pack / "films" / f"{case}.png"), film)
        layer = np.zeros((60, 40, 4), "uint8")
        layer[:30] = (0, 0, 255, 255)  # red above, as BGRA
        cv2.imwrite(str(pack / "model" / f"{case}.png"), layer)
        called = number % 3 > 0
        view = {"probability": 0.87 if called else 0.12, "has_map": called}
        view["decision"] = "RDS" if called else "no RDS"
        disk.write_json(pack / "model" / f"{case}.json", view)
    plan = design.Design(order, 2, num_cases, washout_days)
    readers = design.plan_sessions(cases, np.arange(num_cases) % 2, plan)
    days = {"order": order, "washout_days": washout_days, **more}
    disk.write_json(pack / "plan.json", {**days, "readers": readers})
    disk.write_json(pack / "access.json", sign_in.hash_sign_in_codes(CODES))
    rows = [f"{case},x,p,{i % 2}\n" for i, case in enumerate(cases)]
    key = "".join(["case,case_id,patient_id,truth\n", *rows])
    (folder / "pack_key.csv").write_text(key)
    return pack


class Server:
    """The reading room of a pack in a process that can be killed."""

    def __init__(self, pack, port=0):
        command = [sys.executable, "-m", "rds_tf", "serve", "study", str(pack)]
        self.process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, args=[lines], daemon=True)
        self.reader.start()
        self.said = []
        while not (found := re.search(r"http://[\d.]+:(\d+)/", "".join(self.said))):
            line = lines.get(timeout=START_SECONDS)
            assert line, f"the server ended: {''.join(self.said)}"
            self.said.append(line)
        self.address, self.port = found[0], int(found[1])

    def _read(self, lines):
        for line in self.process.stdout:
            lines.put(line)
        lines.put("")

    def kill(self):
        """End the server as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.reader.join(30)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()
