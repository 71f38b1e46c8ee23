"""Where app.py, pages/, assets/ and .streamlit/ are: beside the package in the repository, within it (wdviz/lab) where it is installed."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]

HOME = next(folder for folder in (_PACKAGE / "lab", _PACKAGE.parent) if (folder / "app.py").is_file())
