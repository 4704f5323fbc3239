"""Models that share one network: each holds weights of its own, and nothing else."""

import tensorflow as tf


class StatelessModel:
    """The weights of one model, and the network that they are for.

    An ensemble of models built alike needs one network, built and traced once.

    Attributes:
        model: a Keras model; other weights in it later change nothing here.
        values: list of tensors, one for each of `model.variables`.
    """

    def __init__(self, model, weights=None):
        """Take a model, and other arrays for its `weights`, or those it has now."""
        given = {}
        if weights is not None:
            given = dict(zip(map(id, model.weights), weights, strict=True))
        self.model = model
        # Variables that are no weights, such as a dropout's seed, stay as they are.
        self.values = [
            tf.identity(given.get(id(variable), variable.value))
            for variable in model.variables
        ]


def get_network(model):
    """Return the Keras model behind a model, which may be a `StatelessModel`."""
    return model.model if isinstance(model, StatelessModel) else model


def get_values(model) -> list:
    """Return the tensors that the variables of a model hold."""
    if isinstance(model, StatelessModel):
        return model.values
    return [variable.value for variable in model.variables]
