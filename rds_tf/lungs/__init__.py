"""Lungs: a U-Net, its post-processing, its training and its scores."""
