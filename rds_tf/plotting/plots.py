"""Figures of radiographs, masks, heat maps and scores: arrays in, Figure out.

Each `plot_` function returns a `matplotlib.figure.Figure`; no function here opens a
window, and only `show` touches the notebook. Colours are told apart by colour-blind
readers (Okabe and Ito, 2008).
"""

import io
import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from sklearn import metrics as sklearn_metrics

from rds_tf import errors
from rds_tf.plotting import overlay
from rds_tf.stats import calibration, thresholds

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
PALE = "#767676"  # the palest grey that reads well on white (WCAG 2.1, AA)
METRIC_NAMES = {"miou": "MIoU", "lung_iou": "Lung IoU", "dice": "Dice"}


def plot_sheet(
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray] | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 4,
) -> Figure:
    """Plot a contact sheet of radiographs, each with its lungs outlined.

    Args:
        images: `N` arrays `(H, W)` in `[0, 1]`; sizes may differ.
        masks: `N` arrays `(H, W)` of 0 and 1, outlined; default none.
        titles: `N` short texts; default none.
        columns: int, images in a row.

    Raises:
        ValueError: if there is no image, not one mask and title for each, or a
            mask of another size than its image.
    """
    if not len(images):
        raise errors.InputError("`images` must hold at least one image. Received: none")
    masks = [None] * len(images) if masks is None else masks
    titles = [None] * len(images) if titles is None else titles
    if not len(images) == len(masks) == len(titles):
        raise errors.InputError(
            "`images`, `masks` and `titles` must be of one length. Received: "
            f"{len(images)}, {len(masks)} and {len(titles)}"
        )
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(2 * columns, 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, image, mask, title in zip(panels, images, masks, titles, strict=False):
        overlay.check_layers(image, mask)
        _draw_image(panel, image, mask, None, title)
    return figure


def plot_overlay(
    image: np.ndarray,
    mask: np.ndarray | None = None,
    heatmap: np.ndarray | None = None,
    title: str | None = None,
) -> Figure:
    """Plot one radiograph with its lungs outlined and its heat map laid over it.

    Args, Raises: as in `overlay.draw_overlay`, and `title` above the image.
    """
    overlay.check_layers(image, mask, heatmap)
    height, width = image.shape
    scale = 4.5 / max(height, width)
    size = (max(width * scale, 2), height * scale + 0.3 * bool(title))
    figure, panel = _make_panel(size)
    panel.set_axis_off()
    _draw_image(panel, image, mask, heatmap, title)
    return figure


def plot_history(history: Mapping[str, Sequence[float]]) -> Figure:
    """Plot the `history` of a Keras `History`, one panel a measure, over epochs."""
    names = [name for name in history if f"val_{name}" in history] or list(history)
    figure = Figure(figsize=(3.2 * len(names), 2.5), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        panel.set_prop_cycle(color=COLOURS)
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                epochs = range(1, len(history[key]) + 1)
                panel.plot(epochs, history[key], ".-", label=label)
        _tidy(panel, name.replace("_", " "), xlabel="epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
    panels[0].legend(frameon=False)
    return figure


def plot_ablation(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """Plot the scores of the post-processing steps, each a bar with its interval.

    Args:
        scores: step -> score name -> `"value"`, `"low"`, `"high"`, as one angle of
            `evaluate segmentation` gives it.
    """
    steps = list(scores)
    names = [name for name in METRIC_NAMES if name in scores[steps[0]]]
    size = (2.8 * len(names) + 0.6, 0.45 * len(steps) + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for panel, name in zip(panels, names, strict=True):
        for row, step in enumerate(steps):
            score = scores[step][name]
            value, low, high = (score[part] for part in ("value", "low", "high"))
            panel.barh(row, value, height=0.6, color=COLOURS[0], alpha=0.8)
            if low is not None:
                panel.plot([low, high], [row, row], color="black", linewidth=1.5)
            ink = "white" if value > 0.25 else "black"
            panel.text(0.03, row, f"{value:.3f}", va="center", color=ink)
        panel.set(xlim=(0, 1), yticks=range(len(steps)), yticklabels=steps)
        _tidy(panel, METRIC_NAMES[name])
    panels[0].invert_yaxis()
    return figure


def plot_confusion(
    confusion: Sequence[Sequence[int]], names: tuple[str, str] = ("no RDS", "RDS")
) -> Figure:
    """Plot a confusion matrix: counts, and the proportion of each row.

    It is `[[TN, FP], [FN, TP]]`; `names` are those of the classes 0 and 1.
    """
    counts = np.asarray(confusion)
    proportions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, panel = _make_panel((2.8, 2.6))
    panel.imshow(proportions, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        proportion = proportions[row, column]
        text = f"{count}\n{proportion:.0%}"
        colour = "white" if proportion > 0.5 else "black"
        panel.text(column, row, text, ha="center", va="center", color=colour)
    lines = [textwrap.fill(name, 9) for name in names]  # as wide as a cell
    panel.set(xticks=[0, 1], xticklabels=lines, yticks=[0, 1], yticklabels=lines)
    panel.set(xlabel="decision", ylabel="truth")
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    return figure


def plot_roc(arms: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Plot ROC curve and AUROC of each arm, (`labels`, `probabilities`) `(N,)`."""
    figure, panel = _make_panel((3.6, 3.6))
    for name, (labels, probabilities) in arms.items():
        false_rate, true_rate, _ = sklearn_metrics.roc_curve(labels, probabilities)
        area = sklearn_metrics.auc(false_rate, true_rate)
        panel.plot(false_rate, true_rate, label=f"{name}: AUROC {area:.3f}")
    panel.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
    panel.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    _tidy(panel, xlabel="1 - specificity", ylabel="sensitivity")
    panel.legend(frameon=False, loc="lower right", fontsize=8)
    return figure


def plot_reliability(
    arms: Mapping[str, tuple[np.ndarray, np.ndarray]], num_bins: int = 10
) -> Figure:
    """Plot proportions of positives over the probabilities predicted for them.

    A point is one bin of `calibration.reliability`, with its 95 % interval; below are
    the counts of cases. The legend gives `calibration.expected_calibration_error`
    at its own number of bins, so that it equals the tables.

    Args:
        arms: name -> (`labels`, `probabilities`), both `(N,)`.
        num_bins: int >= 1, points a classifier at most.
    """
    figure = Figure(figsize=(3.8, 4.9), layout="constrained")
    panel, counts = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
    for axes in (panel, counts):
        axes.set_prop_cycle(color=COLOURS)
    panel.plot([0, 1], [0, 1], color=PALE, linewidth=0.8, linestyle=":")
    panel.text(0.02, 0.98, "risk understated", color=PALE, fontsize=8, va="top")
    panel.text(0.98, 0.02, "risk overstated", color=PALE, fontsize=8, ha="right")
    for name, (labels, probabilities) in arms.items():
        error = calibration.expected_calibration_error(labels, probabilities)
        bins = calibration.reliability(labels, probabilities, num_bins)
        confidence, proportion, low, high = (
            [row[part] for row in bins]
            for part in ("confidence", "proportion", "low", "high")
        )
        label = f"{name}: ECE {error:.3f}"
        (line,) = panel.plot(confidence, proportion, "o-", markersize=4, label=label)
        style = {"color": line.get_color(), "linewidth": 1, "alpha": 0.5}
        panel.vlines(confidence, low, high, **style)
        counts.hist(probabilities, np.linspace(0, 1, 21), histtype="step")
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    _tidy(panel, grid=True, ylabel="proportion of positives")
    _tidy(counts, grid=True, xlabel="probability", ylabel="cases")
    _draw_legend(figure, panel)
    return figure


def plot_risk_coverage(arms: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Plot how often answers are wrong when only the surest cases are answered.

    A dot marks all cases answered. The legend gives the area of
    `thresholds.risk_coverage`. The first tenth of cases, where one error weighs most,
    does not set the scale.

    Args:
        arms: name -> (`correct`, `confidence`), both `(N,)`.
    """
    figure, panel = _make_panel((4.4, 3.6))
    top = 0.05
    for name, (correct, confidence) in arms.items():
        curve = thresholds.risk_coverage(correct, confidence)
        coverage, risk = np.array(curve["coverage"]), np.array(curve["risk"])
        (line,) = panel.plot(
            np.r_[0, coverage],
            np.r_[risk[0], risk],
            drawstyle="steps-pre",
            linewidth=1.3,
            label=f"{name}: {risk[-1]:.1%} wrong of all, area {curve['area']:.3f}",
        )
        panel.plot(1, risk[-1], "o", markersize=5, color=line.get_color())
        top = max(top, risk[coverage >= 0.1].max())
    panel.set(xlim=(0, 1.02), ylim=(0, 1.1 * top))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(ticker.PercentFormatter(1, decimals=0))
    panel.set_xlabel("cases answered, surest first")
    _tidy(panel, grid=True, ylabel="wrong of those answered")
    _draw_legend(figure, panel)
    return figure


def show(figure: Figure, *, alt: str) -> None:
    """Show a figure in the notebook as a small PNG, `alt` saying what it shows."""
    from IPython import display  # only a notebook needs it

    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=72)
    # A palette of 256 colours halves the file: a notebook stays below 300 KB.
    palette = Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE)
    palette.save(packed, "PNG", optimize=True)
    display.display(display.Image(packed.getvalue(), format="png", alt=alt))


def _make_panel(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """Make a figure of one panel, with colours told apart by colour-blind readers."""
    figure = Figure(figsize=size, layout="constrained")
    panel = figure.subplots()
    panel.set_prop_cycle(color=COLOURS)
    return figure, panel


def _draw_image(panel, image, mask, heatmap, title) -> None:
    """Draw film, heat map and outline into a panel without axes."""
    panel.imshow(overlay.blend_heat(image, heatmap), interpolation="antialiased")
    for outline in [] if mask is None else overlay.find_outlines(mask):
        closed = np.concatenate([outline, outline[:1]])[:, 0]
        panel.plot(*closed.T, color=overlay.OUTLINE, linewidth=1)
    panel.set_title(title or "", fontsize=9)


def _tidy(panel: Axes, title: str = "", *, grid: bool = False, **labels: str) -> None:
    """Title and labels in small type, no box around the panel, faint lines or none."""
    panel.set_title(title, fontsize=10)
    panel.set(**labels)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
    if grid:
        panel.grid(axis="y", color="0.92", linewidth=0.8)
        panel.set_axisbelow(True)


def _draw_legend(figure: Figure, panel: Axes) -> None:
    """Name the arms above the panels, where they hide nothing."""
    handles, names = panel.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", frameon=False, fontsize=8)
