"""Diagnose neonatal respiratory distress syndrome from the chest X-ray alone.

Rooms in the order in which the data passes: `data`, `phantoms`, `lungs`, `diagnosis`,
then `readers`, `study`, `pages` and `paper`.

Research and teaching only, not for clinical use.
"""

import logging
import os

# Read by TensorFlow, segmentation-models and Keras when they are first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("SM_FRAMEWORK", "tf.keras")

# Keras traces a prediction anew for another batch size; TensorFlow would warn of it.
logging.getLogger("tensorflow").addFilter(
    lambda record: "retracing" not in record.getMessage()
)

__version__ = "0.1.0"
