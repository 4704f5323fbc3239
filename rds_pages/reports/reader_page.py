"""One page for a reader study: the verdict in a sentence, its numbers, its figures."""

import base64
import html
import io
from pathlib import Path

import matplotlib
import numpy as np

from rds_pages.reports import reader_plots, reader_tables, score_tables
from rds_readers import decisions, readings
from rds_tf import config
from rds_tf.storage import disk

STYLE = (
    score_tables.STYLE
    + """
p { max-width: 46rem; } img { max-width: 100%; } figure { margin: 1rem 0; }
figcaption { color: #555; max-width: 40rem; font-size: .9rem; }
tr.mean td { font-weight: 600; border-top: 2px solid #888; }
.verdict { font-size: 1.15rem; } .verdict strong { font-weight: 600; }
.wide { overflow-x: auto; }
.pair { display: flex; flex-wrap: wrap; gap: 0 2.5rem; align-items: flex-end; }
.pair figure { flex: 1 1 22rem; max-width: 30rem; }
"""
)
FIGURE_DPI = 100


def analyse(
    source: Path, key: Path | None, out: Path | None, json_file: Path | None
) -> str:
    """Analyse the readings of a file or a pack; write page and figures; return text.

    Args:
        source: CSV of readings, or the folder of a pack.
        key: truth of a pack, default `PACK_key.csv` beside it.
        out: folder for `readers.html`, or None.
        json_file: file for the figures, or None.

    Raises:
        ValueError: as for `readings.load_readings`.
    """
    source = Path(source)
    study = readings.to_arrays(load(source, key))
    found = decisions.describe(study)
    tables = reader_tables.list_tables(study, found)
    blocks = [
        " ".join(reader_tables.state_verdict(study, found)),
        reader_tables.describe_data(study),
    ]
    blocks += [f"{name}\n{score_tables.align(rows)}" for name, rows in tables.items()]
    if json_file:
        disk.write_json(json_file, list_figures(study, found))
    if out:
        with matplotlib.rc_context({"font.family": reader_plots.list_fonts()}):
            page = format_page(study, found, draw_figures(study, found))
        with disk.claim(out):
            disk.write_whole(Path(out) / "readers.html", page.encode())
        blocks.append(f"All in {Path(out) / 'readers.html'}")
    return "\n\n".join([*blocks, config.NOT_FOR_CLINICAL_USE])


def load(source: Path, key: Path | None):
    """Load the readings table of a CSV, or of a pack's answers."""
    if not source.is_dir():
        return readings.load_readings(source)
    from rds_readers import answers  # reads a database, which a CSV does not need

    key = key or source.with_name(f"{source.resolve().name}_key.csv")
    return readings.check_readings(answers.load_answers(source, key), source.name)


def list_figures(study: readings.Study, found: dict) -> dict:
    """List every figure for JSON: the main test first, `auc` by treatment.

    `difference` and `ci` are of the first treatment minus the second.
    """
    main = dict(found["auroc"])
    means, each = main.pop("means"), main.pop("each")
    rest = {name: part for name, part in found.items() if name != "auroc"}
    head = ("difference", "se", "f", "df1", "df2", "p", "ci")
    return {
        "treatments": study.treatments,
        "readers": study.readers,
        "num_cases": len(study.cases),
        "num_positive": int(study.truth.sum()),
        "auc": means["mean"],
        **{name: main.pop(name) for name in head},
        "auc_intervals": means,
        "auc_readers": each,
        **main,
        **rest,
    }


