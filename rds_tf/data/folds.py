"""Folds by lung area, as in the study: each patient in one fold, rates balanced."""

from collections import Counter

import numpy as np
import pandas as pd

from rds_tf.data import cohort

IDENTITIES = ["patient_id", "pseudonym", "pixel_sha256", "near_duplicate_of"]
IGNORED_NOTE = "the DICOM PatientID is ignored, too many cases share it"


def add_folds(cases: pd.DataFrame, num_folds: int = 5) -> pd.DataFrame:
    """Name the patients of a cohort and assign them to folds.

    Args:
        cases: with the columns of `assign_folds`, `case_id`, the `patient_id` of the
            table and the DICOM `pseudonym`, "" where unknown, and `notes`, lists of
            texts.

    Returns:
        The cases with `fold`; `patient_id` filled; `pseudonym` "" where it is ignored;
        `notes` as one text.

    Raises:
        cohort.CohortError: there are enough cases for the folds, but not patients.
    """
    cases = _name_patients(cases, num_folds)
    fold = assign_folds(cases, num_folds)
    found = f"Only {len(set(fold))} of {num_folds} folds hold cases"
    empty = len(set(fold)) < num_folds
    if empty and len(cases) >= num_folds:
        raise cohort.CohortError(f"{found}: give a patient_id column.")
    notes = ["; ".join([*notes, *[found] * empty]) for notes in cases["notes"]]
    return cases.assign(fold=fold, notes=notes)


def _name_patients(cases: pd.DataFrame, num_folds: int) -> pd.DataFrame:
    """Name the patient of each case: by the table, by its DICOM file, or by the case.

    A DICOM PatientID of more than half of the cases ("ANONYMOUS") leaves nothing to
    split and is ignored, unless these are `num_folds` cases or fewer.
    """
    limit = max(len(cases) / 2, num_folds)
    count, table_names, named = Counter(cases["pseudonym"]), {}, []
    for given, pseudonym in zip(cases["patient_id"], cases["pseudonym"], strict=True):
        if given:  # the first of the names that the table gives one pseudonym
            table_names[pseudonym] = min(given, table_names.get(pseudonym, given))
    columns = ["case_id", "patient_id", "pseudonym", "notes"]
    for case_id, given, pseudonym, notes in cases[columns].itertuples(index=False):
        if pseudonym and count[pseudonym] > limit:
            notes = notes if given else [*notes, IGNORED_NOTE]
            pseudonym = ""
        found = table_names.get(pseudonym, pseudonym) if pseudonym else ""
        named.append((given or found or case_id, pseudonym, notes))
    return cases.assign(**pd.DataFrame(named, cases.index, columns[1:]))


def group_cases(table: pd.DataFrame) -> list[str]:
    """Group the cases that share a value of `IDENTITIES`, also through other cases.

    Args:
        table: `patient_id` and, where known, the others; "" joins nothing.

    Returns:
        The name of each case's group: the first of its patients' names.
    """
    keys = [table[name].tolist() for name in IDENTITIES if name in table]
    names, before = table["patient_id"].tolist(), []
    while names != before:  # names spread by one more link in each round
        before = names
        for key in keys:
            first = {}
            for value, name in zip(key, names, strict=True):
                first[value] = min(name, first.get(value, name))
            pairs = zip(key, names, strict=True)
            names = [first[value] if value else name for value, name in pairs]
    return names


