"""The paper kit: results, model card and checklists of a run, in two languages."""

import io
import json
import os
from importlib import resources
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from rds_pages.paper_kit import artifacts, findings, wording
from rds_pages.reports import page_template, score_tables
from rds_tf import config
from rds_tf.plotting import plots
from rds_tf.storage import disk

CHECKLISTS = ("claim", "stard_ai", "tripod_ai")
LANGUAGES = ("en", "ko")
Cell, Heading, Paragraph = (
    page_template.Cell,
    page_template.Heading,
    page_template.Paragraph,
)
same = page_template.same


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
    run, out = artifacts.load_run(folder), Path(out)
    facts = findings.list_facts(run)
    figures = draw_figures(run)
    checklists = [load_checklist(name) for name in CHECKLISTS]
    blocks = list_blocks(run, facts, figures, checklists, out)
    with disk.claim(out):
        (out / "figures").mkdir(exist_ok=True)
        for figure in figures:
            disk.write_whole(out / figure.name, figure.png)
        for language in LANGUAGES:
            page = page_template.to_html(blocks, language)
            disk.write_whole(out / f"report.{language}.html", page.encode())
            text = page_template.to_markdown(blocks, language)
            disk.write_whole(out / f"report.{language}.md", text.encode())
    lines = []
    for checklist in checklists:
        states = [judge_item(item, facts)[0] for item in checklist["items"]]
        count = [
            states.count(s) for s in (wording.ANSWERED, wording.PARTLY, wording.PERSON)
        ]
        said = "{} answered, {} partly, {} for a person".format(*count)
        lines.append(f"{checklist['name']}: {said}")
    lines.append(f"All in {out / 'report.en.html'} and {out / 'report.ko.html'}")
    return "\n".join([*lines, config.NOT_FOR_CLINICAL_USE])


def load_checklist(name: str) -> dict:
    """Load a checklist: `"name"`, `"title"`, `"cite"`, `"doi"` and `"items"`.

    An item has `"number"`, its text in both languages, the `"facts"` that speak to it,
    and `"whole"`, True where these answer all of it.
    """
    folder = resources.files("rds_pages.paper_kit") / "checklists"
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def judge_item(item: dict, facts: dict) -> tuple[page_template.Said, list]:
    """Return the status of an item, and the facts of the run that speak to it."""
    found = [facts[name] for name in item["facts"] if name in facts]
    if not found:
        return wording.PERSON, []
    # The first fact of an item is the one that it asks for; others add to it.
    whole = item["whole"] and item["facts"][0] in facts
    return (wording.ANSWERED if whole else wording.PARTLY), found


def list_blocks(
    run: artifacts.Run, facts: dict, figures: list, checklists: list[dict], out: Path
) -> list:
    """List the blocks of the page, from title to last citation."""
    blocks = [
        Heading(wording.fill(wording.TITLE, run.folder.resolve().name), 1),
        Paragraph(wording.NOTICE, notice=True),
        Paragraph(wording.fill(wording.INTRO, run.data)),
        Heading(wording.FOUND),
        _list_files(run, out),
        Heading(wording.RESULTS),
        *_list_scores(run),
        *figures,
        Heading(wording.FACTS, 3),
        _list_facts(facts, out),
    ]
    if run.models:
        blocks += [
            Heading(wording.CARD),
            Paragraph(wording.USE),
            *_list_models(run, out),
        ]
    blocks.append(Heading(wording.CHECKLISTS))
    for checklist in checklists:
        blocks += _list_items(checklist, facts, out)
    return blocks


def _link(path: Path, out: Path) -> tuple[str, str]:
    """Name a file and give its address as seen from the folder of the page."""
    return path.name, Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()


def _list_files(run: artifacts.Run, out: Path) -> page_template.Table:
    rows = []
    for name, path in run.paths.items():
        kind = "audit" if name.startswith("audit_") else name
        rows.append((_file_cell(path, out), Cell(wording.ARTIFACTS[kind])))
        page = path.with_suffix(".html")  # beside some figures lies their page
        if page.is_file():
            rows.append((_file_cell(page, out), Cell(wording.ARTIFACTS[kind])))
    for path in list(run.models)[:1]:
        rows.append((_file_cell(path, out), Cell(wording.ARTIFACTS["model"])))
    return page_template.Table((wording.FILE, wording.WHAT), rows)


def _file_cell(path: Path, out: Path) -> Cell:
    name, address = _link(path, out)
    if path.name == "manifest.json":
        name = f"{path.parent.name}/{name}"
    return Cell(same(""), ((name, address),))


def _list_scores(run: artifacts.Run) -> list:
    """List a table of scores a task."""
    tables = {"segmentation": run.segmentation}
    tables["diagnosis"] = run.scores[1] if run.scores else None
    blocks = []
    for task, scores in tables.items():
        if scores:
            table = score_tables.make_table(task, scores)
            measured = run.name_data(scores), scores["num_cases"]
            blocks += [
                Heading(wording.TASKS[task], 3),
                _make_table(table),
                Paragraph(wording.fill(wording.NOTE, *measured)),
            ]
    return blocks


