"""Diagnose neonatal respiratory distress syndrome (RDS) from the chest X-ray alone.

    read_radiograph   read a DICOM, PNG or JPEG file
    load_models       load the shipped models, or a folder of your own
    segment           find the lungs
    diagnose          lungs, probability, heat map, decision and warnings
    explain           where do the classifiers look?
    prepare           a cohort to PNG images, masks and five folds by patient

`segment`, `diagnose` and `explain` take a file, an array or a read radiograph. Behind
them are packages, in the order in which the data passes: `dicom`, `data`, `lungs`,
`explanation`, `classification`, `audit`, `diagnosis`; these use `storage`, `stats`,
`plotting` and `parallel`. After `from rds_tf import lungs`, `lungs.unet` is there.
Nothing is imported before it is used, not even NumPy.

Research and teaching only. Not for clinical use.
"""

import logging
import os

from rds_tf import lazy

# Read by TensorFlow, segmentation-models and Keras when they are first imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("SM_FRAMEWORK", "tf.keras")

# Keras traces a prediction anew for another batch size; TensorFlow would warn of it.
logging.getLogger("tensorflow").addFilter(
    lambda record: "retracing" not in record.getMessage()
)

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy.open_package(
    __name__,
    "api",
    ("read_radiograph", "load_models", "segment", "diagnose", "explain", "prepare"),
)
