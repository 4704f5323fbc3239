"""The reading room, driven as readers drive it: by a browser, over a real socket."""

import contextlib
import os
import re
import sqlite3
from urllib.parse import urlsplit

import pytest

from rds_pages import language
from rds_pages.reading_room import server as reading_room
from rds_readers import answers
from rds_tf.storage import disk

from .conftest import CODES, Server, write_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("room"))


@pytest.fixture(scope="module")
def server(pack):
    running = Server(pack)
    yield running
    running.kill()


@pytest.fixture
def page(browser, server):
    context = browser.new_context(
        locale="en-US", viewport={"width": 1280, "height": 800}
    )
    page = context.new_page()
    page.set_default_timeout(20000)
    page.goto(server.address)
    yield page
    context.close()


def sign_in(page, code):
    page.locator("#code").fill(code)
    page.locator(".sign-in .main").click()


def begin(page, code):
    sign_in(page, code)
    page.locator(".message .main").click()
    page.locator(".reading").wait_for()


def read_case(page):
    """Return the case on the canvas and whether the model is shown with it."""
    name = page.locator("canvas").get_attribute("aria-label")
    return re.search(r"C\d+", name)[0], page.locator(".model").is_visible()


def answer(page, decision, rating, by_mouse):
    """Answer what is shown, by mouse or by keys, and wait for what comes next."""
    before = read_case(page)
    if by_mouse:
        page.locator(f"input[name=decision][value='{decision}'] + span").click()
        page.locator("#rating").fill(str(rating))
        page.locator(".answer .main").click()
    else:
        page.keyboard.press("r" if decision else "n")
        page.locator("#rating").fill(str(rating))
        page.locator(".answer .main:enabled").wait_for()
        page.keyboard.press("Enter")
    label, model = before
    page.wait_for_function(
        "([label, model]) => document.querySelector('.room').dataset.screen != 'film'"
        " || !document.querySelector('canvas').ariaLabel.includes(label)"
        " || document.querySelector('.model').hidden == model",
        arg=[label, model],
    )
    return before


def count_rows(pack, table="answers"):
    with contextlib.closing(sqlite3.connect(pack / "answers.sqlite")) as connection:
        return connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


def read_pixels(page):
    """Return the grey in the middle of the film's left and right half."""
    page.wait_for_timeout(150)  # a frame or two
    return page.evaluate(
        """() => { const canvas = document.querySelector('canvas');
        const brush = canvas.getContext('2d'), middle = canvas.width / 2;
        const step = canvas.height * 40 / 60 / 4;
        return [middle - step, middle + step].map((x) =>
          [...brush.getImageData(x, canvas.height * 0.75, 1, 1).data]); }"""
    )


def test_two_readers_read_twelve_cases_while_the_server_is_killed(browser, tmp_path):
    pack = write_pack(tmp_path, finding="pneumonia")
    server = Server(pack)
    contexts = [browser.new_context(locale="en-US") for _ in CODES]
    pages = dict(zip(CODES, [context.new_page() for context in contexts], strict=True))
    typed, hosts = {}, set()
    for reader, page in pages.items():
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(server.address)
        begin(page, CODES[reader])
        assert page.get_by_text("Does this film show pneumonia?").is_visible()
    for place in range(1, 13):
        for step, turn in (("alone", 0), ("with model", 1)):
            for reader, page in pages.items():
                assert page.locator(".progress").inner_text() == f"{place} of 12"
                rating = 50 + place + 20 * turn if place % 2 else 50 - place - turn
                case, model = answer(page, place % 2, rating, by_mouse=reader == "R1")
                assert model == (step == "with model")
                typed[reader, case, step] = (place % 2, rating)
        assert count_rows(pack) == 4 * place
        if place == 5:
            server.kill()
            page = pages["R1"]  # one reader is caught by it in the middle of an answer
            page.keyboard.press("r")
            page.locator("#rating").fill("77")
            page.locator(".answer .main:enabled").wait_for()
            page.keyboard.press("Enter")
            page.locator(".alert button").wait_for()
            assert count_rows(pack) == 4 * place
            server = Server(pack, server.port)
            page.locator(".alert button").click()
            page.get_by_text("your last answer was NOT stored").wait_for()
            begin(page, CODES["R1"])
            pages["R2"].reload()
            begin(pages["R2"], CODES["R2"])
    for page in pages.values():
        page.get_by_text("You have read all films").wait_for()
    server.kill()
    for context in contexts:
        context.close()
    table = answers.load_answers(pack)
    stored = {
        (row.reader, row.case, row.treatment): (row.decision, row.rating)
        for row in table.itertuples()
    }
    assert stored == typed and len(table) == len(typed) == 48
    assert (table["seconds"] > 0).all() and (table["seconds"] < 60).all()
    assert hosts == {f"127.0.0.1:{server.port}"}, "nothing is fetched from elsewhere"


def test_first_answer_stays_after_a_reload_and_the_model_comes_only_then(page, pack):
    begin(page, CODES["R1"])
    assert not page.locator(".model").is_visible()
    page.wait_for_timeout(600)  # past the moment in which a press counts for nothing
    assert page.locator("[name=decision]:checked").count() == 0
    assert page.locator("output.rating").inner_text() == "click on the line"
    assert not page.locator(".answer .main").is_enabled(), "nothing is chosen for one"
    case, _ = answer(page, 1, 64, by_mouse=True)
    page.locator(".model").wait_for()
    rows = count_rows(pack)
    page.reload()
    begin(page, CODES["R1"])
    assert read_case(page) == (case, True)
    assert page.locator(".first").inner_text() == "Your answer alone: RDS, 64"
    assert page.locator("#rating").input_value() == "64"
    assert count_rows(pack) == rows


