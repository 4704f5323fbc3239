"""Ordinal grades of RDS, 0 to 4, from the one logit of a classifier.

Proportional odds (McCullagh, Journal of the Royal Statistical Society B 42, 1980): one
logit f of a film and four increasing thresholds t_1 to t_4 give
`P(grade >= k) = sigmoid(f - t_k)`. As t_1 is 0, f stays the logit of RDS, grade 1 or
more, and all that reads a classifier's `logit` and `probability` reads them as before.
The thresholds lie in the manifest, `"grade_thresholds"`; a classifier that learnt no
grades has none.
"""

from pathlib import Path

import keras
import numpy as np
from scipy import special

from rds_tf import errors
from rds_tf.storage import model_store

NUM_GRADES = 5  # of Bomsel, I to IV, and 0 without RDS
ENTRY = "grade_thresholds"  # of the manifest
FIRST_STEP = 1.5  # logits between thresholds before training; a choice, soon learnt
# Adam moves a weight by about its learning rate a step. At that of a network thresholds
# would hardly leave where they began, by 0.3 logits in 600 steps. A choice.
SPEED = 20.0


class CumulativeOdds(keras.layers.Layer):
    """Turns the logit `(B, 1)` into those of grade 1, 2, 3 and 4 or more `(B, 4)`.

    The thresholds grow by softplus steps, so that no training can cross them.
    """

    def build(self, shape):
        """Make the weight of the three steps from t_1 = 0 to t_4."""
        step = np.log(np.expm1(FIRST_STEP)) / SPEED  # becomes FIRST_STEP
        self.steps = self.add_weight(
            shape=(NUM_GRADES - 2,),
            initializer=keras.initializers.Constant(step),
            name="steps",
        )

    def compute_thresholds(self):
        """Return t_1 to t_4 as a tensor `(4,)`."""
        steps = keras.ops.softplus(SPEED * self.steps)
        return keras.ops.pad(keras.ops.cumsum(steps), [[1, 0]])

    def call(self, logit):
        """Return f - t_k."""
        return logit - self.compute_thresholds()


def build_ordinal(model):
    """Build the model that is trained on grades in place of a classifier.

    Args:
        model: a model of `efficientnet.build_classifier`; it shares its layers, and so
            learns what the other is trained on.

    Returns:
        A functional `keras.Model`, `(B, S, S, 1)` -> logits `(B, 4)`; its last layer
        is a `CumulativeOdds`.
    """
    odds = CumulativeOdds(dtype="float32", name="cumulative_odds")
    return keras.Model(model.inputs, odds(model.get_layer("logit").output))


class OrdinalLoss(keras.losses.Loss):
    """Sum of the four binary cross-entropies of "grade 1, 2, 3, 4 or more"."""

    def call(self, y_true, y_pred):
        """Return the loss `(B,)` of targets and logits `(B, 4)`."""
        bce = keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)
        return y_true.shape[-1] * bce


def encode(grades) -> np.ndarray:
    """Return for grades `(N,)` whether they are at least 1, 2, 3, 4.

    Returns:
        float32 `(N, 4)` of {0, 1}.

    Raises:
        InputError: a grade is not one of 0 to 4.
    """
    grades = np.asarray(grades)
    if not np.isin(grades, range(NUM_GRADES)).all():
        wrong = grades[~np.isin(grades, range(NUM_GRADES))][0]
        raise errors.InputError(f"Expected `grades` of 0 to 4. Received: {wrong}")
    return (grades[:, None] >= np.arange(1, NUM_GRADES)).astype("float32")


def read_thresholds(trained) -> list[float]:
    """Return the thresholds of a trained `build_ordinal`, t_1 = 0 first."""
    thresholds = trained.layers[-1].compute_thresholds()
    return [float(one) for one in keras.ops.convert_to_numpy(thresholds)]


def check_manifest(manifest: dict, folder: str | Path) -> None:
    """Refuse a model by its manifest whose thresholds cannot be right.

    Raises:
        model_store.ModelError: they are not four growing numbers, the first 0.
    """
    if ENTRY not in manifest:
        return
    thresholds = manifest[ENTRY]
    right = (
        isinstance(thresholds, list)
        and len(thresholds) == NUM_GRADES - 1
        and all(isinstance(one, int | float) for one in thresholds)
        and np.isfinite(thresholds).all()
        and thresholds[0] == 0
        and (np.diff(thresholds) > 0).all()
    )
    if not right:
        raise model_store.ModelError(
            f"{folder}: its {ENTRY} are not 0 and three growing numbers above it."
        )


def join_thresholds(
    manifests: list[dict], temperature: float = 1.0
) -> np.ndarray | None:
    """Return the thresholds `(4,)` of several classifiers together.

    Their logits are averaged and then scaled by one temperature, and so is each
    `f - t_k`.

    Args:
        manifests: of the classifiers.
        temperature: float above 0, of their `ensemble.Ensemble`.

    Returns:
        Growing thresholds, the first 0, or None if one of them learnt no grades.
    """
    if not manifests or any(ENTRY not in one for one in manifests):
        return None
    return np.mean([one[ENTRY] for one in manifests], axis=0) / temperature


def predict_distribution(probability, thresholds) -> np.ndarray:
    """Return how probable each grade is.

    Args:
        probability: of RDS, float or `(N,)` in `[0, 1]`.
        thresholds: growing `(4,)`, the first 0, in the same logits.

    Returns:
        `(5,)` or `(N, 5)` in `[0, 1]`, grades 0 to 4; they sum to 1, and those from 1
        on to `probability`.
    """
    at_least = _predict_at_least(probability, thresholds)
    ones, zeros = np.ones_like(at_least[..., :1]), np.zeros_like(at_least[..., :1])
    return -np.diff(np.concatenate([ones, at_least, zeros], axis=-1), axis=-1)


def decide(probability, thresholds, threshold: float = 0.5):
    """Return the grade: the highest one of which it is true that it is at least that.

    At a threshold of 0.5 this is the median of the distribution, which errs by the
    fewest grades. With any threshold the grade is above 0 just where the decision is
    RDS, which the most probable grade is not.

    Args:
        probability, thresholds: as in `predict_distribution`.
        threshold: float in `[0, 1]`, from which on a probability counts as true.

    Returns:
        int or int `(N,)`, 0 to 4.
    """
    grades = (_predict_at_least(probability, thresholds) >= threshold).sum(-1)
    return int(grades) if grades.ndim == 0 else grades


def judge(manifests: list[dict], joined, probability: float | None) -> dict:
    """Return what classifiers together say of the grade of one film.

    Args:
        manifests: of the classifiers.
        joined: their `ensemble.Ensemble`.
        probability: float in `[0, 1]`, what it predicts; None of an undecided film.

    Returns:
        `{"grade": int, "grade_distribution": five floats}`, or `{}` if one of them
        learnt no grades, or nothing is decided.
    """
    thresholds = join_thresholds(manifests, joined.temperature)
    if thresholds is None or probability is None:
        return {}
    found = predict_distribution(probability, thresholds)
    return {
        "grade": decide(probability, thresholds, joined.threshold),
        "grade_distribution": tuple(round(float(one), 6) for one in found),
    }


def _predict_at_least(probability, thresholds) -> np.ndarray:
    """Return P(grade >= 1), ..., P(grade >= 4)."""
    probability = np.asarray(probability, "float64")[..., None]
    later = special.expit(special.logit(probability) - np.asarray(thresholds)[1:])
    return np.concatenate([probability, later], axis=-1)  # the first one untouched
