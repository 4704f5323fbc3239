"""Readings small enough to work out by hand, and the oracle where it lies."""

import os
from pathlib import Path

import pandas as pd
import pytest

BESIDE = Path(__file__).parents[3] / "shared" / "real" / "vandyke.csv"


@pytest.fixture
def vandyke():
    """The Van Dyke readings: beside the repository, or where VANDYKE_CSV says."""
    path = Path(os.environ.get("VANDYKE_CSV", BESIDE))
    if not path.is_file():
        pytest.skip(f"the Van Dyke readings are not at {path}")
    return path


@pytest.fixture
def table():
    """Two readers, two treatments, two cases of each class, as strings of a CSV."""
    rows = [
        (reader, treatment, case, int(case > "b"), 10 * place + shift)
        for shift, reader in enumerate(["A", "B"])
        for treatment in ("alone", "with model")
        for place, case in enumerate("abcd")
    ]
    columns = ["reader", "treatment", "case", "truth", "rating"]
    return pd.DataFrame(rows, columns=columns).astype(str)
