"""Many items at once: in processes, on a cluster, one bad item at a time."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
