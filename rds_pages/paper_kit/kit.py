"""The paper kit: results, model card and checklists of a run, in two languages."""

import dataclasses
import json
import os
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from rds_pages import language
from rds_pages.paper_kit import artifacts, findings
from rds_pages.reports import document, score_tables
from rds_tf import config
from rds_tf.plotting import plots
from rds_tf.storage import disk

HERE = Path(__file__).parent
CHECKLISTS = ("claim", "stard_ai", "tripod_ai")
STATES = ANSWERED, PARTLY, PERSON = "answered", "partly", "person"
WORDS = language.load_words(HERE)
MODEL_ROWS = (
    *("architecture", "input", "preprocessing", "output", "data", "start"),
    *("steps", "seed", "num_parameters", "copies"),
)


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
    with disk.claim(out):
        (out / "figures").mkdir(exist_ok=True)
        for _, _, figure in figures:
            disk.write_whole(out / figure.name, figure.png)
        for code in language.LANGUAGES:
            page = Page(run, facts, out, code)
            blocks = page.list_blocks(figures, checklists)
            html = document.to_html(blocks, code)
            disk.write_whole(out / f"report.{code}.html", html.encode())
            text = document.to_markdown(blocks, code)
            disk.write_whole(out / f"report.{code}.md", text.encode())
    lines = []
    for checklist in checklists:
        states = [judge_item(item, facts)[0] for item in checklist["items"]]
        counts = map(states.count, STATES)
        said = "{} answered, {} partly, {} for a person".format(*counts)
        lines.append(f"{checklist['name']}: {said}")
    lines.append(f"All in {out / 'report.en.html'} and {out / 'report.ko.html'}")
    return "\n".join([*lines, config.NOT_FOR_CLINICAL_USE])


def load_checklist(name: str) -> dict:
    """Load a checklist: `"name"`, `"title"`, `"cite"`, `"doi"` and `"items"`.

    An item has `"number"`, its text in both languages, the `"facts"` that speak to it,
    and `"whole"`, True where these answer all of it.
    """
    path = HERE / "checklists" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def judge_item(item: dict, facts: dict) -> tuple[str, list[findings.Fact]]:
    """Return the status of an item, and the facts of the run that speak to it."""
    found = [facts[name] for name in item["facts"] if name in facts]
    if not found:
        return PERSON, []
    # The first fact of an item is the one that it asks for; others add to it.
    whole = item["whole"] and item["facts"][0] in facts
    return (ANSWERED if whole else PARTLY), found


