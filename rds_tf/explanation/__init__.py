"""Explanation: Grad-CAM, one heat map of one model or of many."""
