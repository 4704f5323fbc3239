"""The paper kit, from artifacts small enough to read."""

import json
import re
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rds_pages import language
from rds_pages.paper_kit import artifacts, findings, kit
from rds_pages.reports import document
from rds_tf import command_line as command
from rds_tf import config
from rds_tf.data import prepare
from rds_tf.storage import disk

NUMBERS = {  # counted in the papers: items, and rows with their letters
    "claim": (44, 44),
    "stard_ai": (40, 48),
    "tripod_ai": (27, 52),
}
HOSTILE = "<script>alert(1)</script>"


def score(value):
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


ARM = {"accuracy": score(0.75), "auroc": score(0.837), "confusion": [[4, 1], [2, 3]]}
DIAGNOSIS = {"data": "stand_in", "num_cases": 10, "arms": {"B0 combined": ARM}}
STEPS = {"none": {"miou": score(0.834)}, "median+rotate": {"miou": score(0.913)}}
SEGMENTATION = {"data": "stand_in", "num_cases": 7, "angles": {"0": STEPS}}
AUDIT = {"B0 combined": {"effect": score(0.41), "alarm": True, "heat": {"tube": 0.31}}}
ENSEMBLE = {
    **{"temperature": 0.562, "intercept": -0.442, "threshold": 0.354},
    **{"sensitive_threshold": 0.31, "members": ["a", "b", "c"]},
}
COMPARISON = {
    "num_cases": 10,
    "arms": {"baseline: height to width": ARM, "B0 whole": ARM},
    "pairs": [{}],
    "matched": {"num_cases": 6, "arms": {"B0 whole": {"auroc": score(0.914)}}},
    "ensembles": {
        "all": {
            "calibrated": {"ece": score(0.126), "brier": score(0.166)},
            "abstention": {"abstained": score(0.227)},
        }
    },
}
READERS = {
    **{"treatments": ["alone", "with model"], "readers": ["R1", "R2"]},
    **{"num_cases": 114, "auc": [0.897, 0.941], "difference": -0.044},
    **{"ci": [-0.088, 0.001], "p": 0.051},
}
MODEL = {
    "kind": "classifier",
    "architecture": {"backbone": "B0", "image_size": 128},
    "input": "combined",
    "preprocessing": "letterbox to a square",
    "output": "probability of the label `rds` of the training data",
    "threshold": 0.5,
    "training": {"data": "480 films", "start": "phantom", "steps": 200, "seed": 0},
    "num_parameters": 4050845,
    "weights": {"sha256": "f" * 64},
    "rds_tf": "0.1.0",
}
FOLDS = """fold,num_cases,num_patients,rds_rate,shared_patients,duplicates_across
0,6,5,0.5,0,1
1,4,4,0.75,2,1
"""
CASES = [
    *(
        f"case0,p0,1,1,0,i/0.png,m/0.png,300,200,9,a.dcm,12,{'a' * 64},",
        "case1,p0,0,0,0,i/1.png,",
    ),
    f"case2,p1,1,1,1,i/2.png,m/2.png,310,220,9,c.dcm,8,{'c' * 64},",
]
CASES[1] += f",280,210,,b.dcm,12,{'b' * 64},"


@pytest.fixture
def run(tmp_path):
    """A folder with every artifact."""
    folder = tmp_path / "run"
    (folder / "prepared").mkdir(parents=True)
    (folder / "models" / "classifier").mkdir(parents=True)
    for path, content in {
        "diagnosis.json": DIAGNOSIS,
        "segmentation.json": SEGMENTATION,
        "audit_tube.json": AUDIT,
        "readers.json": READERS,
        "models/classifier/manifest.json": MODEL,
    }.items():
        (folder / path).write_text(json.dumps(content))
    head = ",".join(prepare.manifest.COLUMNS)
    (folder / "prepared/manifest.csv").write_text("\n".join([head, *CASES]) + "\n")
    (folder / "prepared/fold_audit.csv").write_text(FOLDS)
    (folder / "prepared/rejected.csv").write_text("file,row,reason\nx.dcm,4,bad\n")
    return folder


@pytest.fixture
def compared(run):
    """The same with a comparison in place of an evaluation."""
    (run / "diagnosis.json").unlink()
    (run / "compared").mkdir()
    (run / "compared/comparison.json").write_text(json.dumps(COMPARISON))
    (run / "compared/ensemble.json").write_text(json.dumps(ENSEMBLE))
    (run / "compared/comparison.html").write_text("<p>page</p>")
    return run


