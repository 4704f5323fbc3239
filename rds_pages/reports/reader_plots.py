"""Figures of a reader study: arrays in, Figure out, in the colours of `plots`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import font_manager, ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn import metrics as sklearn_metrics

from rds_tf.plotting import plots

GRID = np.linspace(0, 1, 1001)
SMALL = 8
KOREAN = ("NotoSansCJK-Regular", "NanumGothic", "malgun", "AppleSDGothicNeo")


def plot_readers(
    scores: np.ndarray,
    *,
    means: np.ndarray,
    intervals: np.ndarray,
    treatments: Sequence[str],
    readers: Sequence[str],
) -> Figure:
    """Plot each reader's AUROC with both treatments, joined, and their mean.

    Lines that rise are readers who gain. The mean with its 95 % interval, of one
    treatment alone, stands outside the lines.

    Args:
        scores: `(2, R)`, by treatment and reader.
        means, intervals: `(2,)` and `(2, 2)`, as of `mrmc.average`.
        treatments, readers: names.

    Returns:
        `matplotlib.figure.Figure`.
    """
    scores, intervals = np.asarray(scores), np.asarray(intervals)
    room = 0.05 * max(map(len, readers))  # for the names, beside the second arm
    figure = Figure(figsize=(4.1 + 1.6 * room, 3.9), layout="constrained")
    panel = figure.subplots()
    for index in range(scores.shape[1]):
        colour = plots.COLOURS[2 if scores[1, index] >= scores[0, index] else 1]
        panel.plot([0, 1], scores[:, index], "-o", color=colour, markersize=4, lw=1.2)
    for arm, (place, side) in enumerate([(-0.2, "right"), (1.2 + room, "left")]):
        panel.plot([place] * 2, intervals[arm], color="black", linewidth=1.5)
        panel.plot(place, means[arm], "D", color="black", markersize=6)
        text = f"  {means[arm]:.3f}  "
        panel.text(place, means[arm], text, fontsize=SMALL, va="center", ha=side)
    span = max(scores.max(), intervals.max()) - min(scores.min(), intervals.min())
    heights = _spread(scores[1], 0.045 * span)
    for name, score, height in zip(readers, scores[1], heights, strict=True):
        panel.annotate(
            name,
            (1, score),
            (1.08, height),
            fontsize=SMALL,
            va="center",
            color=plots.PALE,
            arrowprops={"arrowstyle": "-", "color": "0.8", "lw": 0.6, "shrinkB": 3},
        )
    panel.set(xlim=(-0.48, 1.5 + room), xticks=[0, 1], xticklabels=treatments)
    _tidy(panel, ylabel="AUROC")
    panel.tick_params(axis="x", length=0, labelsize=10)
    return figure


def plot_mean_roc(
    truth: np.ndarray, ratings: np.ndarray, treatments: Sequence[str]
) -> Figure:
    """Plot the ROC curve of each reader, and their mean, with both treatments.

    The mean is that of the sensitivities at one specificity, so that its area is the
    mean of the readers' areas (Chen and Samuelson, 2014).

    Args:
        truth: `(N,)` of 0 and 1.
        ratings: `(2, R, N)`.
        treatments: names.

    Returns:
        `matplotlib.figure.Figure`.
    """
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    panel = figure.subplots()
    for name, arm, colour in zip(treatments, ratings, plots.COLOURS, strict=False):
        curves, areas = [], []
        for one in arm:
            false_rate, true_rate, _ = sklearn_metrics.roc_curve(truth, one)
            panel.plot(false_rate, true_rate, color=colour, linewidth=0.7, alpha=0.35)
            curves.append(np.interp(GRID, false_rate, true_rate))
            areas.append(sklearn_metrics.auc(false_rate, true_rate))
        label = f"{name}: mean AUROC {np.mean(areas):.3f}"
        mean = np.r_[0, np.mean(curves, axis=0)]
        panel.plot(np.r_[0, GRID], mean, color=colour, linewidth=2.2, label=label)
    panel.plot([0, 1], [0, 1], color=plots.PALE, linewidth=0.8, linestyle=":")
    panel.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    _tidy(panel, xlabel="1 - specificity", ylabel="sensitivity")
    panel.legend(frameon=False, loc="lower right", fontsize=SMALL)
    return figure


def plot_changes(
    better: Sequence[int],
    worse: Sequence[int],
    *,
    readers: Sequence[str],
    seconds: Sequence[Sequence[float | None]] | None = None,
    treatments: Sequence[str] = ("", ""),
) -> Figure:
    """Plot how many decisions each reader turned right and wrong, and the time spent.

    Args:
        better, worse: `(R,)`, decisions turned right, and turned wrong, by the second
            treatment.
        readers: names.
        seconds: two rows of `R` medians, None where unknown; default no second panel.
        treatments: names, for the legend of the times.

    Returns:
        `matplotlib.figure.Figure`.
    """
    num_panels = 1 if seconds is None else 2
    size = (4.6 * num_panels, 0.36 * len(readers) + 1.4)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, num_panels, squeeze=False, sharey=True)[0]
    rows = np.arange(len(readers))
    _draw_changes(panels[0], rows, np.array(better), np.array(worse))
    panels[0].set(yticks=rows, yticklabels=readers)
    if seconds is not None:
        _draw_times(panels[1], rows, seconds, treatments)
    panels[0].invert_yaxis()
    return figure


def list_fonts() -> list[str]:
    """List families for figures: Matplotlib's own, and a Korean one if installed."""
    families = ["DejaVu Sans"]
    for path in sorted(font_manager.findSystemFonts()):
        if Path(path).stem in KOREAN:
            # Matplotlib's own list may be older than the font.
            font_manager.fontManager.addfont(path)
            families.append(font_manager.get_font(path).family_name)
            break
    return families


