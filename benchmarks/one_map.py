"""Time one map from five models, and count the models that can be explained.

    python benchmarks/one_map.py cost [--rounds 15] [--image-size 224]
    python benchmarks/one_map.py table [--backbones B0 B3 B5] [--image-size 64]

`cost` builds five B0 with random weights and times `grad_cam.explain` beside their
five plain traced forward passes in turns, one image a call; the first call of each,
which compiles, is printed apart.

`table` saves and reloads every backbone of `keras.applications` and of the package
`efficientnet`, flat, nested in a functional model, and nested in a Sequential one,
and says whose map is that of the fresh flat model: "yes" (within 0.01 of its heat
map in [0, 1]), "other" (a different map) or the name of the error. The same layers
stand in all three arrangements, so all nine maps of a backbone have to agree. The
arms are our Grad-CAM and our LayerCAM (which is tf-keras-vis' on a flattened model),
and Grad-CAM of tf-keras-vis as its user calls it.
"""

import argparse
import gc
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import absl.logging
import efficientnet.tfkeras as efn
import keras
import numpy as np
import tensorflow as tf
from tf_keras_vis import gradcam

from rds_tf.classification import efficientnet
from rds_tf.explanation import grad_cam, tf_keras_vis_cams

SOURCES = {"keras.applications": keras.applications, "efficientnet": efn}
TOLERANCE = 0.01


def main():
    """Run the part of the benchmark that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("cost", "table"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--backbones", nargs="+", default=["B0", "B3", "B5"])
    parser.add_argument("--sources", nargs="+", default=SOURCES, choices=SOURCES)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(7)
    if arguments.part == "cost":
        print_cost(arguments.rounds, arguments.image_size or 224)
        return
    absl.logging.set_verbosity(absl.logging.ERROR)  # Keras on .h5, at every save
    print_row("", "", ARMS)
    counts = dict.fromkeys(ARMS, 0)
    for source in arguments.sources:
        for backbone in arguments.backbones:
            for answers in compare(source, backbone, arguments.image_size or 64):
                for arm, answer in zip(ARMS, answers, strict=True):
                    counts[arm] += answer == "yes"
    total = 9 * len(arguments.sources) * len(arguments.backbones)
    print_row(f"of {total}", "", map(str, counts.values()))


def print_cost(rounds, size):
    """Print what one map of five B0 costs, beside five forward passes."""
    models = [efficientnet.build_classifier("B0", size) for _ in range(5)]
    image = np.random.default_rng(7).random((1, size, size, 1), dtype=np.float32)
    passes = [
        tf.function(lambda images, each=each: each(images, training=False))
        for each in models
    ]
    arms = {
        "five plain forward passes": lambda: [each(image).numpy() for each in passes],
        "rds_tf explain of the five": lambda: grad_cam.explain(models, image),
    }
    seconds = {name: [] for name in arms}
    for _ in range(rounds + 1):
        for name, run in arms.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    plain, *_ = seconds.values()
    print(f"five B0, one image of {size} px a call, median of {rounds} rounds")
    for name, (first, *later) in seconds.items():
        median = statistics.median(later)
        ratio = median / statistics.median(plain[1:])
        print(
            f"  {name:27} {1000 * median:7.1f} ms {ratio:5.2f} x"
            f"   first call {first:5.1f} s {first / plain[0]:5.2f} x"
        )


def compare(source, backbone, size):
    """Print and yield what each arm answers in each arrangement, fresh and reloaded."""
    fresh = arrange(getattr(SOURCES[source], f"EfficientNet{backbone}"), size)
    image = np.random.default_rng(7).random((size, size, 3), dtype=np.float32)
    image *= 255 if source == "keras.applications" else 1
    *_, logit = fresh["flat"].layers
    if not grad_cam.explain(fresh["flat"], image).mean.any():
        logit.kernel.assign(-logit.kernel)  # else a map of zeros would pass for right
    truths = [draw(fresh["flat"], image) for draw in ARMS.values()]
    assert min(truth.max() for truth in truths) > 0.9
    for arrangement in fresh:
        for suffix in ("", ".keras", ".h5"):
            model = reload(fresh[arrangement], suffix)
            answers = [
                judge(draw, model, image, truth)
                for draw, truth in zip(ARMS.values(), truths, strict=True)
            ]
            name = f"{source} {backbone} {arrangement}"
            print_row(name, suffix or "fresh", answers)
            yield answers
            del model
            gc.collect()


def print_row(name, state, answers):
    """Print one row of the table."""
    cells = "".join(f"{answer:23}" for answer in answers)
    print(f"{name:33} {state:7} {cells}".rstrip(), flush=True)


def arrange(build, size):
    """Build a classifier flat, nested and Sequential from the same layers."""
    backbone = build(include_top=False, weights=None, input_shape=(size, size, 3))
    enliven(backbone)
    head = [
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    inputs = keras.Input((size, size, 3))
    pool, dense = head
    return {
        "flat": keras.Model(backbone.inputs[0], dense(pool(backbone.outputs[0]))),
        "nested": keras.Model(inputs, dense(pool(backbone(inputs)))),
        "Sequential": keras.Sequential([keras.Input((size, size, 3)), backbone, *head]),
    }


def enliven(model):
    """Give batch normalisation the statistics that a trained model might have."""
    random = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            gamma, variance = random.uniform(0.5, 1.5, (2, *shape))
            beta, mean = random.normal(0, 0.1, (2, *shape))
            layer.set_weights([gamma, beta, mean, variance])


def reload(model, suffix):
    """Save and load a model in the format of the suffix; "" leaves it as it is."""
    if not suffix:
        return model
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, f"model{suffix}")
        try:
            model.save(path)
            return keras.models.load_model(path)
        except Exception as error:  # what Keras cannot reload is no one's to explain
            return error


def judge(draw, model, image, truth):
    """Return "yes", "other" or the name of the error."""
    if isinstance(model, Exception):
        return f"no reload ({type(model).__name__})"
    try:
        heatmap = draw(model, image)
    except Exception as error:  # any error is a result here
        return type(error).__name__
    return "yes" if np.abs(heatmap - truth).max() < TOLERANCE else "other"


def draw_ours(model, image):
    """Draw the heat map of `explain`, (H, W)."""
    return grad_cam.explain(model, image).heatmap


def draw_layer_cam(model, image):
    """Draw LayerCAM by tf-keras-vis on our flattened model, (H, W)."""
    return tf_keras_vis_cams.draw("layer_cam", model, image[None])[0]


def draw_peer(model, image):
    """Draw Grad-CAM by tf-keras-vis, as its user would, (H, W)."""
    return gradcam.Gradcam(model)(lambda output: output[:, 0], image)[0]


ARMS = {
    "rds_tf grad_cam": draw_ours,
    "rds_tf layer_cam": draw_layer_cam,
    "tf-keras-vis Gradcam": draw_peer,
}


if __name__ == "__main__":
    main()
