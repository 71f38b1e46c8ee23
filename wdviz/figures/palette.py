"""One palette that colour-blind readers can tell apart, and the marks that go with it: never hue alone."""

# Arms: Okabe & Ito (2008).
ARMS = {"without": "#D55E00", "with": "#0072B2"}
ARM_NAMES = {"without": "without decay", "with": "with decay"}

# Lines: which data.
DASHES = {"train": "solid", "validation": "dot", "test": "dash"}

# Classes: hue and marker shape together. The first two never collide with the arms' vermillion and blue.
CLASS_COLOURS = ("#5e3c99", "#e08214", "#1b8a8a", "#8c510a", "#4d4d4d", "#c51b7d", "#5d9a1f", "#2166ac", "#8a7fc4", "#a89000")
CLASS_SYMBOLS = ("diamond", "circle", "square", "triangle-up", "cross", "x", "star", "triangle-down", "pentagon", "hexagon")

INK, PALE, GHOST = "#20242c", "#ffffff", "#8a919c"

# In a row above the plot, which it never covers.
LEGEND = {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "font": {"size": 12}}


def colour_bar(unit: str, **more: object) -> dict[str, object]:
    """A slim bar beside a map, named by its unit along its length; `more` are further fields of Plotly's `colorbar`."""
    title = {"text": unit, "side": "right", "font": {"size": 11}}
    return {"thickness": 9, "outlinewidth": 0, "xpad": 6, "tickfont": {"size": 11}, "title": title, **more}


def tint(colour: str, alpha: float) -> str:
    """`#rrggbb` as an rgba string."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"


def title(text: str) -> dict[str, object]:
    """A title that makes its own room. The stage leaves it out, since its cards have titles."""
    return {"text": text, "yref": "container", "y": 0.98, "yanchor": "top", "automargin": True}
