"""A figure in the making: plain dicts, turned into a Plotly figure where one is wanted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec

import plotly.graph_objects as go

P = ParamSpec("P")


class Draft:
    """Collects traces and layout with the method names of `plotly.graph_objects.Figure`, without its checks on each call.

    Plotly checks every property each time it is set, and copies all of them when a figure is made and when it is taken apart: with a
    dozen figures for each move of a slider that takes longer than the training. The tests build every figure with the checks on.
    """

    def __init__(self) -> None:
        self.data: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = {"xaxis": {}, "yaxis": {}, "annotations": [], "shapes": []}

    def add_scatter(self, **trace: Any) -> None:
        self._add("scatter", trace)

    def add_bar(self, **trace: Any) -> None:
        self._add("bar", trace)

    def add_heatmap(self, **trace: Any) -> None:
        self._add("heatmap", trace)

    def add_contour(self, **trace: Any) -> None:
        self._add("contour", trace)

    def add_annotation(self, **annotation: Any) -> None:
        self.layout["annotations"].append(annotation)

    def add_shape(self, **shape: Any) -> None:
        self.layout["shapes"].append(shape)

    def update_xaxes(self, *, title: str = "", **axis: Any) -> None:
        self.layout["xaxis"] |= {"title": {"text": title}, **axis} if title else axis

    def update_yaxes(self, *, title: str = "", **axis: Any) -> None:
        self.layout["yaxis"] |= {"title": {"text": title}, **axis} if title else axis

    def update_layout(self, **layout: Any) -> None:
        self.layout |= layout

    def figure(self) -> go.Figure:
        return go.Figure({"data": self.data, "layout": self.layout}, _validate=False)

    def _add(self, kind: str, trace: dict[str, Any]) -> None:
        self.data.append({"type": kind, **{name: value for name, value in trace.items() if value is not None}})


class Drawing(Generic[P]):
    """Makes a function that drafts a figure into one that gives the Plotly figure; `draft` is the function itself."""

    def __init__(self, draft: Callable[P, Draft]) -> None:
        functools.update_wrapper(self, draft)
        self.draft = draft

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> go.Figure:
        return self.draft(*args, **kwargs).figure()
