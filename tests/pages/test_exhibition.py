"""The exhibition page on a running server: a visitor's browser, and odd uploads."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest

from rds_pages.exhibition import stage
from rds_tf import config

HERE = Path(__file__).parent
CHROMIUM = Path("/usr/bin/chromium")
ODD_DICOM = HERE.parents[1] / "../shared/real/odd_dicom"
FAILED = stage.WORDS["failed"]["en"]
spec = importlib.util.spec_from_file_location("odd_uploads", HERE / "odd_uploads.py")
odd_uploads = importlib.util.module_from_spec(spec)
spec.loader.exec_module(odd_uploads)


class Server:
    """A running page, and what a browser sends to it."""

    def __init__(self, process, web, folder):
        self.process, self.web, self.folder = process, web, folder
        self.url = str(web.base_url).rstrip("/")
        parts = self.web.get("/config").json()
        self.calls = {
            target: number
            for number, call in enumerate(parts["dependencies"])
            for _, target in call["targets"]
        }

    def upload(self, name, content, language="English"):
        """Upload a file and return the page's answer as HTML."""
        files = {"files": (name, content)}
        sent = self.web.post("/gradio_api/upload", files=files)
        assert sent.status_code == 200, sent.text
        data = {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}
        return self.ask("upload", [data, language])[0]

    def move(self, *settings):
        return self.ask("input", [*settings, "English"])[0]

    def ask(self, event, data):
        session = uuid.uuid4().hex
        body = {"data": data, "fn_index": self.calls[event], "session_hash": session}
        self.web.post("/gradio_api/queue/join", json=body).raise_for_status()
        path = f"/gradio_api/queue/data?session_hash={session}"
        with self.web.stream("GET", path) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    said = json.loads(line.removeprefix("data: "))
                    if said["msg"] == "process_completed":
                        assert said["success"], said
                        return said["output"]["data"]
        raise AssertionError("the server ended the stream without an answer")

    def read_memory_mb(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) / 1024


@pytest.fixture(scope="module")
def server(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tmp")
    log = tmp_path_factory.mktemp("log") / "errors.txt"
    command = [sys.executable, "-m", "rds_tf", "serve", "demo", "--models", str(models)]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | {"TMPDIR": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"},
            cwd=HERE.parents[1],
            text=True,
        ) as process,
    ):
        said = []
        while not (found := re.search(r"http://[\d.]+:\d+", "".join(said))):
            said.append(process.stdout.readline())
            assert said[-1], "".join(said) + log.read_text()
        assert config.NOT_FOR_CLINICAL_USE in "".join(said)
        with httpx.Client(base_url=found[0], timeout=60) as web:
            yield Server(process, web, folder)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
    assert list(folder.iterdir()) == []


def test_a_slider_moves_the_picture_and_the_truth(server):
    mild, severe = (
        server.move(0.1, 0, False, 3, 30, 1.5),
        server.move(0.9, 0, False, 3, 30, 1.5),
    )
    assert "Drawn with severity 0.10: no RDS" in mild
    assert "Drawn with severity 0.90: RDS" in severe
    find = re.compile(r'<img class="film"[^>]*src="([^"]*)"')
    assert find.search(mild)[1] != find.search(severe)[1]


@pytest.mark.parametrize(
    "settings",
    [(7, 0, False, 3, 30, 1), (0.5, 900, False, 3, 30, 1), (0.5, 0, True, 3, 30, 9)],
)
def test_settings_beyond_their_ends_do_not_stop_the_page(server, settings):
    with pytest.raises(AssertionError, match="success"):
        server.move(*settings)
    assert "Drawn with severity 0.50" in server.move(0.5, 0, True, 3, 30, 1.5)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        f"/gradio_api/file={config.__file__}",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=https://example.com",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/docs",
        "/monitoring",
        "/static/../config.py",
        "/static/%2e%2e/%2e%2e/blocks.py",
    ],
)
def test_no_route_reads_a_file_or_describes_the_server(server, path):
    assert server.web.get(path).status_code in (403, 404)


def test_a_path_on_the_servers_disk_cannot_be_asked_for(server, tmp_path):
    secret = tmp_path / "film.png"
    secret.write_bytes(odd_uploads.write_picture("png"))
    data = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AssertionError, match="success"):
        server.ask("upload", [data, "English"])
    assert secret.exists()


def test_a_file_over_the_limit_is_refused(server):
    sent = server.web.post("/gradio_api/upload", files={"files": bytes(65 * 2**20)})
    assert sent.status_code == 413


