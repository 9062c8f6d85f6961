"""The health and metrics endpoints of a deployment's workers, asked as an operator's monitoring asks."""

import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from tests.support.deployment import Deployment


def free_ports(count: int) -> int:
    """The first of some ports in a row that nobody listens on; processes that test side by side begin elsewhere."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for first in range(20_000 + 1_000 * worker, 30_000, count):
        found = [socket.socket() for _ in range(count)]
        try:
            for number, each in enumerate(found):
                each.bind(("127.0.0.1", first + number))
        except OSError:
            continue
        else:
            return first
        finally:
            for each in found:
                each.close()
    raise AssertionError("no ports")


def with_ports(deployment: Deployment, **more: str) -> tuple[Deployment, int]:
    """The same deployment with metrics, and the port of the supervisor: timers, fan-out, relay, ingest follow."""
    first = free_ports(5)
    return replace(
        deployment, environment={**deployment.environment, "STANDING_METRICS_PORT": str(first), **more}
    ), first


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and body; status 0 if no server listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def scrape(port: int) -> dict[str, float]:
    """Every sample of a worker, as `name{label=value}`."""
    found = {}
    for family in text_string_to_metric_families(ask(port, "/metrics")[1]):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def until(true: Callable[[], bool]) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.1)
