"""The state of a training in one file, so that one that is killed goes on exactly.

After the last epoch, and after each that ends `SECONDS` or more behind the last backup,
all that training depends on is written, whole or not at all: weights, optimizer, the
state of dropout's random numbers, the other callbacks' counters, the losses. So a kill
costs `SECONDS` and an epoch at most.
"""

import io
import json
import time
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from rds_tf import engine

NAME = "backup.npz"
SECONDS = 10  # a B0 takes 0.1 s: more often, it would cost a short epoch 5 %


def forget(folder: str | Path) -> None:
    """Delete the backup of a training whose model is saved."""
    (Path(folder) / NAME).unlink(missing_ok=True)


class Keeper(keras.callbacks.Callback):
    """Keeps the state of a training in one file, and its losses in another."""

    def __init__(self, folder: Path, record: dict, callbacks=()):
        """Keep the state of the run `record` with its other callbacks in `folder`."""
        super().__init__()
        self.path, self.table = folder / NAME, folder / "history.csv"
        self.record = json.dumps(record, sort_keys=True)
        self.others, self.counters, self.rows = list(callbacks), [], []

    def on_train_begin(self, logs=None):
        """Give the other callbacks their counters back, which they have just reset."""
        self.since = time.monotonic()
        for callback, counters in zip(self.others, self.counters, strict=False):
            vars(callback).update(counters)

    def on_epoch_end(self, epoch, logs=None):
        """Write the losses so far, then the state if it is time."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch, **values})
        table = pd.DataFrame(self.rows).to_csv(index=False, lineterminator="\n")
        engine.write_whole(self.table, table.encode())
        last = epoch + 1 == self.params["epochs"]
        if not last and time.monotonic() - self.since < SECONDS:
            return
        state = {"record": self.record, "rows": self.rows, "counters": self._count()}
        arrays = [variable.numpy() for variable in _list_variables(self.model)]
        file = io.BytesIO()
        np.savez(file, json.dumps(state), *arrays)
        engine.write_whole(self.path, file.getbuffer())
        self.since = time.monotonic()

    def restore(self, model) -> int:
        """Put the kept state of this very run back; return the epochs it has done."""
        if not self.path.is_file():
            return 0
        try:
            file = io.BytesIO(self.path.read_bytes())
            with np.load(file, allow_pickle=False) as kept:
                text, *arrays = (kept[name] for name in kept.files)
            state = json.loads(str(text))
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            print(f"{self.path}: is damaged ({error}), so training begins anew.")
            return 0
        if state["record"] != self.record:
            return 0
        for variable, array in zip(_list_variables(model), arrays, strict=True):
            variable.assign(array)
        self.counters, self.rows = state["counters"], state["rows"]
        return len(self.rows)

    def _count(self) -> list[dict]:
        """Return the numbers that the other callbacks keep, such as best and wait."""
        return [
            {
                name: value.item() if isinstance(value, np.generic) else value
                for name, value in vars(callback).items()
                if isinstance(value, (bool, int, float, np.number))
            }
            for callback in self.others
        ]


def _list_variables(model) -> list:
    """List all that training changes: weights, random states, the optimizer."""
    return [*model.variables, *model.optimizer.variables]