class Page:
    """The page of a run in one language.

    Attributes:
        run: its artifacts.
        facts: of `findings.list_facts`.
        out: folder of the page, from which links lead to the artifacts.
        code: of the language, `"en"` or `"ko"`.
    """

    def __init__(
        self, run: artifacts.Run, facts: dict[str, findings.Fact], out: Path, code: str
    ):
        """Choose the language."""
        self.run, self.facts, self.out, self.code = run, facts, out, code
        self.say = language.speak(WORDS, code)

    def list_blocks(self, figures: list, checklists: list[dict]) -> list:
        """List the blocks, from title to last citation."""
        say = self.say
        blocks = [
            document.Heading(say("title", run=self.run.folder.resolve().name), 1),
            document.Paragraph(say("intro", data=self.run.data)),
            document.Heading(say("found")),
            self._list_files(),
            document.Heading(say("results")),
            *self._list_scores(),
        ]
        for key, values, figure in figures:
            alt = say(f"figure.{key}", **values)
            blocks.append(dataclasses.replace(figure, alt=alt))
        blocks += [document.Heading(say("summary"), 3), self._list_facts()]
        if self.run.models:
            blocks.append(document.Heading(say("card")))
            blocks.append(document.Paragraph(say("use")))
            blocks += self._list_models()
        blocks.append(document.Heading(say("checklists")))
        for checklist in checklists:
            blocks += self._list_items(checklist)
        return blocks

    def _head(self, *names: str) -> list[str]:
        return [self.say(f"column.{name}") for name in names]

    def _link(self, path: Path) -> tuple[str, str]:
        """Name a file and give its address as seen from the folder of the page."""
        address = os.path.relpath(path.resolve(), self.out.resolve())
        return path.name, Path(address).as_posix()

    def _list_files(self) -> document.Table:
        rows = []
        for name, path in self.run.paths.items():
            kind = "audit" if name.startswith("audit_") else name
            page = path.with_suffix(".html")  # lies beside some artifacts
            for file in (path, page) if page.is_file() else (path,):
                cell = document.Cell("", (self._link(file),))
                rows.append((cell, self.say(f"artifact.{kind}")))
        for path in list(self.run.models)[:1]:
            name, address = self._link(path)
            link = f"{path.parent.name}/{name}", address
            rows.append((document.Cell("", (link,)), self.say("artifact.model")))
        return document.Table(self._head("file", "what"), rows)

    def _list_scores(self) -> list[document.Block]:
        """List a table of scores a task."""
        tables = {"segmentation": self.run.segmentation}
        tables["diagnosis"] = self.run.scores[1] if self.run.scores else None
        blocks = []
        for task, scores in tables.items():
            if scores:
                data, cases = self.run.name_data(scores), scores["num_cases"]
                blocks += [
                    document.Heading(self.say(f"task.{task}"), 3),
                    self._tabulate(score_tables.make_table(task, scores)),
                    document.Paragraph(self.say("measured", data=data, cases=cases)),
                ]
        return blocks

    def _tabulate(self, table: pd.DataFrame) -> document.Table:
        """Lay scores out, an arm a row."""
        head, *rows = score_tables.make_grid(table)
        for place, metric in enumerate(score_tables.list_metrics(table), start=1):
            if f"metric.{metric}" in WORDS:
                head[place] = self.say(f"metric.{metric}")
        return document.Table([self.say("column.arm"), *head[1:]], rows)

    def _list_facts(self) -> document.Table:
        rows = [
            (
                fact.write(self.say),
                document.Cell("", tuple(map(self._link, fact.paths))),
            )
            for fact in self.facts.values()
        ]
        return document.Table(self._head("fact", "source"), rows, (78, 22))

    def _list_models(self) -> list[document.Block]:
        """List a card a kind of model: those that differ in fold or seed share one."""
        kinds = {}
        for path, model in self.run.models.items():
            key = (model["kind"], str(model["architecture"]), model.get("input"))
            kinds.setdefault(key, []).append(path)
        blocks = []
        for (kind, _, _), paths in kinds.items():
            model = self.run.models[paths[0]]
            network = model["architecture"]
            known = {**model["training"], **model, "copies": len(paths)}
            known["architecture"] = ", ".join(f"{k} {v}" for k, v in network.items())
            rows = [
                (self.say(f"model.{name}"), str(known[name]))
                for name in MODEL_ROWS
                if name in known
            ]
            for path in paths:
                digest = self.run.models[path]["weights"]["sha256"]
                cell = document.Cell(digest, (self._link(path),))
                rows.append((self.say("model.sha256"), cell))
            name = f"{kind} {network.get('backbone', '')} {model.get('input', '')}"
            title = self.say("model_title", name=name.strip())
            blocks.append(document.Heading(title, 3))
            blocks.append(document.Table(self._head("field", "value"), rows, (25, 75)))
        return blocks

    def _list_items(self, checklist: dict) -> list[document.Block]:
        """List one checklist: its title, its count, its rows, its paper."""
        rows, states = [], []
        for item in checklist["items"]:
            state, found = judge_item(item, self.facts)
            states.append(state)
            text = " / ".join(fact.write(self.say) for fact in found)
            paths = dict.fromkeys(path for fact in found for path in fact.paths)
            answer = document.Cell(text, tuple(map(self._link, paths)))
            state = self.say(f"status.{state}")
            rows.append((item["number"], item[self.code], state, answer))
        counts = dict(zip(STATES, map(states.count, STATES), strict=True))
        head = self._head("number", "item", "status", "answer")
        return [
            document.Heading(checklist["title"][self.code], 3),
            document.Paragraph(self.say("counted", rows=len(rows), **counts)),
            document.Table(head, rows, (6, 32, 13, 49)),
            document.Paragraph(
                f"{checklist['cite']} https://doi.org/{checklist['doi']}"
            ),
        ]


def draw_figures(run: artifacts.Run) -> list[tuple[str, dict, document.Figure]]:
    """Draw what the scores allow: AUROC, confusion, masks.

    Returns:
        For each the name of its caption in `words.toml`, what fills it, the figure.
    """
    drawn = []
    if run.scores:
        arms = run.scores[1]["arms"]
        aurocs = {name: found["auroc"] for name, found in arms.items()}
        drawn.append(("auroc", {}, "auroc", plot_intervals(aurocs, "AUROC")))
        for number, (name, found) in enumerate(arms.items()):
            if name.startswith("baseline"):
                continue
            figure = plots.plot_confusion(found["confusion"], ("label 0", "label 1"))
            file = f"confusion_{number}"
            drawn.append(("confusion", {"arm": name}, file, figure))
    if run.segmentation:
        angles = run.segmentation["angles"]
        steps = angles.get("0") or next(iter(angles.values()))
        rows = {name: scores["miou"] for name, scores in steps.items()}
        figure = plot_intervals(rows, "MIoU")
        drawn.append(("segmentation", {}, "segmentation", figure))
    return [
        (key, values, document.draw(figure, "", name=f"figures/{file}.png"))
        for key, values, file, figure in drawn
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
