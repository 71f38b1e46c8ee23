"""One question each: settings in, NumPy results out; no user interface."""
