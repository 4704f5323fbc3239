"""Statistics: scores with intervals, paired tests, calibration, thresholds."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