def test_a_decision_that_its_rating_contradicts_must_be_confirmed_twice(page, pack):
    begin(page, CODES["R2"])
    rows, before = count_rows(pack), read_case(page)
    page.keyboard.press("n")
    page.locator("#rating").fill("95")
    page.locator(".answer .main:enabled").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("You chose no RDS, but rate RDS at 95 of 100.").wait_for()
    page.keyboard.press("Enter")  # a hasty second one counts for nothing
    page.locator(".answer .main:enabled").wait_for()
    assert count_rows(pack) == rows
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_function("!document.querySelector('.model').hidden")
    assert count_rows(pack) == rows + 1 and read_case(page) == (before[0], True)


def test_window_zoom_and_map_draw_what_they_should(page, pack):
    begin(page, CODES["R1"])
    while read_case(page)[0] == "C001" or not read_case(page)[1]:
        answer(page, 1, 60, by_mouse=False)
    grey = [[64, 64, 64, 255], [191, 191, 191, 255]]
    assert read_pixels(page) == grey
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    page.locator("#level").fill("75")
    page.locator("#width").fill("50")  # black at 0.5, white at 1: 191 / 255 is 127
    assert read_pixels(page) == [[0, 0, 0, 255], [127, 127, 127, 255]]
    page.keyboard.press("i")
    assert read_pixels(page) == [[255, 255, 255, 255], [128, 128, 128, 255]]
    page.keyboard.press("0")
    assert read_pixels(page) == grey
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -600)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 250, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert read_pixels(page) == [grey[1], grey[1]], "drawn to the left: right half only"
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert read_pixels(page) == grey
    page.mouse.down(button="right")
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    page.mouse.up(button="right")
    assert float(page.locator("#width").input_value()) < 100
    assert page.locator("#level").input_value() == "50"


def test_sixteen_bits_reach_the_screen(page, pack):
    begin(page, CODES["R2"])
    while read_case(page)[0] != "C001":
        answer(page, 1, 60, by_mouse=False)
    left, right = read_pixels(page)
    assert abs(left[0] - right[0]) <= 2
    page.locator("#width").fill("2")
    # (32768 / 65535 - 0.49) / 0.02 is 0.5004, (33168 / 65535 - 0.49) / 0.02 is 0.8056
    assert [p[0] for p in read_pixels(page)] == [128, 205]


def test_map_lies_over_the_film_and_can_be_taken_away(page, pack):
    begin(page, CODES["R1"])
    while not page.locator(".toggle").is_visible():
        answer(page, 1, 60, by_mouse=False)
    look = """(() => { const canvas = document.querySelector('canvas');
    return [...canvas.getContext('2d').getImageData(
      canvas.width / 2 - 9, canvas.height / 4, 1, 1).data]; })()"""
    page.wait_for_function(f"String({look}) === '255,0,0,255'")
    page.keyboard.press("m")
    page.wait_for_function(f"new Set({look}.slice(0, 3)).size === 1")
    assert page.locator(".verdict").inner_text() == "RDS"
    assert page.locator(".percent").inner_text() == "87 %"


REASON = "The greys are inverted: only the negative of the film shows lungs."


@pytest.fixture
def undecided(pack):
    """The pack of the other tests, whose model decides nothing meanwhile."""
    kept = {path: path.read_bytes() for path in (pack / "model").glob("*.json")}
    view = {"probability": None, "decision": "not decided", "has_map": False}
    for path in kept:
        disk.write_json(path, {**view, "reasons": [REASON]})
    yield
    for path, content in kept.items():
        path.write_bytes(content)


@pytest.mark.usefixtures("undecided")
def test_a_film_that_the_model_leaves_open_shows_why_and_no_number(page):
    begin(page, CODES["R1"])
    while not page.locator(".model").is_visible():
        answer(page, 1, 60, by_mouse=False)
    assert page.locator(".verdict").inner_text() == "not decided"
    assert REASON in page.locator(".map-hint").inner_text()
    for name in (".percent", ".bar", ".of", ".toggle"):
        assert not page.locator(name).is_visible()


def test_page_speaks_korean_and_english(browser, server):
    context = browser.new_context(locale="ko-KR")
    page = context.new_page()
    page.goto(server.address)
    page.get_by_text("판독자 코드", exact=True).wait_for()
    assert "진료에 사용할 수 없습니다" in page.locator(".notice").first.inner_text()
    assert page.evaluate("document.documentElement.lang") == "ko"
    page.get_by_role("button", name="English").click()
    page.get_by_text("Your code", exact=True).wait_for()
    assert "Not for clinical use." in page.locator(".notice").first.inner_text()
    page.get_by_role("button", name="한국어").click()
    begin(page, CODES["R1"])
    assert page.get_by_text("이 사진에 RDS 소견이 있습니까?").is_visible()
    if shots := os.environ.get("RDS_TF_SCREENSHOTS"):
        page.screenshot(path=f"{shots}/korean.png")
    context.close()


def test_no_word_names_another_finding_than_the_one_of_the_pack():
    for text in reading_room.WORDS.values():
        assert not any("RDS" in text[code] for code in language.LANGUAGES)
    say = language.speak(reading_room.WORDS, "en")
    assert say("question", finding="pneumonia") == "Does this film show pneumonia?"


def test_a_wrong_code_opens_nothing(page, pack):
    sign_in(page, "AB2C-DE3F-GH4K")
    page.get_by_text("This code is not known.").wait_for()
    assert not page.locator(".reading").is_visible()
    sign_in(page, CODES["R1"])
    page.locator(".message .main").wait_for()
