"""The sample size of a reader study in words: readers, cases, power and their check."""

import bisect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rds_readers import mrmc, power, readings, roe_metz
from rds_tf import config, errors

AUROC = 0.8  # without the model, where neither the caller nor a pilot says
READERS = (3, 4, 5, 6, 8, 10, 12)  # of the printed table
CASES = (50, 80, 100, 150, 200, 300)
MAX_CASES = 4000


class Model(NamedTuple):
    """How the ratings of a planned study vary.

    Attributes:
        variances: of the Roe-Metz model.
        auroc: mean over readers without the model, in `(0, 1)`.
    """

    variances: roe_metz.Variances
    auroc: float


def choose_model(
    structure: str = "HL",
    *,
    pilot: str | Path | None = None,
    auroc: float | None = None,
    correlations: tuple[float, float, float] | None = None,
    reader_sd: tuple[float, float] | None = None,
) -> Model:
    """Choose how ratings vary: from a structure or a pilot, then by argument.

    Args:
        structure: name in `roe_metz.STRUCTURES`, which counts without a pilot.
        pilot: CSV of readings; its variances and its AUROC are taken.
        auroc: without the model; default the pilot's, or 0.8.
        correlations: as the arguments of `roe_metz.set_correlations`.
        reader_sd: as `common` and `changed` of `power.spread_readers`.

    Raises:
        errors.InputError: the pilot cannot be read, or no model has such values.
    """
    variances, found_auroc = roe_metz.STRUCTURES[structure], AUROC
    if pilot:
        study = readings.to_arrays(readings.load_readings(pilot))
        scores, covariance = mrmc.score_auroc(study.truth, study.ratings)
        found = power.estimate(scores, mrmc.split_errors(covariance))
        aurocs = tuple(scores.mean(axis=1).tolist())
        num_positive = int(study.truth.sum())
        num_cases = (len(study.truth) - num_positive, num_positive)
        variances, found_auroc = power.fit_pilot(found, aurocs, num_cases), aurocs[0]
    auroc = found_auroc if auroc is None else auroc
    if correlations:
        variances = roe_metz.set_correlations(variances, *correlations)
    if reader_sd:
        common, changed = reader_sd
        variances = power.spread_readers(variances, auroc, common, changed)
    return Model(variances, auroc)


def describe_plan(
    model: Model,
    *,
    num_readers: int = 6,
    num_cases: int = 100,
    effect: float = 0.05,
    target_power: float = 0.8,
    num_simulations: int = 1000,
    seed: int = 7,
) -> str:
    """Describe a plan: its assumptions, power table, smallest designs and its check.

    Args:
        model: of `choose_model`.
        num_readers: int, 2 or more.
        num_cases: int, 4 or more, one half of them with label 1.
        effect: gain in AUROC that the study is to find, not 0.
        target_power: in `(0.05, 1)`.
        num_simulations: studies that check the formula; 0 leaves the check out.
        seed: int, of the simulation.

    Returns:
        Text of several paragraphs.

    Raises:
        errors.InputError: an argument is out of its range.
    """
    if not effect:
        raise errors.InputError("`effect` must not be 0: the study looks for it.")
    if not mrmc.ALPHA < target_power < 1:
        raise errors.InputError(
            f"`target_power` must lie between {mrmc.ALPHA} and 1. "
            f"Received: {target_power:g}."
        )
    if num_readers < 2 or num_cases < 4:
        raise errors.InputError(
            "`num_readers` must be 2 or more and `num_cases` 4 or more. Received: "
            f"{num_readers} and {num_cases}."
        )
    variances, aurocs = model.variances, (model.auroc, model.auroc + effect)
    roe_metz.check_aurocs(aurocs)

    def find_power(readers: int, cases: int) -> float:
        parameters = power.convert(variances, aurocs, split_cases(cases))
        return power.power(parameters, readers, effect)

    reader_counts = sorted({*READERS, num_readers})
    case_counts = sorted({*CASES, num_cases})
    value = find_power(num_readers, num_cases)
    check = (
        f"{num_readers} readers and {num_cases} cases: power {value:.1%} by formula, "
        f"{'enough' if value >= target_power else 'not enough'} for {target_power:.0%}."
    )
    if num_simulations > 0:
        check += "\n" + _describe_simulation(
            variances, aurocs, num_readers, num_cases, num_simulations, seed
        )
    blocks = [
        _describe_model(variances, aurocs, num_cases),
        _format_table(find_power, reader_counts, case_counts, target_power),
        check,
        config.NOT_FOR_CLINICAL_USE,
    ]
    return "\n\n".join(blocks)


