"""Diagnosis: a film in, lungs, probability, heat map and warnings out."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
