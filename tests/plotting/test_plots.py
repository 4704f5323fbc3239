"""Figures: what they show, read back from the figure itself."""

import io

import numpy as np
import pytest
from PIL import Image

from rds_tf.plotting import plots

FILM = np.linspace(0, 1, 12).reshape(3, 4)
MASK = (FILM > 0.5).astype("uint8")
SCORE = {"value": 0.834, "low": 0.82, "high": 0.85}


def texts(figure):
    """All words in the figure, panel by panel."""
    return [t.get_text() for panel in figure.axes for t in panel.texts]


def draw(figure):
    """Draw the figure as a file would; a warning here is an error."""
    figure.savefig(io.BytesIO(), format="png")
    return figure


def test_sheet_shows_each_film_with_title_and_outline():
    sheet = draw(plots.plot_sheet([FILM] * 5, [MASK] * 5, list("abcde"), columns=3))
    shown = [panel for panel in sheet.axes if panel.images]
    assert len(sheet.axes) == 6 and len(shown) == 5
    assert [panel.get_title() for panel in shown] == list("abcde")
    assert all(len(panel.lines) == 1 for panel in shown)
    drawn = shown[0].images[0].get_array()
    np.testing.assert_allclose(drawn, FILM[..., None].repeat(3, axis=2))


def test_overlay_draws_empty_and_full_masks_without_warning():
    for mask, num_outlines in ((np.zeros_like(MASK), 0), (np.ones_like(MASK), 1)):
        figure = draw(plots.plot_overlay(FILM, mask, heatmap=FILM, title="case"))
        assert len(figure.axes[0].lines) == num_outlines


def test_history_pairs_training_with_validation():
    history = {"loss": [3, 2, 1], "val_loss": [3, 2, 2], "learning_rate": [1, 1, 1]}
    (panel,) = draw(plots.plot_history(history)).axes
    assert panel.get_title() == "loss"
    assert [line.get_label() for line in panel.lines] == ["training", "validation"]
    assert panel.lines[1].get_xydata().tolist() == [[1, 3], [2, 2], [3, 2]]


def test_ladder_draws_values_as_bars_from_zero_with_intervals():
    ablation = {"none": {"miou": SCORE, "dice": SCORE}}
    ablation["median"] = {"miou": {**SCORE, "low": None, "high": None}, "dice": SCORE}
    figure = draw(plots.plot_ablation(ablation))
    assert [panel.get_title() for panel in figure.axes] == ["MIoU", "Dice"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.834, 0.834]
    (interval,) = figure.axes[0].lines
    assert list(interval.get_xdata()) == [0.82, 0.85]
    assert figure.axes[0].get_xlim() == (0, 1)
    assert texts(figure) == ["0.834"] * 4


def test_confusion_shows_counts_and_shares_of_the_truth():
    figure = draw(plots.plot_confusion([[3, 1], [0, 0]]))
    assert texts(figure) == ["3\n75%", "1\n25%", "0\n0%", "0\n0%"]
    assert figure.axes[0].get_ylabel() == "truth"


def test_roc_names_each_arm_with_its_area():
    # Of the 4 pairs 3 are in the right order.
    arms = {"B0 whole": ([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9])}
    figure = draw(plots.plot_roc(arms))
    (label,) = figure.axes[0].get_legend().get_texts()
    assert label.get_text() == "B0 whole: AUROC 0.750"


def test_show_writes_a_small_png_with_its_description(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    noise = np.random.default_rng(0).random((400, 400))
    plots.show(plots.plot_sheet([noise] * 8), alt="Eight films of noise.")
    data, metadata = shown[0]._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == "Eight films of noise."
    png = shown[0].data
    assert len(png) < 150_000
    assert Image.open(io.BytesIO(png)).width == pytest.approx(8 * 72, abs=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(images=[]), "`images` must hold at least one image"),
        (dict(images=[FILM], masks=[]), "Received: 1, 0 and 1"),
        (dict(images=[FILM], titles=["a", "b"]), "Received: 1, 1 and 2"),
        (dict(images=[FILM], masks=[MASK.T]), r"`mask` must .*\(4, 3\).*\(3, 4\)"),
    ],
)
def test_sheet_with_missing_parts_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plots.plot_sheet(**arguments)
