"""Who reads which case when: arrays and a seed in, the order of every session out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from rds_tf import config, errors
from rds_tf.data import folds

ALONE, WITH_MODEL = "alone", "with model"
ORDERS = ("sequential", "crossover")


@dataclass(frozen=True)
class Design:
    """The size and the order of a reader study.

    Attributes:
        order: `"sequential"`, each image alone and at once again with the model; or
            `"crossover"`, each image once in either of two sessions.
        num_readers: int, 1 or more; a crossover needs 2.
        num_cases: int, even: half with label 1.
        washout_days: int, 0 or more, between the sessions of a crossover.
        seed: int; the same seed gives the same cases, names and orders.
        finding: name of label 1 of the cohort; readers are asked for it.

    Raises:
        errors.InputError: an attribute is out of its range.
    """

    order: str = "sequential"
    num_readers: int = 6
    num_cases: int = 100
    washout_days: int = 28
    seed: int = 7
    finding: str = config.FINDING

    def __post_init__(self) -> None:
        """Refuse what is no design."""
        if self.order not in ORDERS:
            raise errors.InputError(
                f"`order` must be one of {ORDERS}. Received: {self.order}"
            )
        fewest = 1 if self.order == "sequential" else 2
        step = 2 * fewest  # a crossover also halves the cases, label by label
        rules = {
            "num_readers": (self.num_readers >= fewest, f"{fewest} or more"),
            "num_cases": (
                self.num_cases > 0 and self.num_cases % step == 0,
                f"a multiple of {step} above 0 in a {self.order} study",
            ),
            "washout_days": (self.washout_days >= 0, "0 or more"),
            "seed": (self.seed >= 0, "0 or more"),
            "finding": (bool(self.finding.strip()), "a word"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise errors.InputError(
                    f"`{name}` must be {rule}. Received: {getattr(self, name)}"
                )


class Place(NamedTuple):
    """What one answer answers: a session, a case and a step (`ALONE`, `WITH_MODEL`)."""

    session: int
    case: str
    step: str


@dataclass(frozen=True)
class Due:
    """What a reader has to read now.

    Attributes:
        session: int, 1 or 2.
        case: name of the image.
        step: the treatment, `"alone"` or `"with model"`.
        place: int, number of the image in the session, from 1.
        total: int, images of the session.
    """

    session: int
    case: str
    step: str
    place: int
    total: int

    @property
    def key(self) -> Place:
        """What an answer is stored under."""
        return Place(self.session, self.case, self.step)


@dataclass(frozen=True)
class Wait:
    """A session is over and the next one opens later, at `opens` (UTC)."""

    opens: datetime


def choose_cases(
    table: pd.DataFrame, usable: np.ndarray, design: Design
) -> pd.DataFrame:
    """Choose cases, half of them with label 1, one a patient, and name them anew.

    Args:
        table: a manifest, as of `prepare.load_manifest`.
        usable: bool array `(N,)`, False where a case must not be chosen.
        design: what to choose.

    Returns:
        The chosen rows of the manifest with a column `case`, `"C001"` and so on, in
        a random order that gives nothing away.

    Raises:
        errors.InputError: there are not enough patients of a label.
    """
    random = np.random.default_rng([design.seed, 0])
    pool = table.assign(person=folds.group_cases(table))[np.asarray(usable, bool)]
    pool = pool.sort_values("case_id", kind="stable")
    pool = pool.iloc[random.permutation(len(pool))].drop_duplicates("person")
    half, parts = design.num_cases // 2, []
    for label, name in ((1, "with"), (0, "without")):
        part = pool[pool["rds"] == label]
        if len(part) < half:
            raise errors.InputError(
                f"{design.num_cases} cases need {half} patients {name} "
                f"{design.finding}, and there are {len(part)} whose images can be used."
            )
        parts.append(part.iloc[:half])
    chosen = pd.concat(parts).drop(columns="person")
    chosen = chosen.iloc[random.permutation(len(chosen))].reset_index(drop=True)
    digits = max(3, len(str(len(chosen))))
    return chosen.assign(case=[f"C{i + 1:0{digits}d}" for i in range(len(chosen))])


def plan_sessions(cases: list[str], truth: np.ndarray, design: Design) -> list[dict]:
    """Plan which cases each reader reads in which session, in which order and how.

    In a crossover the cases are halved, label by label. Half of the readers begin
    with one half of them with the model and read the other half alone; in the second
    session they read each half the other way. The other readers begin alone. So each
    case is met first with the model by half of the readers, and each session begins
    with the model for half of them (balanced blocks; Obuchowski 2003, Radiology 229).

    Args:
        cases: their names.
        truth: array `(N,)` of 0 and 1, which balances the halves and is not written.
        design: of the study.

    Returns:
        One dict a reader: `"reader"`, such as `"R1"`, and `"sessions"`, lists of
        `{"case": name, "steps": [treatments, one after the other]}`.
    """
    random = np.random.default_rng([design.seed, 1])
    digits = len(str(design.num_readers))
    readers = [f"R{i + 1:0{digits}d}" for i in range(design.num_readers)]
    names = np.array(cases)

    def shuffle(names: np.ndarray, *steps: str) -> list[dict]:
        order = random.permutation(names)
        return [{"case": str(name), "steps": list(steps)} for name in order]

    if design.order == "sequential":
        return [
            {"reader": reader, "sessions": [shuffle(names, ALONE, WITH_MODEL)]}
            for reader in readers
        ]
    first, second = _halve(names, np.asarray(truth), random)
    begins_alone = random.permutation(np.arange(design.num_readers) % 2)
    plan = []
    for reader, alone in zip(readers, begins_alone, strict=True):
        one, other = (ALONE, WITH_MODEL) if alone else (WITH_MODEL, ALONE)
        sessions = [
            shuffle(first, one) + shuffle(second, other),
            shuffle(first, other) + shuffle(second, one),
        ]
        plan.append({"reader": reader, "sessions": sessions})
    return plan


def _halve(names: np.ndarray, truth: np.ndarray, random) -> tuple[np.ndarray, ...]:
    """Split names into two halves with as many of either label in each."""
    halves = ([], [])
    for label in (0, 1):
        drawn = random.permutation(names[truth == label])
        halves[0].extend(drawn[: len(drawn) // 2])
        halves[1].extend(drawn[len(drawn) // 2 :])
    return np.sort(halves[0]), np.sort(halves[1])


def find_due(
    sessions: list[list[dict]],
    answered: dict[Place, datetime],
    washout_days: int,
    now: datetime,
) -> Due | Wait | None:
    """Find what is next in a reader's plan.

    Args:
        sessions: the reader's, as of `plan_sessions`.
        answered: place to the time of its answer, UTC.
        washout_days: int, from the end of a session until the next one opens.
        now: UTC.

    Returns:
        The first unanswered step; a `Wait` until its session opens; None at the end.
    """
    for session, entries in enumerate(sessions, start=1):
        for place, entry in enumerate(entries, start=1):
            for step in entry["steps"]:
                if (session, entry["case"], step) in answered:
                    continue
                ends = [at for key, at in answered.items() if key[0] < session]
                opens = max(ends, default=now) + timedelta(days=washout_days)
                if session > 1 and now < opens:
                    return Wait(opens)
                return Due(session, entry["case"], step, place, len(entries))
    return None
