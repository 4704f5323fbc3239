"""Many models as one: loaded into one network, passed in one compiled call."""

import weakref

import keras
import tensorflow as tf

from rds_tf import errors
from rds_tf.explanation import activation


class StatelessModel:
    """A model in all but its weights, so that an ensemble takes one model built once.

    Attributes:
        model: a Keras model; it may take other weights later, these values stay.
        values: list of tensors, one for each of `model.variables`.
    """

    def __init__(self, model, weights=None):
        """Take a model, and other weights or those that it has now.

        Args:
            model: a Keras model; it is not changed.
            weights: list of arrays, one for each of `model.weights`; default its own.
        """
        given = {}
        if weights is not None:
            given = dict(zip(map(id, model.weights), weights, strict=True))
        self.model = model
        # Variables that are no weights, such as a dropout's seed, stay as they are.
        self.values = [
            tf.identity(given.get(id(variable), variable.value))
            for variable in model.variables
        ]


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
