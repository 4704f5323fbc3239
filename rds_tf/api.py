"""The functions of `rds_tf` itself: each takes a file, an array or a `Radiograph`."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from rds_tf import config, errors

if TYPE_CHECKING:  # TensorFlow is imported by the functions that need it
    import numpy as np

    from rds_tf.data import prepare as preparation
    from rds_tf.diagnosis import diagnose as diagnosis
    from rds_tf.dicom import radiograph
    from rds_tf.explanation import grad_cam
    from rds_tf.lungs import segmenter


def read_radiograph(path: str | Path) -> radiograph.Radiograph:
    """Read one radiograph, DICOM or PNG or JPEG, without loading TensorFlow.

    Args:
        path: the file; its content decides what it is, not its name.

    Returns:
        A `Radiograph`: its `image` is float32 `(H, W)` in `[0, 1]`, bone bright.

    Raises:
        InputError: if the file is no radiograph that can be used; it says why.

    Example:
        >>> radiograph = rds_tf.read_radiograph("case0000.dcm")
        >>> radiograph.image.shape, radiograph.bits_stored
        ((152, 256), 16)
    """
    from rds_tf.dicom import radiograph

    return radiograph.read_radiograph(path)


def load_models(
    path: str | Path = config.SAVED_MODELS, segmenters: str | Path | None = None
) -> diagnosis.Models:
    """Load classifiers and the lung segmenters that they were trained with.

    Args:
        path: a folder of models, default the shipped ones.
        segmenters: where the segmenters lie, if neither there nor among the shipped.

    Returns:
        `Models`, for the functions below.

    Raises:
        InputError: if a model is missing or damaged.

    Example:
        >>> models = rds_tf.load_models()
        >>> len(models.classifiers)
        1
    """
    from rds_tf.diagnosis import diagnose

    return diagnose.load_models(path, segmenters)


def segment(
    source: str | Path | np.ndarray | radiograph.Radiograph,
    models: diagnosis.Models | None = None,
) -> segmenter.Segmentation:
    """Find the lungs of one radiograph: median, turned copies, upright.

    Args:
        source: a file; an image `(H, W)`, float in `[0, 1]` or uint8 or uint16; or a
            `Radiograph`.
        models: from `load_models`, default the shipped ones, loaded once.

    Returns:
        A `Segmentation`: `mask` is uint8 `(H, W)` of {0, 1}, `quality` is in `[0, 1]`.

    Raises:
        InputError: if the source cannot be used.

    Example:
        >>> lungs = rds_tf.segment("case0000.dcm")
        >>> lungs.mask.shape, lungs.quality > 0.5
        ((152, 256), True)
    """
    from rds_tf.diagnosis import diagnose

    image, models = _read(source).image, models or _load_shipped()
    return diagnose.find_lungs(image, models.segmenters)[0]


def diagnose(
    source: str | Path | np.ndarray | radiograph.Radiograph,
    models: diagnosis.Models | None = None,
) -> diagnosis.Diagnosis:
    """Diagnose one radiograph. Not for clinical use.

    Args:
        source, models: as in `segment`.

    Returns:
        A `Diagnosis`: `statement`, in words; `probability` in `[0, 1]`, None where the
        film is not decided, `decision`, `mask`, `heatmap` `(H, W)` in `[0, 1]` and
        `warnings`, each a sentence.

    Raises:
        InputError: if the source cannot be used.

    Example:
        >>> found = rds_tf.diagnose("case0000.dcm")
        >>> found.decision in ("RDS", "no RDS", "not decided")
        True
    """
    from rds_tf.diagnosis import diagnose

    return diagnose.diagnose_radiograph(_read(source), models or _load_shipped())


def explain(models, image, **options) -> grad_cam.Explanation:
    """Show where classifiers look: one Grad-CAM of one model or of many.

    Args:
        models: what `load_models` returns, all of one input and size; or a Keras
            classifier or several, `(B, h, w, c)` to `(B, 1)`.
        image: with `load_models` a source as in `segment`: its lungs are found, and
            the maps laid back onto it. With Keras models an array in their range.
        **options: `layer`, `class_index` of `explanation.grad_cam.explain`.

    Returns:
        An `Explanation`: `heatmap`, `spread`, `agreement` are `(H, W)` as the image.

    Raises:
        InputError: if the image, the models or an option cannot be used.

    Example:
        >>> explained = rds_tf.explain(rds_tf.load_models(), "case0000.dcm")
        >>> explained.heatmap.shape
        (152, 256)
    """
    from rds_tf.diagnosis import diagnose
    from rds_tf.explanation import grad_cam
    from rds_tf.lungs import cropping

    if not isinstance(models, diagnose.Models):
        return grad_cam.explain(models, image, **options)
    film = _read(image)
    kinds = {
        (one.manifest["input"], one.manifest["architecture"]["image_size"])
        for one in models.classifiers
    }
    if len(kinds) > 1:
        raise errors.InputError(
            f"Expected classifiers of one input and size. Received: {sorted(kinds)}"
        )
    mask = segment(film, models).mask
    kind = kinds.pop()
    crop, square = cropping.cut_input(film.image, mask, *kind)
    networks = [one.model for one in models.classifiers]
    found = grad_cam.explain(networks, square, **options)
    maps = ("mean", "spread", "agreement", "counter")
    laid = {name: crop.put_back(getattr(found, name)) for name in maps}
    # Maps for and against overlap where cells are drawn into one another: as in a
    # diagnosis they cancel, so that both show one map of a film.
    signed = laid["mean"] - laid["counter"]
    laid |= {"mean": signed.clip(min=0), "counter": (-signed).clip(min=0)}
    if kind[0] != "whole":  # no trace of the crop's border, as in a diagnosis
        faded = cropping.fade_outside(mask)
        laid |= {name: laid[name] * faded for name in ("mean", "counter")}
    return dataclasses.replace(found, **laid)


def prepare(
    cohort: str | Path,
    out: str | Path,
    root: str | Path | None = None,
    *,
    num_workers: int | None = None,
) -> preparation.Summary:
    """Turn a cohort into PNG images, masks and five folds by patient.

    Args:
        cohort: the case table, CSV with the columns `filepath` and `rds` at least.
        out: folder to write; an interrupted run goes on where it stopped.
        root: folder of the radiographs, default the folder of the table.
        num_workers: processes, default one a core.

    Returns:
        A `Summary`: counts, and one row a fold in `audit`.

    Raises:
        InputError: if the table cannot be used.

    Example:
        >>> _ = rds_phantoms.write_cohort("cohort", num_cases=10, longest_px=64)
        >>> rds_tf.prepare("cohort/cohort.csv", "prepared").num_images
        10
    """
    from rds_tf.data import prepare

    return prepare.prepare(cohort, out, root, num_workers)


@functools.cache
def _load_shipped() -> diagnosis.Models:
    return load_models()


def _read(source) -> radiograph.Radiograph:
    """Return what `source` is, read or wrapped."""
    import numpy as np

    from rds_tf.dicom import radiograph

    if isinstance(source, radiograph.Radiograph):
        return source
    if isinstance(source, (str, Path)):
        return radiograph.read_radiograph(source)
    image = np.asarray(source)
    bits = {"uint8": 8, "uint16": 16}.get(image.dtype.name)
    if bits:
        image = image / (2**bits - 1)
    if image.ndim != 2 or image.dtype.kind != "f" or not image.size:
        raise errors.InputError(
            "Expected an image (H, W), float in [0, 1] or uint8 or uint16. "
            f"Received: {image.dtype} {image.shape}"
        )
    if not (0 <= image.min() and image.max() <= 1):  # NaN fails too
        raise errors.InputError(
            "Expected a float image in [0, 1]. "
            f"Received: values from {image.min():g} to {image.max():g}"
        )
    return radiograph.Radiograph(image.astype("float32"), bits or 16)
