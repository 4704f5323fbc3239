"""Classification: EfficientNet, its training on folds, arms compared and joined."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