def _make_table(table: pd.DataFrame) -> page_template.Table:
    """Lay scores out, an arm a row."""
    head, *rows = score_tables.make_grid(table)
    names = [
        name for name in table["metric"].unique() if name not in score_tables.COUNTS
    ]
    titles = [wording.METRICS.get(name, same(name)) for name in names]
    titles += [wording.COUNTS] * (len(head) - 1 - len(names))
    cells = [tuple(Cell(same(cell)) for cell in row) for row in rows]
    return page_template.Table((wording.ARM, *titles), cells)


def _list_facts(facts: dict, out: Path) -> page_template.Table:
    rows = [
        (
            Cell(fact.text),
            Cell(same(""), tuple(_link(path, out) for path in fact.paths)),
        )
        for fact in facts.values()
    ]
    return page_template.Table((wording.FACT, wording.SOURCE), rows, (82, 18))


def _list_models(run: artifacts.Run, out: Path) -> list:
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
            for name, title in wording.MODEL_ROWS.items()
            if name in known
        ]
        rows += [
            (
                Cell(page_template.Said("Weights, SHA-256", "가중치 SHA-256")),
                Cell(same(run.models[path]["weights"]["sha256"]), (_link(path, out),)),
            )
            for path in paths
        ]
        backbone = manifest["architecture"].get("backbone", "")
        name = f"{kind} {backbone} {manifest.get('input', '')}".strip()
        title = page_template.Said(f"Model: {name}", f"모델: {name}")
        blocks.append(Heading(title, 3))
        blocks.append(page_template.Table((wording.FIELD, wording.VALUE), rows))
    return blocks


def _list_items(checklist: dict, facts: dict, out: Path) -> list:
    """List one checklist: its title, its count, its rows, its paper."""
    rows, states = [], []
    for item in checklist["items"]:
        state, found = judge_item(item, facts)
        states.append(state)
        text = page_template.Said(
            " / ".join(fact.text.en for fact in found),
            " / ".join(fact.text.ko for fact in found),
        )
        paths = dict.fromkeys(path for fact in found for path in fact.paths)
        links = tuple(_link(path, out) for path in paths)
        said = page_template.Said(item["en"], item["ko"])
        rows.append(
            (Cell(same(item["number"])), Cell(said), Cell(state), Cell(text, links))
        )
    counts = [
        states.count(s) for s in (wording.ANSWERED, wording.PARTLY, wording.PERSON)
    ]
    head = wording.NUMBER, wording.ITEM, wording.STATUS, wording.ANSWER
    cite = f"{checklist['cite']} https://doi.org/{checklist['doi']}"
    return [
        Heading(page_template.Said(**checklist["title"]), 3),
        Paragraph(wording.fill(wording.COUNTED, len(rows), *counts)),
        page_template.Table(head, rows, (5, 32, 13, 50)),
        Paragraph(same(cite)),
    ]


def draw_figures(run: artifacts.Run) -> list[page_template.Figure]:
    """Draw what the scores allow: AUROC, confusion, masks, readers."""
    said, drawn = page_template.Said, []
    if run.scores:
        arms = run.scores[1]["arms"]
        rows = {name: found["auroc"] for name, found in arms.items()}
        text = said("AUROC with 95 % intervals", "AUROC와 95% 신뢰구간")
        drawn.append(("auroc", plot_intervals(rows, "AUROC"), text))
        for number, (name, found) in enumerate(arms.items()):
            if name.startswith("baseline"):
                continue
            labels = ("label 0", "label 1")
            figure = plots.plot_confusion(found["confusion"], labels)
            text = said(f"Confusion matrix: {name}", f"혼동 행렬: {name}")
            drawn.append((f"confusion_{number}", figure, text))
    if run.segmentation:
        angles = run.segmentation["angles"]
        steps = angles.get("0") or next(iter(angles.values()))
        rows = {name: scores["miou"] for name, scores in steps.items()}
        text = said("MIoU of the lungs with 95 % intervals", "폐 MIoU와 95% 신뢰구간")
        drawn.append(("segmentation", plot_intervals(rows, "MIoU"), text))
    return [
        page_template.Figure(f"figures/{name}.png", _encode(figure), text)
        for name, figure, text in drawn
    ]


def plot_intervals(rows: dict[str, dict], measure: str) -> Figure:
    """Plot one value with its interval a row.

    Args:
        rows: name -> `"value"`, `"low"`, `"high"`; what is None is left out.
        measure: what the axis shows.
    """
    figure = Figure(figsize=(7, 0.8 + 0.36 * len(rows)), layout="constrained")
    panel = figure.subplots()
    for place, score in enumerate(rows.values()):
        if score["value"] is None:
            continue
        panel.plot(score["value"], place, "o", color="#0072b2")
        if score["low"] is not None:
            panel.hlines(place, score["low"], score["high"], color="#0072b2")
    panel.set_yticks(range(len(rows)), [_spell(name) for name in rows])
    panel.invert_yaxis()
    panel.set_xlabel(measure)
    panel.grid(axis="x", color="#dddddd")
    panel.spines[["top", "right"]].set_visible(False)
    return figure


def _spell(name: str) -> str:
    """Keep a name to letters that every font has, and from being a formula."""
    return name.encode("ascii", "replace").decode().replace("$", r"\$")


def _encode(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
