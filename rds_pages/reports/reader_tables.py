"""The results of a reader study in words: verdict and tables, for screen and page."""

from rds_pages.reports import score_tables
from rds_readers import mrmc, readings

NORMAL = 1.959964
WHAT = {
    "AUROC of each reader": "In brackets the 95 % interval: of one reader over cases "
    "(DeLong), of the mean over readers and cases in general.",
    "Is the difference more than chance?": "Obuchowski and Rockette's test with "
    "Hillis' degrees of freedom. The first row is the answer of the study; the others "
    "say how much of the doubt is due to the readers, and how much to the cases.",
    "Sensitivity and specificity": "At the readers' own decisions or, where none was "
    "noted, at a rating of 50; the same test. Secondary: p is not held against the "
    "number of tests.",
    "Agreement between readers": "Kappa: 0 is chance, 1 is full agreement. Cohen's is "
    "the mean over pairs of readers, Fleiss' is of all readers at once, with its "
    "bootstrap interval over cases.",
    "Changes of mind and time": 'Decisions in the arm "{1}" against those of the same '
    'reader and case in the arm "{0}", and median seconds a film; where a reader sees '
    "the model after answering alone, its seconds come on top of those alone.",
}


def state_verdict(study: readings.Study, found: dict) -> tuple[str, str]:
    """Say which arm did better, and in a second sentence how sure that is."""
    result = found["auroc"]
    first, second = study.treatments
    means = result["means"]["mean"]
    text = (
        f"{len(study.readers)} readers reached a mean AUROC of {means[0]:.3f} "
        f'in the arm "{first}" and {means[1]:.3f} in the arm "{second}"'
    )
    gain, p = -result["difference"], result["p"]
    if gain == 0:
        return f"{text}.", "There is no difference."
    low, high = result["ci"]
    higher, size = (second, (-high, -low)) if gain > 0 else (first, (low, high))
    text += f': higher by {abs(gain):.4f} in "{higher}" (95 % interval '
    text += f"{_span(*size, '+', 4)}, p {score_tables.format_p(p)})."
    if p < mrmc.ALPHA:
        doubt = "That is more than chance explains, for readers and cases in general."
    else:
        doubt = (
            "Chance alone explains as much: this study does not show a difference. Nor "
            "does it show that there is none; the interval says what remains possible."
        )
    return text, doubt


def describe_data(study: readings.Study) -> str:
    """`5 readers, 114 cases (45 with the disease), each read in both arms.`"""
    return (
        f"{len(study.readers)} readers, {len(study.cases)} cases "
        f"({int(study.truth.sum())} with the disease), each read in both arms."
    )


def list_tables(study: readings.Study, found: dict) -> dict[str, list[list[str]]]:
    """Lay the results out as rows of text, headings first, by title."""
    tables = {
        "AUROC of each reader": _list_readers(study, found["auroc"]),
        "Is the difference more than chance?": _list_tests(study, found["auroc"]),
    }
    if "sensitivity" in found:
        tables["Sensitivity and specificity"] = _list_sensitivity(study, found)
        tables["Agreement between readers"] = _list_agreement(study, found)
    if "changes" in found or "seconds" in found:
        tables["Changes of mind and time"] = _list_changes(study, found)
    return tables


def _list_readers(study: readings.Study, result: dict) -> list[list[str]]:
    first, second = study.treatments
    rows = [["reader", first, second, _minus(study)]]
    for index, reader in enumerate(study.readers):
        cells = []
        for treatment in (0, 1):
            score = result["each"][treatment][index]
            error = result["each_se"][treatment][index]
            cells.append(_clip(score, (score - NORMAL * error, score + NORMAL * error)))
        gain = result["each"][1][index] - result["each"][0][index]
        rows.append([reader, *cells, f"{gain:+.3f}"])
    means = result["means"]
    cells = map(_clip, means["mean"], means["ci"])
    low, high = result["ci"]
    gain = f"{0 - result['difference']:+.3f} ({_span(0 - high, 0 - low)})"
    return [*rows, ["mean", *cells, gain]]


