"""Files on disk: whole or not there; models as numbers, never as code."""
