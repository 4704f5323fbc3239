"""The exhibition page: phantoms and films, judged before visitors."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
