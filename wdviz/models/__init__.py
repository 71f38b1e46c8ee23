"""Layers and model families: plain functions over dicts of arrays."""
