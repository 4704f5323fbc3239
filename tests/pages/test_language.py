"""English and Korean of every page, and the templates that they stand in."""

import re
import string
from pathlib import Path

import numpy as np
import pytest

import rds_pages
from rds_pages import language, templates
from rds_pages.reports import document
from rds_tf import config

ROOT = Path(rds_pages.__file__).parent
SETS = [path.parent for path in sorted(ROOT.rglob("words.toml"))]
USES = re.compile(r"""\bsay\(["'](\w+)["']|data-word="(\w+)\"""")


def find_placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_set_of_pages_is_checked_here():
    names = [str(folder.relative_to(ROOT)) for folder in SETS]
    assert names == ["exhibition", "paper_kit", "reading_room", "."]


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_every_text_is_in_both_languages_with_the_same_placeholders(folder):
    for key, text in language.load_words(folder).items():
        assert text.keys() == {"en", "ko"}, key
        assert text["en"] and text["ko"], key
        assert not re.search("[가-힣]", text["en"]), key
        assert find_placeholders(text["en"]) == find_placeholders(text["ko"]), key


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_every_text_that_a_page_asks_for_exists(folder):
    words = language.load_words(folder)
    for path in folder.glob("*.*"):
        text = path.read_text(encoding="utf-8")
        asked = {one or other for one, other in USES.findall(text)}
        assert asked <= words.keys(), path


def test_one_word_stands_for_one_thing_in_korean():
    words = "".join(path.read_text("utf-8") for path in ROOT.rglob("*.toml"))
    items = "".join(path.read_text("utf-8") for path in ROOT.rglob("*.json"))
    others = "열지도 묶음 사례 점검표 임상에".split()
    for other in (*others, "모델의 판단", "영상 {"):
        assert other not in words + items, other


def test_a_text_that_lacks_a_language_is_an_error(tmp_path):
    (tmp_path / "words.toml").write_text('[title]\nen = "Title"\n')
    with pytest.raises(ValueError, match="title: needs a text in en and ko"):
        language.load_words(tmp_path)


def test_the_notice_is_that_of_the_whole_project_in_both_languages():
    notice = language.load_words(ROOT)["notice"]
    assert notice["en"] == config.NOT_FOR_CLINICAL_USE
    assert notice["ko"].endswith(config.NOT_FOR_CLINICAL_USE)


@pytest.mark.parametrize(
    ("text", "code"),
    [("English", "en"), ("한국어", "ko"), ("ko", "ko"), ("fr", "en"), (None, "en")],
)
def test_a_language_has_a_name_and_a_code_and_english_is_the_rest(text, code):
    assert language.choose_language(text) == code


def test_a_sentence_is_translated_with_what_it_quotes_and_an_unknown_one_stays():
    words = {
        "said.not": {"en": "Not used: {cause}.", "ko": "사용 못 함: {cause}."},
        "said.few": {"en": "it has {n} rows", "ko": "{n}행"},
        "few": {"en": "it is {n}", "ko": "없음"},  # not of the group
    }
    for sentence, korean in {
        "Not used: it has 3 rows; it is 4.": "사용 못 함: 3행; it is 4.",
        "Not used at all.": "Not used at all.",
    }.items():
        assert language.translate(words, sentence, "ko", "said.") == korean
        assert language.translate(words, sentence, "en", "said.") == sentence


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.name)
def test_no_html_is_written_in_python(path):
    assert not re.search(r"""["']\s*</?[a-z!]""", path.read_text(encoding="utf-8"))


def test_an_array_becomes_an_address_that_holds_its_picture():
    for kind, pixels in (("png", np.eye(4)), ("jpeg", np.zeros((4, 4, 3), "uint8"))):
        address = templates.embed(templates.encode(pixels, kind))
        assert address.startswith(f"data:image/{kind};base64,")


def test_columns_of_numbers_are_set_to_the_right_and_words_to_the_left():
    rows = [
        ["a", "0.5 (0.4 to 0.6)", "< 0.001", "B0 whole", "4/1/2/3", ""],
        ["b", "-", "1, infinite", "3", "12", ""],
    ]
    table = document.Table(["", "score", "p", "arm", "counts", "empty"], rows)
    assert table.numeric == [False, True, True, False, True, False]
    page = document.to_html([document.Heading("T", 1), table])
    assert page.count('<th scope="col" class="number">') == 3


def test_markup_in_names_is_shown_and_not_obeyed():
    mark = "<script>1</script>"
    link = document.Cell(mark, ((mark, "a b/<c>.csv"),))
    blocks = [
        document.Heading(mark, 1),
        document.Paragraph(mark),
        document.Table([mark], [[link]]),
        document.Figure(b"\x89PNG", mark),
    ]
    page = document.to_html(blocks)
    assert "<script" not in page and page.count("&lt;script&gt;") >= 7
    assert 'href="a%20b/%3Cc%3E.csv"' in page
