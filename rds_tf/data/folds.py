"""Five groups by sorted lung area, as in the study; patients whole, rates balanced."""

import numpy as np
import pandas as pd


def deal_folds(table: pd.DataFrame, num_folds: int = 5) -> np.ndarray:
    """Deal patients into folds, from the largest lungs to the smallest.

    Each patient goes to the fold that holds least of what the patient brings: cases,
    RDS cases, outlined cases, and the lung area of either diagnosis. Patients with
    several cases come first, while there is room to even them out.

    Args:
        table: one row a case with `case_id, patient_id, rds, roi_area`; nan where
            the lungs are not outlined.
        num_folds: number of folds.

    Returns:
        int array (N,) of the folds, 0 to `num_folds` - 1, the same for every order
        of the rows.
    """
    area, rds = table["roi_area"].fillna(0).to_numpy(float), table["rds"].to_numpy()
    shares = pd.DataFrame({"case": 1.0, "rds": rds == 1, "outlined": area > 0})
    shares = shares.assign(rds_area=area * (rds == 1), other_area=area * (rds == 0))
    patient_ids = table["patient_id"].to_numpy()
    patients = shares.astype(float).groupby(patient_ids).sum()
    patients = patients / np.maximum(patients.sum(), 1e-9) * num_folds
    patients["area"] = pd.Series(area).groupby(patient_ids).mean()
    order = patients.sort_values(["case", "area"], ascending=False, kind="stable")
    held = np.zeros((num_folds, len(shares.columns)))
    fold_of = {}
    for patient_id, share in order[shares.columns].iterrows():
        # The squared distance of all folds from a fair share grows by 2 held @ share,
        # and by terms that are the same for every fold.
        fold = int((held @ share.to_numpy()).argmin())
        fold_of[patient_id] = fold
        held[fold] += share
    return np.array([fold_of[patient_id] for patient_id in patient_ids], int)


def audit_folds(table: pd.DataFrame) -> pd.DataFrame:
    """Count what should be balanced between folds and what should not cross them.

    Args:
        table: one row a case with `fold, patient_id, rds, roi_area` and, where known,
            `pixel_sha256`.

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


def _crosses(table: pd.DataFrame, column: str) -> pd.Series:
    """Mark the cases that share a value with a case of another fold."""
    return table.groupby(column)["fold"].transform("nunique") > 1


def find_unseen(table: pd.DataFrame, seen: list[str]) -> np.ndarray:
    """Mark the cases of patients of whom a model saw no film in training.

    Args:
        table: one row a case with `patient_id, pixel_sha256`.
        seen: first 16 digits of the pixel hashes that the model was trained on.

    Returns:
        bool array (N,).
    """
    known = table["pixel_sha256"].str[:16].isin(seen)
    return ~table["patient_id"].isin(table.loc[known, "patient_id"]).to_numpy()
