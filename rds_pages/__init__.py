"""Pages in a browser: the reading room, the exhibition and the paper kit."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
