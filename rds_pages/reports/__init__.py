"""Reports: one HTML page for each run, and the tables in it."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
