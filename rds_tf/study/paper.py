"""The paper kit: results, model card and checklists of a run, in two languages."""

import json
import os
from importlib import resources
from pathlib import Path

import pandas as pd

from rds_tf import config, engine
from rds_tf.study import paper_blocks, paper_facts, paper_figures, paper_run, report
from rds_tf.study import paper_words as words

CHECKLISTS = ("claim", "stard_ai", "tripod_ai")
LANGUAGES = ("en", "ko")
Cell, Heading, Paragraph = (
    paper_blocks.Cell,
    paper_blocks.Heading,
    paper_blocks.Paragraph,
)
same = paper_blocks.same


def write(folder: str | Path, out: str | Path) -> str:
    """Write `report.en.html`, `report.ko.html`, both as Markdown, and the figures.

    Args:
        folder: holds what the commands of this project wrote; any part may be missing.
        out: folder to write.

    Returns:
        What was written, in a few lines.

    Raises:
        FileNotFoundError: if the folder holds no results.
        ValueError: if a file is not what its command writes.
    """
    run, out = paper_run.load_run(folder), Path(out)
    facts = paper_facts.list_facts(run)
    figures = paper_figures.draw_figures(run)
    checklists = [load_checklist(name) for name in CHECKLISTS]
    blocks = list_blocks(run, facts, figures, checklists, out)
    (out / "figures").mkdir(parents=True, exist_ok=True)
    for figure in figures:
        engine.write_whole(out / figure.name, figure.png)
    for language in LANGUAGES:
        page = paper_blocks.to_html(blocks, language)
        engine.write_whole(out / f"report.{language}.html", page.encode())
        text = paper_blocks.to_markdown(blocks, language)
        engine.write_whole(out / f"report.{language}.md", text.encode())
    lines = []
    for checklist in checklists:
        states = [judge_item(item, facts)[0] for item in checklist["items"]]
        count = [states.count(s) for s in (words.ANSWERED, words.PARTLY, words.PERSON)]
        said = "{} answered, {} partly, {} for a person".format(*count)
        lines.append(f"{checklist['name']}: {said}")
    lines.append(f"All in {out / 'report.en.html'} and {out / 'report.ko.html'}")
    return "\n".join([*lines, config.NOT_FOR_CLINICAL_USE])


def load_checklist(name: str) -> dict:
    """Load a checklist: `"name"`, `"title"`, `"cite"`, `"doi"` and `"items"`.

    An item has `"number"`, its text in both languages, the `"facts"` that speak to it,
    and `"whole"`, True where these answer all of it.
    """
    folder = resources.files("rds_tf.study") / "checklists"
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def judge_item(item: dict, facts: dict) -> tuple[paper_blocks.Said, list]:
    """Return the status of an item, and the facts of the run that speak to it."""
    found = [facts[name] for name in item["facts"] if name in facts]
    if not found:
        return words.PERSON, []
    # The first fact of an item is the one that it asks for; others add to it.
    whole = item["whole"] and item["facts"][0] in facts
    return (words.ANSWERED if whole else words.PARTLY), found


def list_blocks(
    run: paper_run.Run, facts: dict, figures: list, checklists: list[dict], out: Path
) -> list:
    """List the blocks of the page, from title to last citation."""
    blocks = [
        Heading(words.fill(words.TITLE, run.folder.resolve().name), 1),
        Paragraph(words.NOTICE, notice=True),
        Paragraph(words.fill(words.INTRO, run.data)),
        Heading(words.FOUND),
        _list_files(run, out),
        Heading(words.RESULTS),
        *_list_scores(run),
        *figures,
        Heading(words.FACTS, 3),
        _list_facts(facts, out),
    ]
    if run.models:
        blocks += [Heading(words.CARD), Paragraph(words.USE), *_list_models(run, out)]
    blocks.append(Heading(words.CHECKLISTS))
    for checklist in checklists:
        blocks += _list_items(checklist, facts, out)
    return blocks


def _link(path: Path, out: Path) -> tuple[str, str]:
    """Name a file and give its address as seen from the folder of the page."""
    return path.name, Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()


def _list_files(run: paper_run.Run, out: Path) -> paper_blocks.Table:
    rows = []
    for name, path in run.paths.items():
        kind = "audit" if name.startswith("audit_") else name
        rows.append((_file_cell(path, out), Cell(words.ARTIFACTS[kind])))
        page = path.with_suffix(".html")  # beside some figures lies their page
        if page.is_file():
            rows.append((_file_cell(page, out), Cell(words.ARTIFACTS[kind])))
    for path in list(run.models)[:1]:
        rows.append((_file_cell(path, out), Cell(words.ARTIFACTS["model"])))
    return paper_blocks.Table((words.FILE, words.WHAT), rows)


