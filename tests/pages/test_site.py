"""The allowlist before a page, asked by hand as an intruder would."""

import contextlib
import http.client
import json
import sqlite3

import pytest
import uvicorn

from rds_pages import site
from rds_pages.reading_room import room as reading_room
from rds_readers import answers, design

from .conftest import CODES, Server, write_pack

CALL = "/gradio_api/component_server/"


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def server(pack):
    running = Server(pack)
    yield running
    running.kill()


def request(server, path, method="GET", body=None, **headers):
    """Send a path as it is, without a browser's tidying; status and body."""
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(link):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        link.request(method, path, body, names)
        reply = link.getresponse()
        return reply.status, reply.read(), reply.headers


def call(server, data, name="ask"):
    """Call a function of the page's components; the first that has it answers."""
    for number in range(6):
        body = {"session_hash": "x", "component_id": number, "fn_name": name}
        body = json.dumps({**body, "data": data})
        status, content, _ = request(
            server, CALL, "POST", body, content_type="application/json"
        )
        if status == 200:
            return json.loads(content)
    return status


@pytest.mark.parametrize(
    "path",
    [
        "/file=/etc/passwd",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=plan.json",
        "/gradio_api/file/plan.json",
        "/gradio_api/file=https://example.org/",
        "/gradio_api/proxy=http://127.0.0.1/",
        "/assets/../../../../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc/passwd",
        "/assets/%2e%2e/%2e%2e/routes.py",
        "/static/..%5c..%5croutes.py",
        "/static//etc/passwd",
        "/film/..%2fplan.json",
        "/film/C001.png",
        "/film/C001",
        "/films/C001.png",
        "/pack/plan.json",
        "/answers.sqlite",
        "/config",
        "/docs",
        "/openapi.json",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/queue/data?session_hash=x",
        "/monitoring",
        "/gradio_api/runs",
    ],
)
def test_no_path_leads_to_a_file_or_past_the_page(server, path):
    status, content, _ = request(server, path)
    assert status in (403, 404), content[:200]
    assert b"root:" not in content and b"readers" not in content


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/queue/join",
        "/gradio_api/run/predict",
        "/gradio_api/run/ask",
        "/gradio_api/api/ask",
        "/gradio_api/call/ask",
        "/gradio_api/call/v2/ask",
        "/gradio_api/reset",
        "/gradio_api/run-history/connect",
        "/login",
    ],
)
def test_no_other_gradio_endpoint_takes_anything(server, path):
    body = json.dumps({"data": [{"do": "next"}], "fn_index": 0, "session_hash": "x"})
    status, _, _ = request(server, path, "POST", body, content_type="application/json")
    assert status in (403, 404)


def test_without_a_session_the_function_tells_and_writes_nothing(server, pack):
    place = {"session": 1, "case": "C001", "step": "alone", "rating": 1, "decision": 1}
    for token in ("", "x", None, 7, [], {"$ne": 1}):
        for message in ({"do": "next"}, {"do": "answer", **place}, {"do": "leave"}):
            reply = call(server, {**message, "token": token})
            lost = message["do"] == "answer"  # and the page says so
            word = "not_stored" if lost else "signed_out"
            assert reply == {"screen": "sign_in", "word": word}
    for junk in (None, [], "next", 3, {}, {"do": {}}):
        assert call(server, junk)["screen"] == "sign_in"
    for name in ("__init__", "postprocess", "ask2", "push_to_hub"):
        assert call(server, {"do": "next"}, name=name) in (404, 500)
    with contextlib.closing(sqlite3.connect(pack / "answers.sqlite")) as connection:
        for table in ("answers", "shown"):
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == []


def test_page_forbids_the_browser_to_go_elsewhere(server):
    status, content, headers = request(server, "/")
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    page = content.decode()
    assert "fonts.googleapis" not in page
    for code in CODES.values():
        assert code not in page
    assert "plan.json" not in page and "C001" not in page


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content_Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content_Type": "text/plain"}, 415),
    ],
)
def test_calls_that_another_site_could_make_are_refused(server, headers, status):
    sent = {"Content_Type": "application/json"} | headers
    assert request(server, CALL, "POST", "{}", **sent)[0] == status


