"""What TEACHING.md says that students will see: the losses and verdicts in its table of exercises."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.serving import ROOT
from wdviz.experiments import overfitting
from wdviz.settings import Settings
from wdviz.ui import address

_ROW = re.compile(r"\| \[[^\]]+\]\((?P<link>\S+)\) \| (?P<without>[\d.]+) \| (?P<with>[\d.]+) \| (?P<seen>.+?) \|$", re.MULTILINE)
ROWS = [found.groupdict() for found in _ROW.finditer((ROOT / "TEACHING.md").read_text())]
VERDICTS = ("memorises", "generalises", "learns nothing")


def test_the_table_is_there():
    assert len(ROWS) == 10
    assert {word for row in ROWS for word in VERDICTS if row["seen"].startswith(word)} == set(VERDICTS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: urlsplit(row["link"]).query or "start")
def test_the_losses_of_an_exercise_are_those_of_the_kernel(row: dict[str, str]):
    found = overfitting.run(Settings(**address.parse(urlsplit(row["link"]).query)))
    for arm, said in ((found.without, row["without"]), (found.with_decay, row["with"])):
        losses = [float(history.losses["test"][-1]) for history in arm.histories]
        assert np.median(losses) == pytest.approx(float(said), rel=0.1, abs=0.005)  # other processors round otherwise
    named = [word for word in VERDICTS if row["seen"].startswith(word)]
    assert named in ([], [overfitting.verdict(found.with_decay, found.split).name])
