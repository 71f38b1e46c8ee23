"""Measure speed: `python -m tests.benchmarks [kernel|families|sweep|cluster|page|budget|load|all]`; `load` has options of its own."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

# Compiled programs are kept where the tests keep theirs.
os.environ.setdefault("WDVIZ_CACHE", str(Path(__file__).parents[2] / ".cache" / "xla"))

PARTS = ("kernel", "families", "sweep", "cluster", "page", "budget", "load", "all")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure speed.")
    parser.add_argument("part", nargs="?", default="all", choices=PARTS, help="what to measure (default: all)")
    known, others = parser.parse_known_args()
    part = known.part
    if others and part != "load":
        parser.error(f"{part} takes no {' '.join(others)}")
    started = time.monotonic()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start. On a busy machine only ratios can be trusted.")
    # Imported when its turn comes: the page part needs Chromium, the kernel part takes seconds to load its peers.
    if part in ("kernel", "all"):
        from tests.benchmarks import kernel

        kernel.main()
    if part in ("families", "all"):
        from tests.benchmarks import families

        families.main()
    if part in ("sweep", "all"):
        from tests.benchmarks import sweep

        sweep.main()
    if part in ("cluster", "all"):
        from tests.benchmarks import cluster

        cluster.main()
    if part in ("page", "all"):
        from tests.benchmarks import page

        page.main()
    if part in ("budget", "all"):
        from tests.benchmarks import budget

        budget.main()
    if part in ("load", "all"):
        from tests.benchmarks import load

        load.main(others)
    print(f"\nTook {time.monotonic() - started:.0f} s; load {os.getloadavg()[0]:.1f} at the end.")


if __name__ == "__main__":
    main()