def test_a_body_that_is_too_long_is_refused(server):
    body = " " * (site.MAX_BODY_BYTES + 1)
    status, _, _ = request(server, CALL, "POST", body, content_type="application/json")
    assert status == 413


def test_a_ticket_is_good_for_its_film_until_the_answer(tmp_path):
    room = reading_room.Room(write_pack(tmp_path))
    token = room.ask({"do": "sign_in", "code": CODES["R1"]}, "a")["token"]
    reply = room.ask({"do": "next", "token": token}, "a")
    assert "model" not in reply and "first" not in reply
    film = reply["film"]
    size = film["height"] * film["width"] * film["bytes"]
    assert len(room.read_file(film["ticket"])) == size
    place = {name: reply[name] for name in ("session", "case", "step")}
    given = {"do": "answer", "token": token, "rating": 30, "decision": 0, **place}
    after = room.ask(given, "a")
    assert after["step"] == design.WITH_MODEL and after["first"] == (30.0, 0)
    assert room.read_file(film["ticket"]) is None
    again = room.ask({**given, "rating": 99, "decision": 1}, "a")
    assert again["word"] == "already" and again["first"] == (30.0, 0)
    junk = room.ask({**given, "case": [], "rating": "x"}, "a")
    assert junk["case"] == place["case"] and junk["step"] == design.WITH_MODEL
    room.ask({"do": "leave", "token": token}, "a")
    assert room.read_file(after["film"]["ticket"]) is None
    assert room.ask({"do": "next", "token": token}, "a")["screen"] == "sign_in"


def test_right_code_has_to_wait_after_three_wrong_ones(tmp_path):
    room = reading_room.Room(write_pack(tmp_path))
    for _ in range(3):
        reply = room.ask({"do": "sign_in", "code": "x"}, "a")
        assert reply["word"] == "wrong_code"
    right = {"do": "sign_in", "code": CODES["R1"]}
    reply = room.ask(right, "a")
    assert reply["word"] == "slow_down" and "token" not in reply
    assert room.ask(right, "b")["screen"] == "welcome"


def test_a_page_left_alone_asks_for_the_code_again(tmp_path, monkeypatch):
    room = reading_room.Room(write_pack(tmp_path))
    token = room.ask({"do": "sign_in", "code": CODES["R1"]}, "a")["token"]
    monkeypatch.setattr(reading_room, "IDLE_SECONDS", -1.0)
    reply = room.ask({"do": "next", "token": token}, "a")
    assert reply == {"screen": "sign_in", "word": "signed_out"}


def test_after_the_first_session_of_a_crossover_comes_a_date(tmp_path):
    pack = write_pack(tmp_path, "crossover", num_cases=4)
    room = reading_room.Room(pack)
    token = room.ask({"do": "sign_in", "code": CODES["R1"]}, "a")["token"]
    reply, shown = room.ask({"do": "next", "token": token}, "a"), []
    for _ in range(4):
        shown.append("model" in reply)
        assert reply.get("first") is None
        place = {name: reply[name] for name in ("session", "case", "step")}
        given = {"do": "answer", "token": token, "rating": 60, "decision": 1}
        reply = room.ask(given | place, "a")
    assert sorted(shown) == [False, False, True, True]
    assert reply["screen"] == "wait"
    last = answers.load_answers(pack)
    assert last["session"].tolist() == [1] * 4
    opens = room.answers.find_due("R1").opens
    assert reply["opens"] == opens.isoformat()


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_an_address_that_others_can_reach_is_warned_of(
    host, warned, monkeypatch, capsys
):
    def run(self, sockets):
        sockets[0].close()

    monkeypatch.setattr(uvicorn.Server, "run", run)
    site.run(None, ("/",), host=host, port=0)
    assert ("Warning: 0.0.0.0 can be reached" in capsys.readouterr().out) == warned


def test_a_port_that_is_taken_is_said_in_a_sentence():
    with site.open_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"Cannot listen on 127.0.0.1, port {port}"):
            site.open_socket("127.0.0.1", port)