def _list_tests(study: readings.Study, result: dict) -> list[list[str]]:
    rows = [["speaks of", _minus(study), "SE", "F", "df", "p"]]
    for design, words in mrmc.DESIGNS.items():
        test = result if design == "random" else result["designs"][design]
        low, high = test["ci"]
        df2 = "infinite" if test["df2"] is None else f"{test['df2']:.1f}"
        rows.append(
            [
                words,
                f"{-test['difference']:+.4f} ({_span(-high, -low, '+', 4)})",
                f"{test['se']:.4f}",
                "infinite" if test["f"] is None else f"{test['f']:.2f}",
                f"{test['df1']}, {df2}",
                score_tables.format_p(test["p"]),
            ]
        )
    return rows


def _list_sensitivity(study: readings.Study, found: dict) -> list[list[str]]:
    first, second = study.treatments
    names = "sensitivity", "specificity"
    rows = [
        ["reader", *(f"{name}, {arm}" for name in names for arm in (first, second))]
    ]
    for index, reader in enumerate(study.readers):
        values = [found[name]["each"][arm][index] for name in names for arm in (0, 1)]
        rows.append([reader, *(f"{value:.3f}" for value in values)])
    cells, gains, chances = ["mean"], [_minus(study)], ["p"]
    for name in names:
        means = found[name]["means"]
        cells += map(_clip, means["mean"], means["ci"])
        low, high = found[name]["ci"]
        gains += [
            "",
            f"{0 - found[name]['difference']:+.3f} ({_span(0 - high, 0 - low)})",
        ]
        chances += ["", score_tables.format_p(found[name]["p"])]
    return [*rows, cells, gains, chances]


def _list_agreement(study: readings.Study, found: dict) -> list[list[str]]:
    rows = [["arm", "Cohen's kappa", "Fleiss' kappa"]]
    for treatment, kappas in zip(study.treatments, found["agreement"], strict=True):
        cohen, fleiss = kappas["cohen"], kappas["fleiss"]
        value = "-" if fleiss["value"] is None else f"{fleiss['value']:.3f}"
        if fleiss["low"] is not None:
            value += f" ({_span(fleiss['low'], fleiss['high'], '')})"
        rows.append([treatment, "-" if cohen is None else f"{cohen:.3f}", value])
    return rows


def _list_changes(study: readings.Study, found: dict) -> list[list[str]]:
    """List changes of mind, and the median seconds, where they are known."""
    head, rows = ["reader"], [[reader] for reader in study.readers]
    if "changes" in found:
        head += ["turned right", "of the diseased", "turned wrong", "of the diseased"]
        names = ("better", "better_positive", "worse", "worse_positive")
        for row, counts in zip(rows, found["changes"], strict=True):
            row += [str(counts[name]) for name in names]
        sums = [sum(counts[name] for counts in found["changes"]) for name in names]
        rows.append(["all", *map(str, sums)])
    if "seconds" in found:
        head += [f"seconds, {treatment}" for treatment in study.treatments]
        for row, times in zip(rows, zip(*found["seconds"], strict=True), strict=False):
            row += ["-" if time is None else f"{time:.0f}" for time in times]
        for row in rows[len(study.readers) :]:
            row += ["", ""]
    return [head, *rows]


def _minus(study: readings.Study) -> str:
    return "{1} minus {0}".format(*study.treatments)


def _clip(value: float, interval: tuple[float, float]) -> str:
    """`0.847 (0.780 to 1.000)`: normal theory may leave [0, 1], an AUROC cannot."""
    low, high = max(interval[0], 0), min(interval[1], 1)
    return f"{value:.3f} ({_span(low, high, '')})"


def _span(low: float, high: float, sign: str = "+", digits: int = 3) -> str:
    return f"{low:{sign}.{digits}f} to {high:{sign}.{digits}f}"
