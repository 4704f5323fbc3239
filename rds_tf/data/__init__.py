"""The cohort: case table, outlines, folds, prepared folder, tf.data pipelines."""
