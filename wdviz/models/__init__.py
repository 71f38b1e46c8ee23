"""Layers and model families: plain functions over dicts of arrays."""

from wdviz.models.registry import apply, fits, init, layer_names, parameter_count, width_for

__all__ = ["apply", "fits", "init", "layer_names", "parameter_count", "width_for"]
