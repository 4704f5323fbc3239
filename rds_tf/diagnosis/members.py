"""Pass one image through many models in one compiled call."""

import weakref

import keras
import tensorflow as tf

from rds_tf.diagnosis import activation


class Twin:
    """A model in all but its weights, so that an ensemble takes one model built once.

    Attributes:
        model: a Keras model; it may take other weights later, its twin does not.
        values: list of tensors, what its variables hold now.
    """

    def __init__(self, model):
        """Take the model, and its weights as they are now."""
        self.model = model
        self.values = [tf.identity(variable.value) for variable in model.variables]


def find_model(member):
    """Return the Keras model of a member, which is one, or a `Twin` of one."""
    return member.model if isinstance(member, Twin) else member


def trace_members(member, layer, others, class_index):
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
            model = find_model(one)
            if id(model) not in described:
                described[id(model)] = _describe(model)
            key = described[id(model)], its_layer.name, tuple(image.shape)
            if key not in passes:
                passes[key] = _build_pass(weakref.ref(model), pair[1], class_index)
            found.append(passes[key](image, _list_values(one)))
        return found

    return run


def _list_values(member) -> list:
    if isinstance(member, Twin):
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
            raise ValueError(
                f"Expected models with 1 or 2 outputs. Received: `{model().name}` "
                f"{logits.shape}"
            )
        return (
            activation.weigh(features, logits, class_index),
            activation.weigh(features, logits, 1 - class_index),
            tf.cast(logits[:, class_index], tf.float32),
        )

    return tf.function(run, autograph=False)
