"""What `standing status` says of a deployment, once and until it says what a test waits for."""

import json
import time
from collections.abc import Callable
from typing import Any

from tests.support.deployment import Deployment


def status(deployment: Deployment) -> tuple[int, dict[str, Any]]:
    """Exit code and content of `standing status --json`."""
    done = deployment.standing("status", "--json", check=False)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def until_status(deployment: Deployment, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first status of which it is true."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        _, found = status(deployment)
        if true(found):
            return found
    raise AssertionError(found)
