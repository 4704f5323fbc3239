"""The paper kit: results, model card and checklists of a run, in two languages."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
