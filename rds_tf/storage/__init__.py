"""Files on disk: whole or not there; models as numbers, never as code."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
