"""The cohort: case table, outlines, folds, prepared folder, tf.data pipelines."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
