"""One page for a reader study: the verdict in a sentence, its numbers, its figures."""

from pathlib import Path

import matplotlib
import numpy as np

from rds_pages.reports import document, reader_plots, reader_tables
from rds_readers import decisions, readings
from rds_tf import config
from rds_tf.storage import disk


def analyse(
    source: Path,
    *,
    key: Path | None = None,
    out: Path | None = None,
    json_file: Path | None = None,
) -> str:
    """Analyse the readings of a file or a pack; write page and figures; return text.

    Args:
        source: CSV of readings, or the folder of a pack.
        key: truth of a pack, default `PACK_key.csv` beside it.
        out: folder for `readers.html`; default none is written.
        json_file: file for the figures; default none is written.

    Raises:
        ValueError: as for `readings.load_readings`.
    """
    source = Path(source)
    study = readings.to_arrays(load(source, key))
    found = decisions.describe(study)
    if json_file:
        disk.write_json(json_file, list_figures(study, found))
    texts = [document.to_text(list_blocks(study, found))]
    if out:
        with matplotlib.rc_context({"font.family": reader_plots.list_fonts()}):
            page = format_page(study, found)
        with disk.claim(out):
            disk.write_whole(Path(out) / "readers.html", page.encode())
        texts.append(f"All in {Path(out) / 'readers.html'}")
    return "\n\n".join([*texts, config.NOT_FOR_CLINICAL_USE])


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


def list_blocks(
    study: readings.Study, found: dict, with_figures: bool = False
) -> list[document.Block]:
    """List verdict, tables and, for a page, what they mean and the figures.

    Args:
        study, found: of `readings.to_arrays` and `decisions.describe`.
        with_figures: bool, default a text for the terminal.
    """
    verdict = " ".join(reader_tables.state_verdict(study, found))
    blocks = [document.Paragraph(verdict, is_lead=True)]
    blocks.append(document.Paragraph(reader_tables.describe_data(study)))
    if with_figures:
        blocks += [draw_scores(study, found), draw_curves(study)]
    for title, (head, *rows) in reader_tables.list_tables(study, found).items():
        blocks.append(document.Heading(title))
        if with_figures:
            what = reader_tables.WHAT[title].format(*study.treatments)
            blocks.append(document.Paragraph(what))
        blocks.append(document.Table(head, rows, totals=("mean", "all")))
    if with_figures and "changes" in found:
        blocks.append(draw_changes(study, found))
    return blocks


def draw_scores(study: readings.Study, found: dict) -> document.Figure:
    """Draw each reader's AUROC in both arms."""
    first, second = study.treatments
    each, means = found["auroc"]["each"], found["auroc"]["means"]
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
    figure = reader_plots.plot_readers(
        each,
        means=means["mean"],
        intervals=np.clip(means["ci"], 0, 1),
        treatments=study.treatments,
        readers=study.readers,
    )
    return document.draw(figure, alt, caption)


def draw_curves(study: readings.Study) -> document.Figure:
    """Draw the ROC curves of the readers and their means."""
    first, second = study.treatments
    figure = reader_plots.plot_mean_roc(study.truth, study.ratings, study.treatments)
    return document.draw(
        figure,
        f"ROC curves of each reader and their mean, {first} and {second}",
        "ROC curves of the readers, thin, and the mean of their sensitivities at each "
        "specificity, thick.",
    )


def draw_changes(study: readings.Study, found: dict) -> document.Figure:
    """Draw what decisions the second arm turned, and how long readers took."""
    first, second = study.treatments
    better, worse = (
        [counts[name] for counts in found["changes"]] for name in ("better", "worse")
    )
    alt = f"Bars a reader: {sum(better)} decisions turned right, {sum(worse)} wrong"
    caption = f'Decisions in the arm "{second}" against those in "{first}"'
    if "seconds" in found:
        alt += "; dots: median seconds a film in both arms"
        caption += ", and the time that readers took, each reading by itself"
    figure = reader_plots.plot_changes(
        better,
        worse,
        readers=study.readers,
        seconds=found.get("seconds"),
        treatments=study.treatments,
    )
    return document.draw(figure, alt, f"{caption}.")


def format_page(study: readings.Study, found: dict) -> str:
    """Write the page, which needs no other file; arguments as for `list_blocks`."""
    errors = found["auroc"]
    methods = (
        "Empirical AUROC, DeLong covariances, random readers and random cases. Error "
        f"variance {errors['error_variance']:.3g}; covariances {errors['cov1']:.3g} "
        f"(same reader), {errors['cov2']:.3g} (same treatment), {errors['cov3']:.3g} "
        f"(neither); MS(T) {errors['ms_treatment']:.3g}, MS(TR) "
        f"{errors['ms_treatment_reader']:.3g}. Cases are taken as independent: one "
        "film a patient. Obuchowski and Rockette (1995); Hillis (2007); Hillis, "
        "Berbaum and Metz (2008)."
    )
    return document.to_html(
        [
            document.Heading("Reader study", 1),
            *list_blocks(study, found, with_figures=True),
            document.Heading("Figures for the methods section"),
            document.Paragraph(methods),
        ]
    )
