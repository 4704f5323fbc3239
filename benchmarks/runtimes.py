"""Time the shipped networks in other runtimes, and how far their answers move.

    pip install onnx onnxruntime tf2onnx           # a runtime, no requirement
    python benchmarks/runtimes.py [--rounds 7] [--films 8]

Forward passes of the U-Net and of the B0, one film a call, in turns in one process:
the compiled call that `diagnose` is built on, `predict_on_batch`, XLA, the exported
serving graph, TensorFlow Lite (float32, weights of 16 and of 8 bits) and, where it is
installed, ONNX Runtime. Medians of the rounds, beside the compiled call; and the
greatest difference of a probability from its, on phantoms.

Then the whole pass of Grad-CAM, gradient and heat map with it, in TensorFlow Lite, and
the seconds that one conversion takes; there the heat map is what moves.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from rds_phantoms import phantom
from rds_tf import config
from rds_tf.classification import efficientnet
from rds_tf.data import preprocessing
from rds_tf.explanation import forward_pass, grad_cam, heatmap
from rds_tf.lungs import unet
from rds_tf.storage import model_store

NETWORKS = (
    ("segmenter", unet.build_unet, (128, 256)),
    ("classifier", efficientnet.build_classifier, (128, 224)),
)


def main():
    """Print one row a network, size and runtime."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--films", type=int, default=8)
    options = parser.parse_args()
    films = [phantom.make_phantom(seed, (512, 512)) for seed in range(options.films)]
    print(
        "| network | runtime | ms a film | to the compiled call | probability moved |"
    )
    print("|---|---|---|---|---|")
    for kind, build, sizes in NETWORKS:
        for size in sizes:
            model = load(kind, build, size)
            images = [preprocessing.preprocess(film.image, size) for film in films]
            batches = [image[None, ..., None] for image in images]
            measure(f"{kind}, {size} px", make_arms(model), batches, options.rounds)
            if kind == "classifier":
                name = f"Grad-CAM, {size} px"
                measure(name, make_cam_arms(model, size), batches, options.rounds)


def load(kind: str, build: Callable, size: int):
    """Return a shipped network for images of another size: the weights fit any."""
    (folder,) = model_store.find_models(config.SAVED_MODELS, kind)
    source, manifest = model_store.load_model(folder, kind, build)
    model = build(**{**manifest["architecture"], "image_size": size})
    model.set_weights(source.get_weights())
    return model


def make_arms(model) -> dict[str, Callable]:
    """Return a function (1, H, W, 1) -> probabilities for each runtime."""
    plain, xla = (
        tf.function(
            lambda image: model(image, training=False), jit_compile=jit, autograph=False
        )
        for jit in (False, True)
    )
    arms = {
        "compiled call": lambda batch: plain(tf.constant(batch)).numpy(),
        "predict_on_batch": model.predict_on_batch,
        "XLA": lambda batch: xla(tf.constant(batch)).numpy(),
    }
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder) / "served"
        model.export(served, verbose=False)
        loaded = tf.saved_model.load(served)
        arms["serving graph"] = lambda batch: loaded.serve(tf.constant(batch)).numpy()
        for name, kinds in (
            ("TensorFlow Lite", None),
            ("TensorFlow Lite, weights of 16 bits", [tf.float16]),
            ("TensorFlow Lite, weights of 8 bits", []),
        ):
            arms[name] = make_lite(served, kinds)
        if run := make_onnx(model, str(Path(folder) / "model.onnx")):
            arms["ONNX Runtime"] = run
    return arms


def make_cam_arms(model, size: int) -> dict[str, Callable]:
    """Return functions (1, H, W, 1) -> heat map (1, H, W) for the same pass."""
    layer = forward_pass.find_layer(model)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((1, size, size, 1))])
    def draw(images):
        features, logits = forward_pass.forward(model, layer, images)
        raw = grad_cam.weigh(features, logits, 1)
        return heatmap.normalize(heatmap.resize(tf.nn.relu(raw), size, size))

    start = time.perf_counter()
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        draw.get_concrete_function()
    )
    lite = start_lite(tf.lite.TFLiteConverter.from_concrete_functions([frozen]))
    print(f"(one conversion: {time.perf_counter() - start:.1f} s)", flush=True)
    return {
        "compiled call": lambda batch: grad_cam.grad_cam(model, batch),
        "TensorFlow Lite": lite,
    }


def make_lite(served: Path, kinds: list | None) -> Callable:
    """Return the pass of TensorFlow Lite; `kinds` as its converter takes them."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(served))
    if kinds is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = kinds
    return start_lite(converter)


def start_lite(converter) -> Callable:
    """Convert, and return the pass, array -> array."""
    interpreter = tf.lite.Interpreter(
        model_content=converter.convert(), num_threads=os.cpu_count()
    )
    interpreter.allocate_tensors()
    (into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(batch):
        interpreter.set_tensor(into["index"], batch)
        interpreter.invoke()
        return interpreter.get_tensor(out["index"])

    return run


def make_onnx(model, path: str) -> Callable | None:
    """Return the pass of ONNX Runtime, None where it is missing or cannot take it."""
    try:
        import onnxruntime
        import tf2onnx  # noqa: F401  Keras exports by it
    except ImportError as error:
        print(f"(no ONNX Runtime: {error})")
        return None
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    names = [one.name for one in session.get_inputs()]
    if len(names) > 1:
        print(f"(no ONNX Runtime: tf2onnx asks for {', '.join(names)})")
        return None
    return lambda batch: session.run(None, {names[0]: batch})[0]


def measure(network: str, arms: dict, batches: list, rounds: int) -> None:
    """Time the arms in turns and print their rows."""
    expected = [arms["compiled call"](batch) for batch in batches]
    moved = {
        name: max(
            float(np.abs(run(batch) - wanted).max())
            for batch, wanted in zip(batches, expected, strict=True)
        )
        for name, run in arms.items()
    }
    seconds = {name: [] for name in arms}
    for _ in range(rounds):
        for name, run in arms.items():
            start = time.perf_counter()
            for batch in batches:
                run(batch)
            seconds[name].append((time.perf_counter() - start) / len(batches))
    first = np.median(seconds["compiled call"])
    for name, taken in seconds.items():
        median = np.median(taken)
        print(
            f"| {network} | {name} | {1000 * median:.1f} | {median / first:.2f} | "
            f"{moved[name]:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
