"""The tour, run on real servers: every command prints what the page says."""

import os
import sys
from pathlib import Path

from tests.docs.generate import PROJECT
from tests.docs.tour import run, steps
from tests.support.deployment import Deployment


def test_the_tour_prints_what_the_page_says(deployment: Deployment) -> None:
    told = steps((PROJECT / "docs" / "tour.md").read_text(encoding="utf-8"))
    assert any("standing explain" in step.command for step in told)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **deployment.environment, "PATH": path, "COLUMNS": "100"}
    with deployment.working():
        found = [run(step.command, environment) for step in told]
    assert found == told