def draw_figures(study: readings.Study, found: dict) -> dict:
    """Draw the figures of the page: caption to (alt text, Figure)."""
    first, second = study.treatments
    each, means = found["auroc"]["each"], found["auroc"]["means"]
    names = study.treatments, study.readers
    num_up = sum(b > a for a, b in zip(*each, strict=True))
    alt = (
        f"Line a reader from {first} to {second}: AUROC rises for {num_up} of "
        f"{len(study.readers)}; mean {means['mean'][0]:.3f} and {means['mean'][1]:.3f}"
    )
    caption = (
        "AUROC of each reader in both arms, green where it rises. Diamonds: means with "
        "the 95 % interval of one arm by itself; the two may overlap although the "
        "paired difference is clear."
    )
    intervals = np.clip(means["ci"], 0, 1)
    figure = reader_plots.plot_readers(each, means["mean"], intervals, *names)
    figures = {caption: (alt, figure)}
    caption = (
        "ROC curves of the readers, thin, and the mean of their sensitivities at each "
        "specificity, thick."
    )
    alt = f"ROC curves of each reader and their mean, {first} and {second}"
    figure = reader_plots.plot_mean_roc(study.truth, study.ratings, study.treatments)
    figures[caption] = (alt, figure)
    if "changes" in found:
        better, worse = (
            [counts[name] for counts in found["changes"]]
            for name in ("better", "worse")
        )
        alt = f"Bars a reader: {sum(better)} decisions turned right, {sum(worse)} wrong"
        caption = f'Decisions in the arm "{second}" against those in "{first}"'
        if "seconds" in found:
            alt += "; dots: median seconds a film in both arms"
            caption += ", and the time that readers took, each look by itself"
        figure = reader_plots.plot_changes(
            better, worse, study.readers, found.get("seconds"), study.treatments
        )
        figures[f"{caption}."] = (alt, figure)
    return figures


def format_page(study: readings.Study, found: dict, figures: dict) -> str:
    """Write the page, which needs no other file.

    Args:
        study, found: of `readings.to_arrays` and `decisions.describe`.
        figures: of `draw_figures`.
    """
    verdict, doubt = map(html.escape, reader_tables.state_verdict(study, found))
    parts = [f'<p class="verdict"><strong>{verdict}</strong> {doubt}</p>']
    parts.append(f"<p>{html.escape(reader_tables.describe_data(study))}</p>")
    drawn = [_format_figure(caption, *each) for caption, each in figures.items()]
    parts.append(f'<div class="pair">{"".join(drawn[:2])}</div>')
    for title, rows in reader_tables.list_tables(study, found).items():
        what = reader_tables.WHAT[title].format(*study.treatments)
        parts.append(f"<h2>{title}</h2>\n<p>{html.escape(what)}</p>")
        parts.append(_format_rows(rows))
        if title == "Changes of mind and time":
            parts += drawn[2:]
    errors = found["auroc"]
    parts.append(
        "<h2>Figures for the methods section</h2>\n<p>Empirical AUROC, DeLong "
        "covariances, random readers and random cases. Error variance "
        f"{errors['error_variance']:.3g}; covariances {errors['cov1']:.3g} (same "
        f"reader), {errors['cov2']:.3g} (same treatment), {errors['cov3']:.3g} "
        f"(neither); MS(T) {errors['ms_treatment']:.3g}, MS(TR) "
        f"{errors['ms_treatment_reader']:.3g}. Cases are taken as independent: one "
        "film a patient. Obuchowski and Rockette (1995); Hillis (2007); Hillis, "
        "Berbaum and Metz (2008).</p>"
    )
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>rds_tf: reader study</title>\n<style>{STYLE}</style></head>\n"
        "<body>\n<h1>Reader study</h1>\n"
        f'<p class="notice"><strong>{config.NOT_FOR_CLINICAL_USE}</strong></p>\n'
        f"{body}\n</body>\n</html>\n"
    )


def _format_rows(rows: list[list[str]]) -> str:
    """Return an HTML table, its rows of means set apart."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in rows[0])
    lines = [f"<thead><tr>{head}</tr></thead>", "<tbody>"]
    for row in rows[1:]:
        kind = ' class="mean"' if row[0] in ("mean", "all") else ""
        cells = "".join(score_tables.format_cell(cell) for cell in row)
        lines.append(f"<tr{kind}>{cells}</tr>")
    body = "\n".join([*lines, "</tbody>"])
    return f'<div class="wide"><table>\n{body}\n</table></div>'


def _format_figure(caption: str, alt: str, figure) -> str:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=2 * FIGURE_DPI)
    width = round(figure.get_figwidth() * FIGURE_DPI)
    content = base64.b64encode(drawn.getvalue()).decode()
    return (
        f'<figure><img alt="{html.escape(alt)}" width="{width}" '
        f'src="data:image/png;base64,{content}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