def assign_folds(table: pd.DataFrame, num_folds: int = 5) -> np.ndarray:
    """Assign patients to folds, from the largest lungs to the smallest.

    Each patient, or group of `group_cases`, goes to the fold that holds least of what
    it adds: cases, RDS cases, outlined cases, and the lung area of either diagnosis.
    Patients with several cases come first, while others can still balance them.

    Args:
        table: with the columns of `group_cases`, `rds`, and `roi_area`, nan where the
            lungs are not outlined.

    Returns:
        int `(N,)`, 0 to `num_folds` - 1, the same for every order of the rows.
    """
    area, rds = table["roi_area"].fillna(0).to_numpy(float), table["rds"].to_numpy()
    amounts = pd.DataFrame({"case": 1.0, "rds": rds == 1, "outlined": area > 0})
    amounts = amounts.assign(rds_area=area * (rds == 1), other_area=area * (rds == 0))
    patient_ids = np.array(group_cases(table), object)
    patients = amounts.astype(float).groupby(patient_ids).sum()
    # Every amount in units of an even fold, so that all weigh the same.
    patients = patients / np.maximum(patients.sum(), 1e-9) * num_folds
    patients["area"] = pd.Series(area).groupby(patient_ids).mean()
    order = patients.sort_values(["case", "area"], ascending=False, kind="stable")
    held = np.zeros((num_folds, len(amounts.columns)))
    fold_of = {}
    for patient_id, amount in order[amounts.columns].iterrows():
        # The squared distance of all folds from even ones grows by 2 held @ amount,
        # and by terms that are the same for every fold.
        fold = int((held @ amount.to_numpy()).argmin())
        fold_of[patient_id] = fold
        held[fold] += amount
    return np.array([fold_of[patient_id] for patient_id in patient_ids], int)


def audit_folds(table: pd.DataFrame) -> pd.DataFrame:
    """Count what should be balanced between folds, and what should not be in two.

    Args:
        table: `fold, patient_id, rds, roi_area` and, where known, `pixel_sha256`.

    Returns:
        One row a fold: `fold, num_cases, num_patients, rds_rate, num_outlined,
        mean_area` in px², `shared_patients` who are in another fold too,
        `duplicates_within` (cases whose pixels an earlier case of the fold has) and
        `duplicates_across` (cases whose pixels a case of another fold has).
    """
    audit = table.groupby("fold").agg(
        num_cases=("rds", "size"),
        num_patients=("patient_id", "nunique"),
        rds_rate=("rds", "mean"),
        num_outlined=("roi_area", "count"),
        mean_area=("roi_area", "mean"),
    )
    fold = table["fold"]
    shared = table[_crosses(table, "patient_id")]
    audit["shared_patients"] = shared.groupby("fold")["patient_id"].nunique()
    if "pixel_sha256" in table:
        repeated = table.duplicated(["fold", "pixel_sha256"])
        audit["duplicates_within"] = repeated.groupby(fold).sum()
        audit["duplicates_across"] = _crosses(table, "pixel_sha256").groupby(fold).sum()
    counts = audit.columns.difference(["rds_rate", "mean_area"])
    audit[counts] = audit[counts].fillna(0).astype(int)
    return audit.reset_index()


def refuse_leaks(table: pd.DataFrame, name: object) -> pd.DataFrame:
    """Return the table of a manifest called `name`, unless it leaks.

    Raises:
        cohort.CohortError: a film to test on is a film to train on, or of its patient.
    """
    for column in ("patient_id", "pixel_sha256", "near_duplicate_of"):
        crossing = table[_crosses(table, column) & (table[column] != "")]
        if len(crossing):
            same = crossing[crossing[column] == crossing[column].iloc[0]]
            pair = same.drop_duplicates("fold").iloc[:2].sort_values("fold")
            cases, folds = pair["case_id"].tolist(), pair["fold"].tolist()
            what = "patient" if column == "patient_id" else "picture"
            raise cohort.CohortError(
                f"{name}: cases {cases[0]} and {cases[1]} are of one {what} but in "
                f"folds {folds[0]} and {folds[1]}; prepare the cohort again."
            )
    return table


def _crosses(table: pd.DataFrame, column: str) -> pd.Series:
    """Mark the cases that share a value with a case of another fold."""
    return table.groupby(column)["fold"].transform("nunique") > 1


def find_unseen(table: pd.DataFrame, seen: list[str]) -> np.ndarray:
    """Mark the cases of patients without a film in a model's training data, `(N,)`.

    Args:
        table: with the columns of `group_cases`.
        seen: first 16 digits of the pixel hashes that the model was trained on.
    """
    known = table["pixel_sha256"].str[:16].isin(seen)
    patients = pd.Series(group_cases(table), table.index)
    return ~patients.isin(patients[known]).to_numpy()