def _file_cell(path: Path, out: Path) -> Cell:
    name, address = _link(path, out)
    if path.name == "manifest.json":
        name = f"{path.parent.name}/{name}"
    return Cell(same(""), ((name, address),))


def _list_scores(run: paper_run.Run) -> list:
    """List a table of scores a task."""
    tables = {"segmentation": run.segmentation}
    tables["diagnosis"] = run.scores[1] if run.scores else None
    blocks = []
    for task, scores in tables.items():
        if scores:
            table = report.make_table(task, scores)
            measured = run.name_data(scores), scores["num_cases"]
            blocks += [
                Heading(words.TASKS[task], 3),
                _make_table(table),
                Paragraph(words.fill(words.NOTE, *measured)),
            ]
    return blocks


def _make_table(table: pd.DataFrame) -> paper_blocks.Table:
    """Lay scores out, an arm a row."""
    head, *rows = report.make_grid(table)
    names = [name for name in table["metric"].unique() if name not in report.COUNTS]
    titles = [words.METRICS.get(name, same(name)) for name in names]
    titles += [words.COUNTS] * (len(head) - 1 - len(names))
    cells = [tuple(Cell(same(cell)) for cell in row) for row in rows]
    return paper_blocks.Table((words.ARM, *titles), cells)


def _list_facts(facts: dict, out: Path) -> paper_blocks.Table:
    rows = [
        (
            Cell(fact.text),
            Cell(same(""), tuple(_link(path, out) for path in fact.paths)),
        )
        for fact in facts.values()
    ]
    return paper_blocks.Table((words.FACT, words.SOURCE), rows, (82, 18))


def _list_models(run: paper_run.Run, out: Path) -> list:
    """List a card a kind of model: those that differ in fold or seed share one."""
    kinds = {}
    for path, manifest in run.models.items():
        key = (manifest["kind"], str(manifest["architecture"]), manifest.get("input"))
        kinds.setdefault(key, []).append(path)
    blocks = []
    for (kind, _, _), paths in kinds.items():
        manifest = run.models[paths[0]]
        training = manifest["training"]
        known = {**training, **manifest, "copies": len(paths)}
        known["architecture"] = ", ".join(
            f"{key} {value}" for key, value in manifest["architecture"].items()
        )
        rows = [
            (Cell(title), Cell(same(known[name])))
            for name, title in words.MODEL_ROWS.items()
            if name in known
        ]
        rows += [
            (
                Cell(paper_blocks.Said("Weights, SHA-256", "가중치 SHA-256")),
                Cell(same(run.models[path]["weights"]["sha256"]), (_link(path, out),)),
            )
            for path in paths
        ]
        backbone = manifest["architecture"].get("backbone", "")
        name = f"{kind} {backbone} {manifest.get('input', '')}".strip()
        title = paper_blocks.Said(f"Model: {name}", f"모델: {name}")
        blocks.append(Heading(title, 3))
        blocks.append(paper_blocks.Table((words.FIELD, words.VALUE), rows))
    return blocks


def _list_items(checklist: dict, facts: dict, out: Path) -> list:
    """List one checklist: its title, its count, its rows, its paper."""
    rows, states = [], []
    for item in checklist["items"]:
        state, found = judge_item(item, facts)
        states.append(state)
        text = paper_blocks.Said(
            " / ".join(fact.text.en for fact in found),
            " / ".join(fact.text.ko for fact in found),
        )
        paths = dict.fromkeys(path for fact in found for path in fact.paths)
        links = tuple(_link(path, out) for path in paths)
        wording = paper_blocks.Said(item["en"], item["ko"])
        rows.append(
            (Cell(same(item["number"])), Cell(wording), Cell(state), Cell(text, links))
        )
    counts = [states.count(s) for s in (words.ANSWERED, words.PARTLY, words.PERSON)]
    head = words.NUMBER, words.ITEM, words.STATUS, words.ANSWER
    cite = f"{checklist['cite']} https://doi.org/{checklist['doi']}"
    return [
        Heading(paper_blocks.Said(**checklist["title"]), 3),
        Paragraph(words.fill(words.COUNTED, len(rows), *counts)),
        paper_blocks.Table(head, rows, (5, 32, 13, 50)),
        Paragraph(same(cite)),
    ]
