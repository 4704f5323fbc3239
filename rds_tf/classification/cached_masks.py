"""The lungs of every case of a comparison: found once, kept beside its trainings."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rds_tf import errors
from rds_tf.classification import classifier
from rds_tf.data import prepare
from rds_tf.dicom import radiograph
from rds_tf.storage import disk, model_store

QUALITY = "quality.csv"
STAMP = "lungs.json"


@dataclass(frozen=True)
class Search:
    """The lungs to find for one comparison.

    Attributes:
        prepared: folder written by `prepare`.
        out: the comparison's folder.
        segmenters: where those lie that find them.
    """

    prepared: Path
    out: Path
    segmenters: Path

    @property
    def reads(self) -> list[Path]:
        """Stands for the prepared folder, see `remote_task`."""
        return [self.prepared / "manifest.csv"]

    def describe(self) -> dict:
        """Return which films and which segmenters they are."""
        films = prepare.load_manifest(self.prepared)["pixel_sha256"].str[:16]
        tools = map(
            model_store.read_manifest,
            model_store.find_models(self.segmenters, "segmenter"),
        )
        hashes = sorted(tool["weights"]["sha256"] for tool in tools)
        return {"films": films.tolist(), "segmenters": hashes}

    def is_done(self) -> bool:
        """Say whether the lungs were found before.

        Raises:
            ValueError: if that was done by other segmenters, or on other films.
        """
        kept = self.out / "masks" / STAMP
        if not kept.is_file():
            return False
        if disk.read_json(kept) != self.describe():
            raise errors.InputError(
                f"{kept.parent}: holds lungs of other films or by other segmenters; "
                "name another folder for this comparison."
            )
        return True


def find_masks(search: Search) -> None:
    """Write the lungs of every case into the comparison's folder `masks`.

    Beside the PNG files stand `quality.csv`, what the quality gate says of each, and
    last `lungs.json`, which films and segmenters they are of.
    """
    table = prepare.load_manifest(search.prepared)
    folder = search.out / "masks"
    folder.mkdir(parents=True, exist_ok=True)
    lungs = classifier.find_lungs(search.prepared, table, search.segmenters)
    for name, found in zip(table["case_id"], lungs, strict=True):
        radiograph.write_png(folder / f"{name}.png", found.mask.astype("float32"))
    quality = table[["case_id"]].assign(quality=[found.quality for found in lungs])
    disk.write_whole(folder / QUALITY, quality.to_csv(index=False).encode())
    disk.write_json(folder / STAMP, search.describe())


def load_masks(out: str | Path, table) -> list[np.ndarray]:
    """Read what `find` wrote: uint8 `(H, W)` masks, one a row of `table`."""
    paths = [Path(out) / "masks" / f"{name}.png" for name in table["case_id"]]
    return [(radiograph.read_image(path) > 0.5).astype("uint8") for path in paths]


def load_quality(out: str | Path, cases) -> np.ndarray | None:
    """Read the quality of the masks of `cases`, None where no arm needed masks."""
    path = Path(out) / "masks" / QUALITY
    if not path.is_file():
        return None
    kept = pd.read_csv(path, dtype={"case_id": str}, keep_default_na=False)
    return kept.set_index("case_id")["quality"].loc[cases["case_id"]].to_numpy()
