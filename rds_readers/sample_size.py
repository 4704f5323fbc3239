"""The sizes of a reader study in words: power table, smallest designs, the check."""

from collections.abc import Callable

import numpy as np

from rds_readers import mrmc, power, readings, roe_metz
from rds_tf import config, errors

AUROC = 0.8  # of readers alone, where neither option nor pilot says
READERS = (3, 4, 5, 6, 8, 10, 12)  # of the printed table
CASES = (50, 80, 100, 150, 200, 300)
MAX_CASES = 4000


def describe_plan(options) -> str:
    """Write the sizes of a planned study: table, smallest designs, and the check.

    Args:
        options: `readers`, `cases`, `auroc`, `effect`, `power`, `simulations`, `seed`,
            `structure` of `roe_metz.STRUCTURES`; and, or None, `pilot`, file of a
            readings table, `correlations` and `reader_sd`, as for
            `roe_metz.set_correlations` and `power.spread_readers`.

    Raises:
        ValueError: an option is out of its range.
    """
    _check_options(options)
    variances, auroc = _choose_model(options)
    aurocs = (auroc, auroc + options.effect)
    roe_metz.check_aurocs(aurocs)

    def find_power(num_readers: int, num_cases: int) -> float:
        cases = split_cases(num_cases)
        parameters = power.convert(variances, aurocs, cases)
        return power.power(parameters, num_readers, options.effect)

    blocks = [
        _describe_model(options, variances, aurocs),
        _format_table(options, find_power),
        _list_smallest(options, find_power),
        _check_design(options, variances, aurocs, find_power),
        config.NOT_FOR_CLINICAL_USE,
    ]
    return "\n\n".join(blocks)


def _check_options(options) -> None:
    if not options.effect:
        raise errors.InputError(
            "`--effect` must not be 0: that is what the study looks for."
        )
    if not power.ALPHA < options.power < 1:
        raise errors.InputError(
            f"`--power` must lie between {power.ALPHA} and 1. "
            f"Received: {options.power:g}."
        )
    if options.readers < 2 or options.cases < 4:
        raise errors.InputError(
            "`--readers` must be 2 or more and `--cases` 4 or more. Received: "
            f"{options.readers} and {options.cases}."
        )


def _choose_model(options) -> tuple[roe_metz.Variances, float]:
    """Return variances and AUROC alone: of a pilot, or a structure; then by option."""
    variances, auroc = roe_metz.STRUCTURES[options.structure], AUROC
    if options.pilot:
        study = readings.to_arrays(readings.load_readings(options.pilot))
        scores, covariance = mrmc.score_auroc(study.truth, study.ratings)
        found = power.estimate(scores, mrmc.split_errors(covariance))
        aurocs = tuple(scores.mean(axis=1).tolist())
        num_positive = int(study.truth.sum())
        num_cases = (len(study.truth) - num_positive, num_positive)
        variances, auroc = power.fit_pilot(found, aurocs, num_cases), aurocs[0]
    auroc = auroc if options.auroc is None else options.auroc
    if options.correlations:
        variances = roe_metz.set_correlations(variances, *options.correlations)
    if options.reader_sd:
        variances = power.spread_readers(variances, auroc, *options.reader_sd)
    return variances, auroc


def _describe_model(options, variances, aurocs) -> str:
    case, treatment_case, reader_case = variances[2:5]
    found = power.convert(variances, aurocs, split_cases(options.cases))
    common, changed = np.sqrt(found[:2])
    return (
        f"Mean AUROC {aurocs[0]:.3f} alone and {aurocs[1]:.3f} with the model; "
        f"two-sided test at {power.ALPHA:.0%}, one half of the cases with label 1.\n"
        f"Readers' true AUROCs spread by {common:.3f} (SD), and by {changed:.3f} more "
        "with each arm.\n"
        "Correlation of two ratings of one case: same reader, other arm "
        f"{case + reader_case:.2f}; same arm, other reader "
        f"{case + treatment_case:.2f}; both other {case:.2f}."
    )


def _format_table(options, find_power) -> str:
    sizes = sorted({*CASES, options.cases})
    lines = ["power  " + "".join(f"{size:>8}" for size in sizes) + "  cases"]
    for count in sorted({*READERS, options.readers}):
        cells = ""
        for size in sizes:
            value = find_power(count, size)
            cells += f"{value:7.0%}{'*' if value >= options.power else ' '}"
        lines.append(f"{count:>2} readers{cells}".replace("readers ", "readers", 1))
    return "\n".join([*lines, f"* reaches {options.power:.0%}"])


def _list_smallest(options, find_power) -> str:
    lines = [f"Smallest designs with a power of {options.power:.0%}:"]
    for count in sorted({*READERS, options.readers}):
        size = find_cases(find_power, count, options.power)
        reached = f"over {MAX_CASES}" if size is None else size
        lines.append(f"{count:>4} readers, {reached} cases")
    return "\n".join(lines)


def _check_design(options, variances, aurocs, find_power) -> str:
    """Compare the formula with simulated studies of the design asked for."""
    value = find_power(options.readers, options.cases)
    verdict = "enough" if value >= options.power else "not enough"
    text = (
        f"{options.readers} readers and {options.cases} cases: power {value:.1%} by "
        f"formula, {verdict} for {options.power:.0%}."
    )
    if options.simulations < 1:
        return text
    sizes = options.readers, split_cases(options.cases), options.simulations
    same = (aurocs[0], aurocs[0])
    reached, false = (
        roe_metz.simulate_rejections(variances, pair, *sizes, options.seed)
        for pair in (aurocs, same)
    )
    standard_errors = [
        np.sqrt(p * (1 - p) / options.simulations) for p in (reached, false)
    ]
    return (
        f"{text}\nBy {options.simulations} simulated studies: power {reached:.1%} "
        f"(SE {standard_errors[0]:.1%}); without any difference {false:.1%} "
        f"(SE {standard_errors[1]:.1%}) are significant, {power.ALPHA:.0%} should be."
    )


def split_cases(num_cases: int) -> tuple[int, int]:
    """Return how many cases lack and have the disease: one half each."""
    return num_cases - num_cases // 2, num_cases // 2


def find_cases(
    find_power: Callable[[int, int], float], num_readers: int, wanted: float
) -> int | None:
    """Return the least even number of cases with this power; None if over MAX_CASES.

    Args:
        find_power: power by number of readers and of cases, rising in the cases.
        num_readers: int.
        wanted: power asked for, in `(0, 1)`.
    """
    low, high = 1, MAX_CASES // 2  # in pairs of cases
    if find_power(num_readers, 2 * high) < wanted:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if find_power(num_readers, 2 * middle) < wanted:
            low = middle
        else:
            high = middle
    return 2 * high
