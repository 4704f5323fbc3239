"""How a segmenter is trained on the folds of a cohort."""

from dataclasses import dataclass
from pathlib import Path

from rds_tf import config, errors, training
from rds_tf.data import augment, folds, pipeline, prepare, preprocessing
from rds_tf.lungs import segmenter, unet
from rds_tf.storage import model_store

LEARNING_RATE = 2e-3
STARTS = ("auto", "phantom", "scratch")


@dataclass(frozen=True)
class Arm:
    """One way to train a segmenter.

    Attributes:
        start: `"phantom"` goes on from the shipped segmenter, `"auto"` does where
            it fits the profile's architecture and knows `heart`, `"scratch"` never.
            Or a folder with a segmenter of the same fold that was trained before, such
            as one of smaller images.
        heart: one of `segmenter.HEARTS`, how the films are outlined.

    Raises:
        InputError: if one of them is none of these.
    """

    start: str = "auto"
    heart: str = "in"

    def __post_init__(self):
        """Refuse what cannot be trained."""
        if self.heart not in segmenter.HEARTS:
            raise errors.InputError(
                f"`heart` must be in or out. Received: {self.heart!r}"
            )
        if self.start not in STARTS and not Path(self.start).is_dir():
            raise errors.InputError(
                f"A segmenter starts from {', '.join(STARTS)}, or from a folder that "
                f"holds one. Received: {self.start!r}"
            )


def list_jobs(
    prepared: str | Path,
    out: str | Path,
    arm: Arm,
    profile: config.Profile,
    folds=range(config.NUM_FOLDS),
) -> list[training.Job]:
    """List the trainings of a segmenter, one a fold held out, for `training.run`.

    Args: as in `training.Job`; `out` receives the folders `segmenter_fold_<fold>`.
    """
    table = prepare.load_manifest(prepared)
    columns = ["pixel_sha256", "fold", "mask", "roi_area"]
    record = {
        "heart": arm.heart,
        # A folder's path is nobody's business, and its models may change.
        "start": arm.start if arm.start in STARTS else segmenter.list_hashes(arm.start),
        "architecture": profile.segmenter,
        "steps": profile.segmenter_steps,
        "data": training.hash_values(table[columns].astype(str).to_numpy().tolist()),
    }
    return [
        training.Job(
            train=train_fold,
            arm=arm,
            fold=fold,
            name=f"segmenter_fold_{fold}",
            title=f"segmenter, fold {fold}",
            prepared=Path(prepared).resolve(),
            out=Path(out).resolve(),
            profile=profile,
            record=record | {"fold": fold},
        )
        for fold in folds
    ]


def train_fold(job: training.Job) -> None:
    """Train a U-Net on every fold but one, which is not looked at.

    Raises:
        InputError: if there is no film to train on, or the start cannot be had.
    """
    table = prepare.load_manifest(job.prepared)
    start = job.arm.start
    if start not in STARTS:
        start = find_start(start, job.fold, table[table["fold"] == job.fold])
    table = table[(table["fold"] != job.fold) & (table["mask"] != "")]
    if table.empty:
        raise errors.InputError(
            f"{job.prepared}: there is no outlined film outside fold {job.fold}."
        )
    train_films(job, table, start)


def train_films(job: training.Job, table, start: str | Path) -> None:
    """Train a U-Net on `table`, outlined films of the job's manifest.

    `start` is as in `Arm`, but a folder is that of one segmenter. The fold is the seed.
    """
    fold, heart, profile = job.fold, job.arm.heart, job.profile
    config.set_seed(fold)
    size = profile.segmenter["image_size"]
    images, masks = pipeline.load_arrays(job.prepared, table, size)
    with training.spread():
        model = unet.build_unet(**profile.segmenter)
    begun, known = "scratch", []
    if start != "scratch":
        source = None if start in STARTS else start
        begun, known = load_start(model, profile.segmenter, heart, source)
    if start not in ("auto", "scratch") and begun == "scratch":
        raise errors.InputError("The start that was named is not available.")
    # The phantom start knows every angle; what is left to learn is this cohort's look.
    fresh = begun == "scratch"
    geometry = augment.ANY_ANGLE if fresh else augment.MOSTLY_UPRIGHT
    dataset = pipeline.segmentation_dataset(
        images, masks, profile.batch_size, training=True, geometry=geometry
    )
    about = {
        "data": f"{len(table)} films of a cohort",
        "held_out_fold": fold,
        "start": begun,
        "heart": heart,
        "steps": profile.segmenter_steps,
        "seen": sorted({*known, *table["pixel_sha256"].str[:16]}),
    }
    films = pipeline.hash_arrays(images, masks)
    made_of = about | {"films": films}  # outlines may change
    fit(model, dataset, job.folder, LEARNING_RATE / (1 if fresh else 2), made_of)
    about["record"] = job.record
    save(model, job.folder, profile.segmenter, about, [heart])