def judge(folder, name):
    """Return status and answer of each row of a checklist, by number."""
    facts = findings.list_facts(artifacts.load_run(folder))
    say = language.speak(kit.WORDS, "en")
    found = {}
    for item in kit.load_checklist(name)["items"]:
        state, known = kit.judge_item(item, facts)
        found[item["number"]] = state, " / ".join(fact.write(say) for fact in known)
    return found


@pytest.mark.parametrize("name", NUMBERS)
def test_every_item_of_a_checklist_is_there_once(name):
    checklist = kit.load_checklist(name)
    numbers = [item["number"] for item in checklist["items"]]
    stems = [int(re.match(r"\d+", number).group()) for number in numbers]
    num_items, num_rows = NUMBERS[name]
    assert len(set(numbers)) == len(numbers) == num_rows
    assert list(dict.fromkeys(stems)) == list(range(1, num_items + 1))
    for stem in set(stems):  # letters go on without a gap
        letters = "".join(
            n.lstrip("0123456789")
            for n in numbers
            if n.startswith(str(stem)) and int(re.match(r"\d+", n).group()) == stem
        )
        assert letters == "abcdefgh"[: len(letters)]
    assert checklist["doi"].startswith("10.")


@pytest.mark.parametrize("name", NUMBERS)
def test_items_are_in_both_languages_and_few_words(name):
    for item in kit.load_checklist(name)["items"]:
        assert re.search("[가-힣]", item["ko"]) and item["en"].isascii()
        assert len(item["en"].split()) <= 16
        assert item["whole"] in (True, False) and (item["facts"] or not item["whole"])


@pytest.mark.parametrize("name", NUMBERS)
def test_every_row_stands_in_the_pages_once_with_a_status(run, tmp_path, name):
    kit.write(run, tmp_path / "kit")
    checklist = kit.load_checklist(name)
    states = {"en": [], "ko": []}
    for code in states:
        page = (tmp_path / f"kit/report.{code}.html").read_text("utf-8")
        title = checklist["title"][code]
        part = page.split(f"<h3>{title}</h3>")[1].split("</table>")[0]
        rows = re.findall(r"<tr><td>(.*?)</td><td>.*?</td><td>(.*?)</td>", part)
        assert [row for row, _ in rows] == [i["number"] for i in checklist["items"]]
        known = {kit.WORDS[f"status.{state}"][code] for state in kit.STATES}
        assert {state for _, state in rows} <= known


@pytest.mark.parametrize(
    ("name", "number", "quoted"),
    [
        ("claim", "9", "letterbox to a square"),
        ("claim", "19", "2 folds by patient, 4 to 6 films each"),
        ("claim", "20", "2 patients in more than one fold, 2 films"),
        ("claim", "24", "start: phantom"),
        ("claim", "30", "tube, B0 combined: alarm, +0.410 (+0.360 to +0.460)"),
        ("claim", "35", "3 films of 2 patients; label 1: 2, label 0: 1 / 1 rows"),
        ("claim", "38", "B0 combined: TN 4, FP 1, FN 2, TP 3"),
        ("stard_ai", "15b", "480 films, steps 200, seed 0"),
        ("stard_ai", "31", "AUROC 0.837 (0.787 to 0.887)"),
        ("tripod_ai", "15", "probability of the label `rds` of the training data"),
    ],
)
def test_an_answered_item_quotes_what_stands_in_the_artifact(run, name, number, quoted):
    state, answer = judge(run, name)[number]
    assert state == kit.ANSWERED and quoted in answer


@pytest.mark.parametrize(
    ("name", "number", "quoted"),
    [
        ("claim", "27", "mean logit of 3 models, less -0.442, divided by 0.562"),
        ("stard_ai", "15c", "probability 0.354; for 95 % sensitivity 0.310"),
        ("claim", "22", "backbone B0, image_size 128, input combined"),
        ("claim", "28", "calibration error 0.126 (0.076 to 0.176), Brier score 0.166"),
        ("claim", "30", "6 cases matched in the film's height-to-width ratio"),
        ("claim", "29", "1 pairs of arms"),
        ("stard_ai", "19", "all: proportion of cases left undecided 0.227"),
        ("tripod_ai", "23a", "2 readers, 114 cases: AUROC 0.897 (alone), 0.941"),
        ("tripod_ai", "23a", "first minus second -0.044 (-0.088 to +0.001), p 0.051"),
    ],
)
def test_a_comparison_and_a_reader_study_answer_more(compared, name, number, quoted):
    assert quoted in judge(compared, name)[number][1]


