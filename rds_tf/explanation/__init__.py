"""Explanation: Grad-CAM, one heat map of one model or of many."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
