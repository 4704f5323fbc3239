"""Diagnosis: a film in, lungs, probability, heat map and warnings out."""
