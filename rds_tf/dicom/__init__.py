"""DICOM: one file in, one grey image out, nothing that names the patient."""
