"""Figures of scores: what they show, read back from the figure itself."""

import io

import numpy as np
import pytest

from rds_tf.plotting import plots
from rds_tf.stats import calibration

LABELS = np.array([0, 1, 1, 1])
PROBABILITIES = np.array([0.1, 0.3, 0.6, 0.8])


def draw(figure):
    """Draw the figure as a file would; a warning here is an error."""
    figure.savefig(io.BytesIO(), format="png")
    return figure


def names(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_reliability_draws_each_bin_with_its_interval_and_counts():
    arms = {"B0": (LABELS, PROBABILITIES)}
    figure = draw(plots.plot_reliability(arms, num_bins=2))
    panel, counts = figure.axes
    diagonal, line = panel.lines
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    np.testing.assert_allclose(line.get_xydata(), [[0.2, 0.5], [0.7, 1]])
    bins = calibration.reliability(LABELS, PROBABILITIES, 2)
    drawn = [segment[:, 1].tolist() for segment in panel.collections[0].get_segments()]
    assert drawn == [[row["low"], row["high"]] for row in bins]
    heights = counts.patches[0].get_xy()[:, 1]
    assert heights.max() == 1  # no two of the four in one step of 0.05


def test_reliability_names_each_arm_with_the_error_of_the_tables():
    arms = {"B0": (LABELS, PROBABILITIES), "sure": (LABELS, LABELS)}
    figure = draw(plots.plot_reliability(arms, num_bins=2))
    assert names(figure) == ["B0: ECE 0.350", "sure: ECE 0.000"]
    colours = {line.get_color() for line in figure.axes[0].lines}
    assert len(colours) == 3  # diagonal and two arms


def test_risk_steps_up_at_each_confidence_and_ends_at_all_cases():
    arms = {"B0": ([0, 1, 0, 1], [0.1, 0.9, 0.5, 0.5])}
    figure = draw(plots.plot_risk_coverage(arms))
    curve, end = figure.axes[0].lines
    expected = [[0, 0], [0.25, 0], [0.75, 1 / 3], [1, 0.5]]
    np.testing.assert_allclose(curve.get_xydata(), expected)
    assert curve.get_drawstyle() == "steps-pre"
    assert end.get_xydata().tolist() == [[1, 0.5]]
    assert names(figure) == ["B0: 50.0% wrong of all, area 0.292"]


def test_one_error_of_the_surest_does_not_flatten_the_curve():
    correct = np.r_[0, np.ones(99)]
    figure = draw(plots.plot_risk_coverage({"B0": (correct, -np.arange(100))}))
    assert figure.axes[0].get_ylim() == pytest.approx((0, 1.1 * 0.1))


def test_arm_without_error_still_has_a_scale():
    figure = draw(plots.plot_risk_coverage({"B0": ([1, 1], [0.8, 0.9])}))
    assert figure.axes[0].get_ylim() == pytest.approx((0, 0.055))
    assert names(figure) == ["B0: 0.0% wrong of all, area 0.000"]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="`num_bins` must be 1 or more"):
        plots.plot_reliability({"B0": (LABELS, PROBABILITIES)}, num_bins=0)
    with pytest.raises(ValueError, match="`confidence` must be finite"):
        plots.plot_risk_coverage({"B0": ([1, 0], [0.5, np.nan])})