@pytest.mark.parametrize(
    ("gone", "name", "numbers"),
    [
        ("prepared/fold_audit.csv", "claim", ["19", "20"]),
        ("prepared/manifest.csv", "tripod_ai", ["5a", "10"]),
        ("prepared/rejected.csv", "claim", ["8"]),
        ("diagnosis.json", "stard_ai", ["30", "31"]),
        ("models/classifier/manifest.json", "claim", ["9", "22", "23", "24", "25"]),
        ("audit_tube.json", "stard_ai", ["23"]),
    ],
)
def test_what_is_missing_is_for_a_person(run, gone, name, numbers):
    before = judge(run, name)
    (run / gone).unlink()
    after = judge(run, name)
    for number in numbers:
        assert before[number][0] != kit.PERSON
        assert after[number] == (kit.PERSON, "")


def test_an_item_whose_main_fact_is_missing_is_partly_answered(run):
    assert judge(run, "claim")["35"][0] == kit.ANSWERED
    (run / "prepared/manifest.csv").unlink()
    state, answer = judge(run, "claim")["35"]
    assert (
        state == kit.PARTLY and answer == "1 rows were rejected, each with its reason"
    )


def test_what_a_run_can_never_know_is_always_for_a_person(compared):
    never = {"claim": "6 11 14 15 18 21 33 40 41 44", "stard_ai": "6 16a 22 26a 38 39"}
    never["tripod_ai"] = "3c 8c 17 18a 18b 19 25 26"
    for name, numbers in never.items():
        found = judge(compared, name)
        assert {found[number][0] for number in numbers.split()} == {kit.PERSON}


