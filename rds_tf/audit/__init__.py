"""Audit: does a classifier lean on the tube, the image's shape or its brightness?"""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
