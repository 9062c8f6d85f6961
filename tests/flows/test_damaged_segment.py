"""A damaged segment of an input topic: its partition is halted and named, and continues after the repair."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.deployment import Deployment, check_all
from tests.support.endpoints import ask, scrape, until, with_ports
from tests.support.facts import enrolled, paid
from tests.support.raw import send_to
from workers.devservers.stack import LocalServers

PLACE = "partition=0,topic=order-status"
LENGTH_AT, INSIDE = 8, 100
"""Offsets in a batch of a segment: its length, and a byte that only the checksum covers."""


def flipped(segment: Path, at: int) -> None:
    """Turn the bits of four bytes of a file, while the broker has it open."""
    with segment.open("r+b") as file:
        file.seek(at)
        some = file.read(4)
        file.seek(at)
        file.write(bytes(each ^ 0xFF for each in some))


def stuck_at(deployment: Deployment) -> Callable[[str], bool]:
    def named(error: str) -> bool:
        done = deployment.standing("status", "--json", check=False)
        found = json.loads(done.stdout)["stuck"]
        return any(line.startswith("order-status/0 is halted: ") and error in line for line in found)

    return named


@pytest.mark.parametrize(
    ("at", "errors"), [(INSIDE, {"CORRUPT_MESSAGE"}), (LENGTH_AT, {"CORRUPT_MESSAGE", "UNKNOWN_SERVER_ERROR"})]
)
async def test_a_damaged_segment_halts_its_partition_until_it_is_repaired(
    deployment: Deployment, servers: LocalServers, tmp_path: Path, at: int, errors: set[str]
) -> None:
    measured, port = with_ports(deployment)
    orders = [paid("idle", f"2016-03-02 10:{minute:02}")[2] for minute in range(20)]
    deployment.send([enrolled("idle", "2016-03-01 10:00")])
    send_to(deployment, "order-status", 0, orders[:10])
    [segment] = servers.kafka.directory.glob(f"**/{deployment.prefix}order-status-0/00000000000000000000.log")
    flipped(segment, at)
    log = tmp_path / "log"
    with log.open("wb") as file, measured.working("ingest", log=file):
        until(lambda: bool(halted(port)))
        error = halted(port)
        assert error in errors
        assert f"without order-status/0, which is halted: {error}" in ask(port, "/ready")[1]
        assert stuck_at(deployment)(error)
        assert [each for each in log.read_text().splitlines() if "partition halted" in each and error in each]
        counted = scrape(port)[f"standing_fetch_errors_total{{error={error},{PLACE}}}"]
        assert counted < 20
        flipped(segment, at)
        until(lambda: not halted(port) and ask(port, "/ready")[0] == 200)
        send_to(deployment, "order-status", 0, orders[10:])
        with deployment.working("timers"), deployment.working("relay"):
            deployment.drain()
        assert not stuck_at(deployment)("")
    assert (await check_all(deployment)).figures["facts"] == 21


def halted(port: int) -> str:
    """Kafka's name for why the partition is halted, as its worker's metrics have it; empty where it is not."""
    if ask(port, "/live")[0] != 200:
        return ""  # it starts
    prefix = "standing_partition_halted{error="
    found = [name for name, value in scrape(port).items() if name.startswith(prefix) and PLACE in name and value]
    return found[0].removeprefix(prefix).split(",")[0] if found else ""
