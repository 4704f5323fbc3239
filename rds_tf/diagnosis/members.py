"""Pass one image through many models in one compiled call."""

import keras
import tensorflow as tf

from rds_tf.diagnosis import activation


def trace_members(model, layer, others, class_index):
    """Return a pass of all members for `activation.find_trace`.

    In one graph small networks run side by side. Members built alike, such as an
    ensemble's five folds, are traced once, with the weights of each handed in.

    Args:
        model, layer: weak references to the first member.
        others: tuple of pairs of them, the other members.
        class_index: int, the class explained.

    Returns:
        Function of a tuple of tensors (1, H, W, C), one a member, to a list of
        (raw map (1, h, w), that of the other class, logit (1,)).
    """

    def run(images):
        passes, found = {}, []
        for member, image in zip(((model, layer), *others), images, strict=True):
            one, its_layer = (reference() for reference in member)
            key = _describe(one), its_layer.name, tuple(image.shape)
            if key not in passes:
                passes[key] = _build_pass(*member, class_index)
            values = [variable.value for variable in one.variables]
            found.append(passes[key](image, values))
        return found

    return run


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
