"""The reading room: readers judge the films of a pack in a browser."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
