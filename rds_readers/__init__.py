"""The reader study: its design, packs, answers and statistics."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
