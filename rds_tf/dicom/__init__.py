"""DICOM: one file in, one grey image out, nothing that names the patient."""

from rds_tf import lazy

__getattr__, __dir__, __all__ = lazy.open_package(__name__)
