"""Many models as one: loaded into one network, passed in one compiled call."""

import re
import weakref
from collections import Counter
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from rds_tf import errors
from rds_tf.explanation import activation
from rds_tf.storage import model_checks


class StatelessModel:
    """A model in all but its weights, so that an ensemble takes one model built once.

    Attributes:
        model: a Keras model; it may take other weights later, its twin does not.
        values: list of tensors, what its variables hold now.
    """

    def __init__(self, model, values=None):
        """Take the model, and its weights as they are now, or other `values`."""
        self.model = model
        if values is None:
            values = [tf.identity(variable.value) for variable in model.variables]
        self.values = values


def load_stateless(model, path: str | Path) -> StatelessModel:
    """Return a twin with the weights of a file, in a fifth of Keras' time.

    Where the file is laid out otherwise than Keras does today, Keras reads it.

    Args:
        model: a flat Keras model.
        path: `.weights.h5` file that passed `model_checks.check_weights`.

    Raises:
        ValueError: if they do not fit the model, or no training leaves such behind.
    """
    arrays = read_arrays(model, path)
    if arrays is None:
        model.load_weights(path)
        arrays = [np.asarray(weight) for weight in model.weights]
    model_checks.check_numbers(model.weights, arrays)
    read = dict(zip(map(id, model.weights), arrays, strict=True))
    values = [read.get(id(variable), variable.value) for variable in model.variables]
    return StatelessModel(model, [tf.convert_to_tensor(value) for value in values])


def read_arrays(model, path: str | Path) -> list[np.ndarray] | None:
    """Read a Keras weights file without Keras' walk through all that a layer holds.

    Args:
        model: a flat Keras model.
        path: `.weights.h5` file.

    Returns:
        One array for each of `model.weights`; None where the file does not hold them
        all in these shapes and types.
    """
    count, found = Counter(), {}
    with h5py.File(path, "r") as file:
        for layer in model.layers:  # numbered by class, in their order
            name = re.sub("([a-z])([A-Z])", r"\1_\2", type(layer).__name__).lower()
            number = f"_{count[name]}" if count[name] else ""
            count[name] += 1
            for place, weight in enumerate(layer.weights):
                array = file.get(f"layers/{name}{number}/vars/{place}")
                if not isinstance(array, h5py.Dataset):
                    return None
                if (array.shape, array.dtype) != (tuple(weight.shape), weight.dtype):
                    return None
                found[id(weight)] = array[()]
    return [found[id(weight)] for weight in model.weights]


def find_network(member):
    """Return the Keras model of a member, which is one, or a `Twin` of one."""
    return member.model if isinstance(member, StatelessModel) else member


def trace_models(member, layer, others, class_index):
    """Return a pass of all members for `activation.find_trace`.

    In one graph small networks run side by side. Members built alike, such as an
    ensemble's five folds, are traced once, with the weights of each handed in.

    Args:
        member, layer: weak references to the first member, a Keras model or a `Twin`,
            and to the layer of its model.
        others: tuple of pairs of them, the other members.
        class_index: int, the class explained.

    Returns:
        Function of a tuple of tensors (1, H, W, C), one a member, to a list of
        (raw map (1, h, w), that of the other class, logit (1,)).
    """

    def run(images):
        described, passes, found = {}, {}, []
        for pair, image in zip(((member, layer), *others), images, strict=True):
            one, its_layer = (reference() for reference in pair)
            model = find_network(one)
            if id(model) not in described:
                described[id(model)] = _describe(model)
            key = described[id(model)], its_layer.name, tuple(image.shape)
            if key not in passes:
                passes[key] = _build_pass(weakref.ref(model), pair[1], class_index)
            found.append(passes[key](image, _list_values(one)))
        return found

    return run


def _list_values(member) -> list:
    if isinstance(member, StatelessModel):
        return member.values
    return [variable.value for variable in member.variables]


def _describe(model) -> str | int:
    """Describe what a model computes but for its weights; itself where it cannot."""
    try:
        return model.to_json()
    except NotImplementedError:  # a layer of the user's own without `get_config`
        return id(model)


def _build_pass(model, layer, class_index):
    """Return the pass of a model, (image, values of its variables) -> as above.

    It holds the model by weak references, like `activation.find_trace`.
    """

    def run(image, values):
        mapping = list(zip(model().variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            features, logits = activation.forward(model(), layer(), image)
        if logits.shape[-1] != 2:
            raise errors.InputError(
                f"Expected models with 1 or 2 outputs. Received: `{model().name}` "
                f"{logits.shape}"
            )
        return (
            activation.weigh(features, logits, class_index),
            activation.weigh(features, logits, 1 - class_index),
            tf.cast(logits[:, class_index], tf.float32),
        )

    # Not laid into the caller's graph, where each member's would be optimised anew.
    alone = {"_noinline": True}
    return tf.function(run, autograph=False, experimental_attributes=alone)