def _describe_model(variances, aurocs, num_cases: int) -> str:
    """Return the assumptions as a paragraph: AUROCs, spread, correlations."""
    case, treatment_case, reader_case = variances[2:5]
    found = power.convert(variances, aurocs, split_cases(num_cases))
    common, changed = np.sqrt(found[:2])
    return (
        f"Mean AUROC {aurocs[0]:.3f} alone and {aurocs[1]:.3f} with the model; "
        f"two-sided test at {mrmc.ALPHA:.0%}, one half of the cases with label 1.\n"
        f"Readers' true AUROCs spread by {common:.3f} (SD), and by {changed:.3f} more "
        "with each arm.\n"
        "Correlation of two ratings of one case: same reader, other arm "
        f"{case + reader_case:.2f}; same arm, other reader "
        f"{case + treatment_case:.2f}; both other {case:.2f}."
    )


def _format_table(find_power, reader_counts, case_counts, target_power: float) -> str:
    """Return power by readers and cases, then the smallest cases by readers."""
    lines = ["power  " + "".join(f"{count:>8}" for count in case_counts) + "  cases"]
    for num_readers in reader_counts:
        cells = ""
        for num_cases in case_counts:
            value = find_power(num_readers, num_cases)
            cells += f"{value:7.0%}{'*' if value >= target_power else ' '}"
        lines.append(f"{num_readers:>2} readers{cells[1:]}")
    lines += [f"* reaches {target_power:.0%}", ""]
    lines.append(f"Smallest designs with a power of {target_power:.0%}:")
    for num_readers in reader_counts:
        num_cases = find_cases(find_power, num_readers, target_power)
        smallest = f"over {MAX_CASES}" if num_cases is None else num_cases
        lines.append(f"{num_readers:>4} readers, {smallest} cases")
    return "\n".join(lines)


def _describe_simulation(
    variances, aurocs, num_readers, num_cases, num_studies, seed
) -> str:
    """Return what simulated studies find, with and without a true difference."""
    found = []
    for pair in (aurocs, (aurocs[0], aurocs[0])):
        proportion = roe_metz.simulate_rejections(
            variances,
            pair,
            num_readers=num_readers,
            num_cases=split_cases(num_cases),
            num_studies=num_studies,
            seed=seed,
        )
        standard_error = np.sqrt(proportion * (1 - proportion) / num_studies)
        found.append(f"{proportion:.1%} (SE {standard_error:.1%})")
    return (
        f"By {num_studies} simulated studies: power {found[0]}; without any difference "
        f"{found[1]} are significant, {mrmc.ALPHA:.0%} should be."
    )


def split_cases(num_cases: int) -> tuple[int, int]:
    """Return how many cases lack and have the disease: one half each."""
    return num_cases - num_cases // 2, num_cases // 2


def find_cases(
    find_power: Callable[[int, int], float], num_readers: int, target_power: float
) -> int | None:
    """Return the least even number of cases with this power; None if over MAX_CASES.

    Args:
        find_power: power by number of readers and of cases, rising in the cases.
        num_readers: int.
        target_power: in `(0, 1)`.
    """
    choices = range(4, MAX_CASES + 1, 2)
    reach = partial(find_power, num_readers)
    first = bisect.bisect_left(choices, target_power, key=reach)
    return choices[first] if first < len(choices) else None
