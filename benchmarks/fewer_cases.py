"""Train a fold of a classifier on some of its cases, for `phantom_start`.

It stands apart from the script because training processes must be able to import it.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from rds_tf import training
from rds_tf.classification import cross_validation
from rds_tf.data import prepare


def train(job: training.Job, num_cases: int) -> None:
    """Train as the product does, by a manifest that holds fewer training cases."""
    table = prepare.load_manifest(job.prepared)
    kept = choose_cases(table, job.fold, num_cases) | (table["fold"] == job.fold)
    with tempfile.TemporaryDirectory() as folder:
        fewer = Path(folder)
        for path in job.prepared.iterdir():
            if path.name != "manifest.csv":
                (fewer / path.name).symlink_to(path)
        table[kept].to_csv(fewer / "manifest.csv", index=False)
        cross_validation.train_fold(replace(job, prepared=fewer))


def choose_cases(table, fold: int, num_cases: int) -> np.ndarray:
    """Choose the training cases of a fold, whole patients in a drawn order.

    Args:
        table: a manifest.
        fold: int, held out.
        num_cases: int, how many at most; the smaller choice lies in the larger.

    Returns:
        bool array (N,).
    """
    train = (table["fold"] != fold).to_numpy()
    if train.sum() <= num_cases:
        return train
    patients = table["patient_id"].to_numpy()
    order = np.random.default_rng(fold).permutation(np.unique(patients[train]))
    rank = {patient: place for place, patient in enumerate(order)}
    place = np.array([rank.get(patient, len(rank)) for patient in patients])
    chosen = np.zeros(len(table), bool)
    chosen[np.argsort(place, kind="stable")[:num_cases]] = True
    return chosen & train
