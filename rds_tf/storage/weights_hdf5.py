"""Weights as version 0.1 wrote them, Keras' HDF5: read for one release more.

The HDF5 library is large, written in C, and has known faults that a crafted file
reaches as soon as it is opened, before any check of ours. The checks below keep a file
from reading other files and from inflating; they do not make HDF5 safe. The SHA-256 of
the manifest shows damage, not intent: open old folders only of people you trust.
Nothing else in this package opens HDF5.
"""

import io
import re
from collections import Counter

import numpy as np

from rds_tf import errors
from rds_tf.storage import weights

FILE = "model.weights.h5"


def unpack(content: bytes, model) -> list[np.ndarray]:
    """Read a whole Keras weights file as weights of a model, as `weights.unpack`.

    Keras stores weight number n of a layer at `layers/<class>_<k>/vars/<n>`, the
    layers of a class numbered in their order in the model, which must be flat.

    Raises:
        InputError: the file is damaged, or a weight is missing, of another shape or
            type, behind a link, compressed, or kept outside the file.
    """
    import h5py  # here alone: no folder of today needs it

    count, found = Counter(), {}
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            for layer in model.layers:
                kind = type(layer).__name__
                kind = re.sub("([a-z])([A-Z])", r"\1_\2", kind).lower()
                path = f"layers/{kind}" + (f"_{count[kind]}" if count[kind] else "")
                count[kind] += 1
                for place, weight in enumerate(layer.weights):
                    name = f"{path}/vars/{place}"
                    dataset = _find_dataset(file, name)
                    weights.check_fit(name, dataset, weight)
                    found[id(weight)] = dataset[()]
                if layer.weights and len(file[f"{path}/vars"]) != len(layer.weights):
                    raise errors.InputError(f"its {path!r} has more than its weights")
    except (OSError, RuntimeError, KeyError, TypeError, OverflowError) as error:
        raise errors.InputError(f"it is no whole HDF5 file: {error}") from error
    return [found[id(weight)] for weight in model.weights]


def _find_dataset(file, path: str):
    """Follow hard links alone, to numbers that lie plainly in this file."""
    import h5py

    part = file
    for name in path.split("/"):
        # Looked at before it is opened: a link may lead to another file.
        if not isinstance(part, h5py.Group):
            raise errors.InputError(f"its {path!r} lies below no group")
        link = part.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            what = "missing" if link is None else "behind a link"
            raise errors.InputError(f"its {path!r} is {what}")
        part = part[name]
    if not isinstance(part, h5py.Dataset):
        raise errors.InputError(f"its {path!r} is no array")
    # How the file was made tells where the numbers lie, before any is read.
    made = part.id.get_create_plist()
    plain = made.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
    if not plain or made.get_external_count() or made.get_nfilters():
        raise errors.InputError(f"its {path!r} is virtual, external or compressed")
    return part