def _draw_changes(panel: Axes, rows, better, worse) -> None:
    panel.barh(rows, better, height=0.6, color=plots.COLOURS[2])
    panel.barh(rows, -worse, height=0.6, color=plots.COLOURS[1])
    reach = max(better.max(), worse.max(), 1)
    for row, right, wrong in zip(rows, better, worse, strict=True):
        gap = 0.04 * reach
        panel.text(right + gap, row, right, va="center", fontsize=SMALL)
        panel.text(-wrong - gap, row, wrong, va="center", ha="right", fontsize=SMALL)
    panel.axvline(0, color="black", linewidth=0.8)
    panel.set(xlim=(-1.2 * reach, 1.2 * reach))
    panel.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True))
    panel.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    _tidy(panel, xlabel="turned wrong  |  turned right   (cases)")
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)


def _draw_times(panel: Axes, rows, seconds, treatments) -> None:
    times = np.array(seconds, dtype=float)  # None becomes NaN, which is not drawn
    panel.hlines(rows, *times, color="0.75", linewidth=2)
    for name, arm, colour in zip(treatments, times, plots.COLOURS, strict=False):
        panel.plot(arm, rows, "o", color=colour, markersize=6, label=name)
    panel.set_xlim(0, 1.1 * np.nanmax(times, initial=1))
    _tidy(panel, xlabel="median seconds a film")
    panel.tick_params(axis="y", length=0)
    panel.legend(
        frameon=False, fontsize=SMALL, loc="lower right", bbox_to_anchor=(1, 1), ncols=2
    )


def _spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """Move labels apart until none is nearer than `gap` to the next."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(order))
    free = heights[order] - steps
    up = np.maximum.accumulate(free)
    down = np.minimum.accumulate(free[::-1])[::-1]
    spread = np.empty(len(order))
    spread[order] = (up + down) / 2 + steps  # both keep the gap, so their mean does
    return spread


def _tidy(panel: Axes, **labels: str) -> None:
    """Labels in small type, a pale grid, no box around the panel."""
    panel.set(**labels)
    panel.tick_params(labelsize=SMALL)
    panel.grid(color="0.93", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
