"""Audit: does a classifier lean on the tube, the film's shape or its brightness?"""
