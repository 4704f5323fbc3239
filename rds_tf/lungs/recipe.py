"""How a segmenter is trained: on the folds of a cohort, or on phantoms alone."""

from pathlib import Path

from rds_tf import config, store, training
from rds_tf.data import augment, pipeline, prepare, preprocessing
from rds_tf.lungs import segmenter, unet
from rds_tf.phantoms import stack

LEARNING_RATE = 2e-3
SHIPPED = {"image_size": 128, "filters": 16, "num_masks": 2}
NUM_PHANTOMS = 20_000
NUM_STEPS = 2_800


def train_fold(
    prepared: str | Path,
    out: str | Path,
    fold: int,
    profile: config.Profile,
    start: str = "auto",
    heart: str = "in",
) -> Path:
    """Train a U-Net on every fold but one.

    Args:
        prepared: folder written by `prepare`.
        out: folder that receives the model's folder `segmenter_fold_<fold>`.
        fold: int, the fold held out; it is not looked at.
        profile: sizes of the run.
        start: `"phantom"` goes on from the shipped segmenter, `"auto"` does where
            it has the profile's architecture and knows `heart`, `"scratch"` never.
        heart: one of `segmenter.HEARTS`, how the films are outlined.

    Returns:
        The model's folder.

    Raises:
        ValueError: if there is no film to train on, or `start` cannot be had.
    """
    if heart not in segmenter.HEARTS:
        raise ValueError(f"`heart` must be in or out. Received: {heart!r}")
    if start not in ("auto", "phantom", "scratch"):
        raise ValueError(
            f"A segmenter starts from auto, phantom or scratch. Received: {start!r}"
        )
    table = prepare.load_manifest(prepared)
    table = table[(table["fold"] != fold) & (table["mask"] != "")]
    if table.empty:
        raise ValueError(f"{prepared}: there is no outlined film outside fold {fold}.")
    folder = Path(out) / f"segmenter_fold_{fold}"
    return train_films(
        prepared, table, folder, profile, start=start, heart=heart, fold=fold
    )


def train_films(
    prepared: str | Path,
    table,
    folder: Path,
    profile: config.Profile,
    *,
    start: str = "auto",
    heart: str = "in",
    fold: int = 0,
) -> Path:
    """Train a U-Net on the outlined films of `table`, as `train_fold` does.

    Args:
        prepared: folder written by `prepare`.
        table: rows of its manifest, each with a mask.
        folder: the model's folder.
        profile: sizes of the run.
        start: `"auto"`, `"phantom"` or `"scratch"`.
        heart: one of `segmenter.HEARTS`.
        fold: int, the fold that is not in `table`; it also seeds the run.
    """
    config.set_seed(fold)
    size = profile.segmenter["image_size"]
    images, masks = pipeline.load_arrays(prepared, table, size)
    model = unet.build_unet(**profile.segmenter)
    begun = start
    if start != "scratch":
        begun = load_start(model, profile.segmenter, heart)
    if start == "phantom" and begun != "phantom":
        raise ValueError("The phantom start asked for is not to be had.")
    # The phantom start knows every angle; what is left to learn is this cohort's look.
    fresh = begun == "scratch"
    dataset = pipeline.segmentation_dataset(
        images,
        masks,
        profile.batch_size,
        training=True,
        geometry=augment.ANY_ANGLE if fresh else augment.MOSTLY_UPRIGHT,
    )
    record = {
        "data": f"{len(table)} films of a cohort",
        "held_out_fold": fold,
        "start": begun,
        "heart": heart,
        "steps": profile.segmenter_steps,
        "seen": [pixels[:16] for pixels in table["pixel_sha256"]],
    }
    fit(model, dataset, folder, LEARNING_RATE / (1 if fresh else 2), record)
    return save(model, folder, profile.segmenter, record, [heart])


def load_start(model, architecture: dict, heart: str = "in") -> str:
    """Load the shipped weights if they fit and say which start it is.

    The shipped segmenter draws the lungs with and without the heart; `model` goes on
    from the mask of its own convention.
    """
    try:
        folder = store.find_models(config.SAVED_MODELS, "segmenter")[0]
        shipped, manifest = store.load_model(folder, "segmenter", unet.build_unet)
    except store.ModelError as error:
        print(f"No shipped segmenter ({error}) Training from scratch.")
        return "scratch"
    hearts = manifest.get("hearts", ["in"])
    fits = {**manifest["architecture"], "num_masks": 1} == architecture | {
        "num_masks": 1
    }
    if not fits or heart not in hearts:
        print(
            f"The shipped segmenter is {manifest['architecture']} with heart "
            f"{' or '.join(hearts)}, this run's is {architecture} with heart {heart}. "
            "Training from scratch."
        )
        return "scratch"
    *body, kernel, bias = shipped.get_weights()
    mask = slice(hearts.index(heart), hearts.index(heart) + 1)
    model.set_weights([*body, kernel[..., mask], bias[mask]])
    return "phantom"


def train_on_phantoms(
    out: str | Path,
    num_phantoms: int = NUM_PHANTOMS,
    num_steps: int = NUM_STEPS,
    seed: int = 0,
) -> Path:
    """Train the segmenter that is shipped: phantoms only, no real film.

    Args:
        out: folder that receives `lung_segmenter/`.
        num_phantoms: int, phantoms drawn once and augmented ever anew.
        num_steps: int, steps of 16 images.
        seed: int.
    """
    config.set_seed(seed)
    size = SHIPPED["image_size"]
    images, masks = stack.draw_phantoms(num_phantoms, size, seed)
    model = unet.build_unet(**SHIPPED)
    dataset = pipeline.segmentation_dataset(images, masks, 16, training=True)
    folder = Path(out) / "lung_segmenter"
    record = {
        "data": f"{num_phantoms} phantoms, no real film",
        "start": "scratch",
        "steps": num_steps,
        "seed": seed,
        "seen": [],
    }
    fit(model, dataset, folder, LEARNING_RATE, record)
    return save(model, folder, SHIPPED, record, ["in", "out"])


def fit(model, dataset, folder: Path, learning_rate: float, record: dict):
    """Compile with Dice + BCE and fit for the record's steps."""
    optimizer = training.build_optimizer(record["steps"], learning_rate)
    model.compile(optimizer, loss=unet.DiceBCE(), metrics=[unet.LungIoU()])
    run = {**record, "parameters": model.count_params(), "input": model.input_shape}
    return training.fit(model, dataset, folder, run)


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
    return store.save_model(model, folder, manifest)