class Links(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.sources = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "a":
            self.found.append(attributes["href"])
        if "src" in attributes:
            self.sources.append(attributes["src"])


@pytest.mark.parametrize("place", ["kit", "a #b/kit", "c/d/kit"])
def test_links_of_all_pages_lead_to_files_and_nothing_is_loaded(
    compared, tmp_path, place
):
    out = tmp_path / place
    run = compared.rename(tmp_path / "a #b")
    kit.write(run, out)
    for code in language.LANGUAGES:
        links = Links((out / f"report.{code}.html").read_text("utf-8"))
        text = (out / f"report.{code}.md").read_text("utf-8")
        in_text = re.findall(r"\]\(([^)]+)\)", text)
        assert len(links.found) > 40 and len(in_text) > 40
        for address in [*links.found, *in_text]:
            assert re.fullmatch(r"[\w./%~-]+", address), address
            assert (out / urllib.parse.unquote(address)).is_file(), address
        assert all(source.startswith("data:image/png") for source in links.sources)
    assert "comparison.html" in text


def titles(page):
    return re.findall(r"<(?:h\d|th[^>]*|figcaption)>(.*?)</", page)


def test_korean_page_has_no_title_left_in_english(compared, tmp_path):
    kit.write(compared, tmp_path)
    english, korean = (
        (tmp_path / f"report.{code}.html").read_text("utf-8")
        for code in language.LANGUAGES
    )
    assert 'lang="ko"' in korean and len(titles(english)) == len(titles(korean)) > 30
    same = {a for a, b in zip(titles(english), titles(korean), strict=True) if a == b}
    assert same <= {"AUROC", "MIoU", "TN/FP/FN/TP"}
    assert not re.search("[가-힣]", english)
    for page in (english, korean):
        assert config.NOT_FOR_CLINICAL_USE in page
    assert "진료에 사용할 수 없습니다" in korean


def test_the_label_and_the_data_are_called_what_the_artifacts_call_them(run, tmp_path):
    kit.write(run, tmp_path)
    page = (tmp_path / "report.en.html").read_text("utf-8")
    assert "Data: stand_in, 10 cases." in page
    assert "label 1: 2, label 0: 1" in page
    assert "RDS" not in page.replace("rds_tf", "")
    (run / "prepared").rename(run / "my cohort")
    scores = {key: value for key, value in DIAGNOSIS.items() if key != "data"}
    (run / "diagnosis.json").write_text(json.dumps(scores))
    kit.write(run, tmp_path)
    page = (tmp_path / "report.en.html").read_text("utf-8")
    assert "Data: my cohort, 10 cases." in page and "Data: stand_in, 7 cases." in page


def test_names_from_files_are_escaped_in_every_page(run, tmp_path):
    arm = f"{HOSTILE} | [x](javascript:1) `y` $z$ 홍"
    scores = {"data": HOSTILE, "num_cases": 10, "arms": {arm: ARM}}
    (run / "diagnosis.json").write_text(json.dumps(scores))
    (run / "audit_tube.json").write_text(json.dumps({arm: AUDIT["B0 combined"]}))
    model = MODEL | {"output": HOSTILE, "input": HOSTILE}
    (run / "models/classifier/manifest.json").write_text(json.dumps(model))
    kit.write(run, tmp_path)
    for code in language.LANGUAGES:
        page = (tmp_path / f"report.{code}.html").read_text("utf-8")
        assert "<script" not in page and "&lt;script&gt;" in page
        text = (tmp_path / f"report.{code}.md").read_text("utf-8")
        assert "<script" not in text
        assert not re.search(r"(?<!\\)\]\(javascript", text)
        (row, *_) = [line for line in text.splitlines() if line.startswith("| &lt;scr")]
        assert len(re.findall(r"(?<!\\)\|", row)) == 5  # arm, two scores, counts


def test_markdown_and_html_hold_the_same_numbers(compared, tmp_path):
    kit.write(compared, tmp_path)
    for code in language.LANGUAGES:
        page = (tmp_path / f"report.{code}.html").read_text("utf-8")
        page = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
        text = (tmp_path / f"report.{code}.md").read_text("utf-8")
        numbers = [re.findall(r"\d\.\d{3}", each) for each in (page, text)]
        assert numbers[0] == numbers[1] and len(numbers[0]) > 50


def test_figures_are_files_of_the_markdown_and_no_draft_stays(run, tmp_path):
    kit.write(run, tmp_path / "kit")
    names = {p.name for p in (tmp_path / "kit").rglob("*") if p.is_file()} - {".lock"}
    pages = {
        f"report.{lang}.{kind}" for lang in ("en", "ko") for kind in ("html", "md")
    }
    assert names == pages | {"auroc.png", "confusion_0.png", "segmentation.png"}
    data = (tmp_path / "kit/figures/auroc.png").read_bytes()
    assert data.startswith(b"\x89PNG")


def test_a_kit_that_another_run_is_writing_is_left_alone(run, tmp_path):
    out = tmp_path / "kit"
    with disk.claim(out), pytest.raises(BlockingIOError, match="another run"):
        kit.write(run, out)
    assert [path.name for path in out.rglob("*")] == [".lock"]


def test_entries_named_as_today_and_as_before_give_the_same_facts(compared):
    before = judge(compared, "claim"), judge(compared, "stard_ai")
    for path in compared.glob("compared/*.json"):
        text = path.read_text().replace("left_open", "abstained")
        path.write_text(text.replace('"offset"', '"intercept"'))
    assert (judge(compared, "claim"), judge(compared, "stard_ai")) == before


@pytest.mark.parametrize("left", ["diagnosis.json", "readers.json", "manifest.json"])
def test_one_artifact_of_any_kind_is_enough(run, tmp_path, left):
    for path in run.rglob("*"):
        if path.is_file() and path.name != left:
            path.unlink()
    said = kit.write(run, tmp_path)
    assert "CLAIM 2024" in said and (tmp_path / "report.ko.md").is_file()


def test_a_folder_without_results_is_one_sentence(tmp_path, capsys):
    (tmp_path / "notes.json").write_text("{}")
    assert command.main(["report", str(tmp_path), str(tmp_path / "kit")]) == 1
    assert "holds no results of rds_tf." in capsys.readouterr().err
    assert not (tmp_path / "kit").exists()
    assert command.main(["report", str(tmp_path / "gone"), str(tmp_path)]) == 1
    assert "gone: there is no such folder." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("diagnosis.json", "{"),
        ("diagnosis.json", "[1]"),
        ("diagnosis.json", '{"num_cases": 3, "arms": {"a": {}}}'),
        ("segmentation.json", '{"num_cases": 3}'),
        ("audit_tube.json", '{"B0": {"alarm": true}}'),
        ("readers.json", '{"treatments": ["a"]}'),
        ("compared/ensemble.json", "{}"),
        ("compared/comparison.json", '{"num_cases": 1, "arms": {}}'),
        ("models/classifier/manifest.json", '{"kind": "classifier"}'),
        ("prepared/manifest.csv", "a,b\n1,2\n"),
        ("prepared/fold_audit.csv", "a,b\n1,2\n"),
    ],
)
def test_a_damaged_artifact_is_named(compared, tmp_path, path, content, capsys):
    (compared / path).write_text(content)
    assert command.main(["report", str(compared), str(tmp_path / "kit")]) == 1
    said = capsys.readouterr().err.strip()
    assert Path(path).name in said and "\n" not in said


def test_tensorflow_is_not_loaded_for_a_report():
    import subprocess
    import sys

    code = "import sys; from rds_pages.paper_kit import kit; "
    code += "print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_markdown_takes_the_meaning_from_signs():
    table = document.Table(["a|b"], [["- *x*"]])
    text = document.to_markdown([document.Heading("T", 1), table])
    assert text.endswith("\n\n| a\\|b |\n| --- |\n| \\- \\*x\\* |\n")
