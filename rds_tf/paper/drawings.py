"""Pictures of a run, drawn from its numbers alone."""

import io

from matplotlib.figure import Figure

from rds_tf import plots
from rds_tf.paper import artifacts, layout


def draw_figures(run: artifacts.Run) -> list[layout.Figure]:
    """Draw what the scores allow: AUROC, confusion, masks, readers."""
    said, drawn = layout.Said, []
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
        layout.Figure(f"figures/{name}.png", _encode(figure), text)
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