def find_start(folder: str | Path, fold: int, held_out) -> Path:
    """Find the segmenter to go on from, one that never saw the fold held out.

    `folder` is a segmenter's, or holds those of several folds; `held_out` are the
    fold's rows of the manifest.

    Raises:
        InputError: it saw some film of the fold.
        model_store.ModelError: there is none.
    """
    found = model_store.find_models(folder, "segmenter")
    named = [one for one in found if one.name == f"segmenter_fold_{fold}"]
    start = (named or found)[0]
    seen = model_store.read_manifest(start)["training"]["seen"]
    if not folds.find_unseen(held_out, seen).all():
        raise errors.InputError(f"{start}: saw films of fold {fold} in its training.")
    return start


def load_start(
    model, architecture: dict, heart: str = "in", source: str | Path | None = None
) -> tuple[str, list[str]]:
    """Load the weights that training starts from and say which they are.

    A U-Net's weights fit images of any size. The shipped segmenter draws the lungs
    with and without the heart; `model` goes on from the mask of its own convention.

    Args:
        model: a U-Net with one mask, changed in place.
        architecture: its arguments of `unet.build_unet`.
        heart: one of `segmenter.HEARTS`.
        source: folder of the segmenter to start from; None is the shipped one.

    Returns:
        `"phantom"` for a start that saw no film, else the start's name, and the
        `seen` of its training. `("scratch", [])` with the cause printed if there is
        none.
    """
    any_size = {"num_masks": 1, "image_size": architecture["image_size"]}
    try:
        folder = model_store.find_models(source or config.SAVED_MODELS, "segmenter")[0]
        shipped, manifest = model_store.load_model(folder, "segmenter", unet.build_unet)
    except model_store.ModelError as error:
        print(f"No segmenter to start from ({error}) Training from scratch.")
        return "scratch", []
    hearts = manifest.get("hearts", ["in"])
    if manifest["architecture"] | any_size != architecture | any_size or (
        heart not in hearts
    ):
        print(
            f"{folder.name} is {manifest['architecture']} with heart "
            f"{' or '.join(hearts)}, this run's is {architecture} with heart {heart}. "
            "Training from scratch."
        )
        return "scratch", []
    *body, kernel, bias = shipped.get_weights()
    mask = slice(hearts.index(heart), hearts.index(heart) + 1)
    model.set_weights([*body, kernel[..., mask], bias[mask]])
    seen = manifest["training"]["seen"]
    return (folder.name if seen else "phantom"), seen


def fit(model, dataset, folder: Path, learning_rate: float, record: dict):
    """Compile with Dice + BCE and fit for the record's steps."""
    with training.beside(model):
        optimizer = training.build_optimizer(record["steps"], learning_rate)
        model.compile(optimizer, loss=unet.DiceBCE(), metrics=[unet.LungIoU()])
    return training.fit(model, dataset, folder, record)


def save(model, folder: Path, architecture: dict, record: dict, hearts=("in",)):
    """Write the model with its manifest; `hearts` names its masks in order."""
    manifest = {
        "kind": "segmenter",
        "architecture": architecture,
        "preprocessing": preprocessing.DESCRIPTION,
        "output": "one lung probability a mask; heart in: the lung behind it counts",
        "hearts": list(hearts),
        "training": record,
    }
    saved = model_store.save_model(model, folder, manifest)
    training.forget_backup(folder)
    return saved
