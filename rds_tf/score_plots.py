"""Figures of calibration and of abstention: arrays in, Figure out.

They share the colours of `plots`, and `plots.show` puts them into a notebook.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rds_tf import calibration, plots, thresholds

PALE = "#767676"  # the palest grey which still reads well on white (WCAG 2.1, AA)


def plot_reliability(
    arms: Mapping[str, tuple[np.ndarray, np.ndarray]], num_bins: int = 10
) -> Figure:
    """Plot what probabilities say against what came true, and how many say it.

    A point is one bin of `calibration.reliability`, with its 95 % interval; below are
    the counts of cases. The legend gives `calibration.expected_calibration_error`
    at its own number of bins, so that it equals the tables.

    Args:
        arms: name -> (`labels`, `probabilities`), both `(N,)`.
        num_bins: int >= 1, points a classifier at most.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: as for `calibration.reliability`.
    """
    figure = Figure(figsize=(3.8, 4.9), layout="constrained")
    panel, counts = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
    for axes in (panel, counts):
        axes.set_prop_cycle(color=plots.COLOURS)
    panel.plot([0, 1], [0, 1], color=PALE, linewidth=0.8, linestyle=":")
    panel.text(0.02, 0.98, "risk understated", color=PALE, fontsize=8, va="top")
    panel.text(0.98, 0.02, "risk overstated", color=PALE, fontsize=8, ha="right")
    for name, (labels, probabilities) in arms.items():
        error = calibration.expected_calibration_error(labels, probabilities)
        bins = calibration.reliability(labels, probabilities, num_bins)
        said, share, low, high = (
            [row[part] for row in bins]
            for part in ("confidence", "share", "low", "high")
        )
        (line,) = panel.plot(
            said, share, "o-", markersize=4, label=f"{name}: ECE {error:.3f}"
        )
        panel.vlines(said, low, high, color=line.get_color(), linewidth=1, alpha=0.5)
        counts.hist(probabilities, np.linspace(0, 1, 21), histtype="step")
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    _tidy(panel, ylabel="share of positives")
    _tidy(counts, xlabel="probability", ylabel="cases")
    _draw_legend(figure, panel)
    return figure


def plot_risk_coverage(arms: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Plot how often answers are wrong when only the surest cases are answered.

    A dot marks all cases answered. The legend gives the area of
    `thresholds.risk_coverage`. The first tenth of cases, where one error weighs most,
    does not set the scale.

    Args:
        arms: name -> (`correct`, `confidence`), both `(N,)`.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: as for `thresholds.risk_coverage`.
    """
    figure = Figure(figsize=(4.4, 3.6), layout="constrained")
    panel = figure.subplots()
    panel.set_prop_cycle(color=plots.COLOURS)
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
    _tidy(
        panel, xlabel="cases answered, surest first", ylabel="wrong of those answered"
    )
    _draw_legend(figure, panel)
    return figure


def _draw_legend(figure: Figure, panel: Axes) -> None:
    """Name the arms above the panels, where they hide nothing."""
    handles, names = panel.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", frameon=False, fontsize=8)


def _tidy(panel: Axes, **labels: str) -> None:
    """Labels in small type, no box around the panel."""
    panel.set(**labels)
    panel.tick_params(labelsize=8)
    panel.grid(axis="y", color="0.92", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
