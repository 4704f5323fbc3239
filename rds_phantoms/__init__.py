"""Phantoms: synthetic chest radiographs of newborns with known truth."""
