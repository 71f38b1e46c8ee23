"""Sets the environment before any test imports JAX."""

import os
from pathlib import Path

# Compiled programs are kept here, so that test processes and later runs compile nothing twice.
os.environ.setdefault("WDVIZ_CACHE", str(Path(__file__).parent.parent / ".cache" / "xla"))
