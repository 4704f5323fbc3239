"""Profiles, seeds and places of a run.

Shipped models lie in `saved_models/`: at the top of a clone, or in the package where it
was installed from a wheel. Results go to `artifacts/`, see `find_artifacts`.
"""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

from rds_tf import errors

NOT_FOR_CLINICAL_USE = "Research and teaching only. Not for clinical use."
PACKAGE = Path(__file__).resolve().parent
CLONE = PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else None
SAVED_MODELS = (CLONE or PACKAGE) / "saved_models"
FINDING = "RDS"  # the name of label 1, unless the user gives another
NUM_FOLDS = 5
NUM_EPOCHS = 10  # reports and checkpoints a run, whatever its number of steps


@dataclass(frozen=True)
class Profile:
    """The sizes of one run; a notebook reads every number from here.

    Attributes:
        name: `"quick"` (2 CPU cores, minutes) or `"full"` (a GPU, hours).
        num_cases: phantoms written when no cohort is given.
        phantom_px: longest side of those phantoms.
        segmenter: `build_unet` arguments.
        segmenter_steps: training steps of the U-Net.
        backbones: EfficientNet backbones compared in notebook 04.
        classifier_px: image size of each EfficientNet backbone.
        classifier_steps: training steps of a classifier.
        batch_size: images a step.
    """

    name: str
    num_cases: int
    phantom_px: int
    segmenter: dict
    segmenter_steps: int
    backbones: tuple[str, ...]
    classifier_px: dict
    classifier_steps: int
    batch_size: int


PROFILES = {
    "quick": Profile(
        name="quick",
        num_cases=120,
        phantom_px=384,
        segmenter={"image_size": 128, "filters": 16},
        segmenter_steps=150,
        backbones=("B0",),
        classifier_px={"Lite0": 128, "B0": 128, "B3": 128, "B5": 128},
        classifier_steps=60,
        batch_size=16,
    ),
    "full": Profile(
        name="full",
        num_cases=1000,
        phantom_px=1024,
        segmenter={"image_size": 256, "filters": 32},
        segmenter_steps=6000,
        backbones=("B0", "B3", "B5"),
        classifier_px={"Lite0": 224, "B0": 224, "B3": 300, "B5": 456},
        classifier_steps=3000,
        batch_size=16,
    ),
}


def check_finding(word: str) -> str:
    """Return the name of a finding without outer blanks, such as `"pneumonia"`.

    Raises:
        ValueError: if it is not one line of 1 to 40 characters.
    """
    name = word.strip() if isinstance(word, str) else ""
    if not 1 <= len(name) <= 40 or not name.isprintable():
        raise errors.InputError(
            f"A finding must be one line of 1 to 40 letters. Received: {word!r:.60}"
        )
    return name


def load_profile(
    name: str, num_steps: int | None = None, segmenter_px: int | None = None
) -> Profile:
    """Return the named profile.

    Args:
        name: `"quick"` or `"full"`.
        num_steps: int, training steps of every network, if not the profile's own.
        segmenter_px: int, image size of the U-Net, if not the profile's own.

    Raises:
        ValueError: if `name` is not a profile, or `num_steps` is not a multiple of
            `NUM_EPOCHS`.
    """
    if name not in PROFILES:
        raise errors.InputError(
            f"`name` must be one of {sorted(PROFILES)}. Received: {name!r}"
        )
    profile = PROFILES[name]
    if segmenter_px is not None:
        segmenter = profile.segmenter | {"image_size": segmenter_px}
        profile = replace(profile, segmenter=segmenter)
    if num_steps is None:
        return profile
    if num_steps < 1 or num_steps % NUM_EPOCHS:
        raise errors.InputError(
            f"`num_steps` must be a multiple of {NUM_EPOCHS}. Received: {num_steps}"
        )
    return replace(profile, segmenter_steps=num_steps, classifier_steps=num_steps)


@dataclass(frozen=True)
class Run:
    """One pass through the notebooks: a profile, a cohort and a place for results.

    Attributes:
        profile: the `Profile`.
        cohort: the user's cohort table, or None for a phantom cohort.
        root: folder under which the cohort's files lie.
        folder: where this run keeps what it makes.
    """

    profile: Profile
    cohort: Path | None
    root: Path | None
    folder: Path

    @property
    def prepared(self) -> Path:
        """Folder of PNG, masks, manifest and folds, written by notebook 01."""
        return self.folder / "prepared"

    @property
    def models(self) -> Path:
        """Folder of the models trained in this run."""
        return self.folder / "models"

    @property
    def cohort_name(self) -> str:
        """`"phantom"`, or the name of the cohort's folder."""
        return "phantom" if self.cohort is None else self.cohort.parent.name


def find_artifacts() -> Path:
    """Return the folder of all results.

    It is `RDS_TF_ARTIFACTS` where this is set; else the clone's `artifacts/` where the
    working folder is in the clone that runs; else `artifacts/` in the working folder.
    """
    if chosen := os.environ.get("RDS_TF_ARTIFACTS"):
        return Path(chosen).resolve()
    here = Path.cwd()
    inside = CLONE is not None and here.is_relative_to(CLONE)
    return (CLONE if inside else here) / "artifacts"


def load_run(profile: str = "quick", cohort: str | Path = "phantom") -> Run:
    """Return the run that a notebook's two parameters describe.

    Results go to a folder of their own in `find_artifacts()`. Files of a cohort are
    looked up below the folder of its table, or below `RDS_TF_ROOT`.

    Args:
        profile: str, `"quick"` or `"full"`.
        cohort: `"phantom"`, or the path of a cohort table.

    Raises:
        FileNotFoundError: if the cohort table does not exist.
    """
    if str(cohort) == "phantom":
        table, root, name = None, None, "phantom"
    else:
        table = Path(cohort).resolve()
        if not table.is_file():
            raise FileNotFoundError(f"{cohort}: there is no such cohort table.")
        root = Path(os.environ.get("RDS_TF_ROOT", table.parent)).resolve()
        # Two tables may share a name: the key of the path keeps their results apart.
        key = hashlib.sha256(str(table).encode()).hexdigest()[:6]
        name = f"{table.parent.name}_{table.stem}_{key}"
    folder = find_artifacts() / f"{name}_{profile}"
    run = Run(load_profile(profile), table, root, folder)
    run.folder.mkdir(parents=True, exist_ok=True)
    return run


def set_seed(seed: int = 0) -> None:
    """Seed Python, NumPy and Keras, and make TensorFlow deterministic."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