def check_answer(page):
    """Is there an answer, or one sentence, and nothing of the patient in it?"""
    page = re.sub(r'src="data:[^"]*"', "", page)
    assert 'class="stage' in page and FAILED not in page and "Traceback" not in page
    assert "KIM" not in page and "MINJI" not in page and "passwd" not in page
    if "refusal" in page:
        (sentence,) = re.findall(r"<p>(.*?)</p>", page)
        assert re.fullmatch(r"Cannot (use|read) this film: .*\.", sentence), sentence
        return False
    assert page.count("<img ") == 9
    return True


def test_200_odd_uploads_each_get_an_answer_and_leave_nothing(server):
    good = odd_uploads.write_dicom(odd_uploads.make_dicom(side=128))
    for _ in range(3):  # what is loaded at the first film stays
        assert check_answer(server.upload("film.dcm", good))
    before = server.read_memory_mb() if sys.platform == "linux" else None
    answers = []
    for name, content in odd_uploads.list_uploads(200):
        answers.append(check_answer(server.upload(name, content)))
    assert len(answers) == 200 and 20 < sum(answers) < 120
    assert check_answer(server.upload("film.dcm", good))
    assert "Drawn with severity 0.60" in server.move(0.6, 20, True, 3, 30, 1.5)
    assert [path for path in server.folder.rglob("*/*/*") if path.stat().st_size] == []
    if before:
        assert server.read_memory_mb() - before < 100


def test_odd_dicom_files_get_an_answer(server):
    if not ODD_DICOM.is_dir():
        pytest.skip("the odd DICOM files are not in ../shared/real")
    paths = sorted(ODD_DICOM.iterdir())
    answers = [check_answer(server.upload(one.name, one.read_bytes())) for one in paths]
    assert any(answers) and not all(answers)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with sync_api.sync_playwright() as engine:
        opened = engine.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox"]
        )
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, server):
    """A page as a visitor opens it; nothing may be asked of another host."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    asked, faults = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(server.url)
    page.wait_for_selector("img.film")
    yield page
    page.close()
    hosts = {url.split("/")[2] for url in asked if url.startswith(("http", "ws"))}
    assert hosts == {server.url.removeprefix("http://")}
    assert faults == []


def wait_for_new_film(page, act):
    old = page.get_attribute("img.film", "src")
    act()
    page.wait_for_function(
        "old => document.querySelector('img.film')?.src !== old", arg=old
    )


def test_a_visitor_moves_a_slider_by_hand_and_switches_to_korean(visit):
    slider = visit.get_by_role("slider", name="Severity").first
    wait_for_new_film(visit, lambda: slider.press("End"))
    visit.get_by_text("Drawn with severity 1.00").wait_for()
    visit.get_by_text("한국어").click()
    visit.get_by_text("모델의 판정").wait_for()
    assert visit.get_by_text("진료에 사용할 수 없습니다").is_visible()
    assert visit.get_by_text("RDS 중증도").first.is_visible()
    assert "중증도 1.00" in visit.inner_text(".answer")
    wait_for_new_film(visit, lambda: visit.get_by_label("튜브(기관내관)").click())
    assert visit.get_by_text("모델의 판정").is_visible()


def test_a_visitor_uploads_a_film_and_a_text(visit, tmp_path):
    film = tmp_path / "KIM_MINJI.dcm"
    film.write_bytes(odd_uploads.write_dicom(odd_uploads.make_dicom(side=128)))
    field = visit.locator("#upload input[type=file]")
    wait_for_new_film(visit, lambda: field.set_input_files(film))
    assert visit.get_by_text("A synthetic tube was drawn").is_visible()
    # The field shows the name while it uploads; with the film's picture it goes.
    visit.wait_for_function("() => !document.body.outerHTML.includes('KIM_MINJI')")
    # The whole name: three letters alone stand in the base64 of a picture by chance.
    assert "KIM_MINJI" not in visit.content()
    film.write_text("hello")
    visit.locator("#upload input[type=file]").set_input_files(film)
    visit.get_by_text("neither DICOM nor PNG nor JPEG").wait_for()
    assert visit.get_by_text(config.NOT_FOR_CLINICAL_USE).is_visible()


def test_the_main_thing_fits_one_screen_and_the_address_can_ask_for_korean(
    browser, server
):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{server.url}?lang=ko&kiosk=600")
    page.get_by_text("모델의 판정").wait_for()
    for place in (".notice", ".film", ".answer", ".steps", ".tubes", "#upload"):
        box = page.locator(place).bounding_box()
        assert 0 <= box["y"] and box["y"] + box["height"] <= 900, place
        assert 0 <= box["x"] and box["x"] + box["width"] <= 1280, place
    assert not page.locator("footer").is_visible()
    page.close()
