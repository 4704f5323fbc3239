"""Statistics: scores with intervals, paired tests, calibration, thresholds."""
