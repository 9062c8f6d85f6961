"""What a whole deployment tells of itself, and that a worker which hangs is ended and started again."""

import itertools
import socket
from dataclasses import replace
from pathlib import Path

from tests.support.deployment import Deployment, check_all
from tests.support.endpoints import ask, free_ports, scrape, until, with_ports
from tests.support.facts import enrolled, paid
from tests.support.raw import send_to
from workers.ops.metrics import METRICS
from workers.wiring import open_worker

LOST, FENCED = (f"standing_failures_total{{error={each}}}" for each in ("LostOwnership", "Fenced"))
RECYCLED = "standing_producers_recycled_total"
HANGS_ONCE = '''
"""The first transaction of the first timers worker blocks its event loop for ever."""
import os, sys, time
from pathlib import Path
from workers.enforcement.process import Enforcement

process_due, blocked = Enforcement.process_due, Path(__file__).with_name("blocked")

async def hang(self, limit):
    if not blocked.exists():
        blocked.touch()
        time.sleep(1000)
    return await process_due(self, limit)

Enforcement.process_due = hang
'''


def test_every_worker_tells_whether_it_is_ready_and_what_was_done(deployment: Deployment) -> None:
    measured, first = with_ports(deployment)
    timers, _, relay, ingest = range(first + 1, first + 5)
    with measured.working():
        until(lambda: all(ask(port, "/ready") == (200, "ok\n") for port in range(first, first + 5)))
        assert all(ask(port, "/live") == (200, "ok\n") for port in range(first, first + 5))
        deployment.send([enrolled("idle", "2016-03-01 10:00"), enrolled("paid", "2016-03-01 10:00", "other")])
        deployment.drain()
        send_to(deployment, "order-status", 1, [*[b"{"] * 100, b'{"status": "paid"}'])
        deployment.send([paid("paid", "2016-03-02 10:00"), paid("paid", "2016-03-03 10:00")])
        deployment.send([enrolled("clock", "2016-08-20 10:00", "third")])
        until(lambda: scrape(timers)["standing_sampled_timestamp_seconds"] > 0)
        until(lambda: scrape(timers).get("standing_partition_paused{partition=1,topic=order-status}") == 1)
        until(lambda: scrape(ingest)["standing_lag_records{partition=1,topic=order-status}"] == 1)
        taken, deadline, published, work = scrape(ingest), scrape(timers), scrape(relay), scrape(first)
        texts = "".join(ask(port, "/metrics")[1] for port in range(first, first + 5))
    assert taken["standing_dead_letters_total{reason=invalid_json}"] == 100
    assert taken["standing_partitions"] == 16
    assert deadline["standing_deadlines_held"] == 0
    assert sum(count for name, count in published.items() if name.startswith("standing_published")) >= 100
    assert work["standing_worker_restarts_total{worker=timers}"] == 0
    assert work["standing_worker_running{number=3,worker=ingest}"] == 1
    told = {name for name in [each.name for each in METRICS] if f"# TYPE {name} " in texts}
    assert told == {each.name for each in METRICS}
    assert deployment.environment["STANDING_DATABASE_URL"] not in texts


def test_a_worker_whose_event_loop_is_blocked_is_ended_and_restarted(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGS_ONCE)
    measured, first = with_ports(deployment, STANDING_WATCHDOG_SECONDS="10", PYTHONPATH=str(tmp_path))
    with measured.working():
        until((tmp_path / "blocked").exists)
        assert ask(first + 1, "/live")[0] == 0
        until(lambda: scrape(first).get("standing_worker_restarts_total{worker=timers}") == 1)
        until(lambda: ask(first, "/ready") == ask(first + 1, "/ready") == (200, "ok\n"))
        deployment.send([enrolled("idle", "2016-03-01 10:00"), enrolled("clock", "2017-03-01 10:00", "other")])
        deployment.drain()
        assert scrape(first + 1)["standing_decisions_total{kind=account_suspended}"] == 1
        work = scrape(first)
    assert {name: count for name, count in work.items() if "restarts" in name} == {
        "standing_worker_restarts_total{worker=timers}": 1,
        "standing_worker_restarts_total{worker=fanout}": 0,
        "standing_worker_restarts_total{worker=relay}": 0,
        "standing_worker_restarts_total{worker=ingest}": 0,
    }


async def test_a_relay_that_is_taken_over_counts_it_and_nothing_is_published_twice(deployment: Deployment) -> None:
    """Another claims a partition, and a second relay all shards: what the alert StandingFenced rests on."""
    port = free_ports(3)
    ingest, first, second = (
        replace(deployment, environment={**deployment.environment, "STANDING_METRICS_PORT": str(port + number)})
        for number in range(3)
    )
    numbers = itertools.count()

    def seen(port: int, sample: str) -> bool:
        """Whether a counter has moved; another fact shows the worker that it lost its partitions."""
        deployment.send([enrolled(f"a{next(numbers)}", "2016-03-01 10:00")])
        return sum(count for name, count in scrape(port).items() if name.startswith(sample)) > 0

    with ingest.working("ingest"), first.working("relay"):
        until(lambda: ask(port, "/ready")[0] == ask(port + 1, "/ready")[0] == 200)
        until(lambda: seen(port + 1, "standing_published_messages_total"))
        assert not seen(port, LOST)
        async with open_worker(deployment.settings, "test") as made:
            await made.store.claim_positions([("seller-accounts", number) for number in range(4)], "another")
        until(lambda: seen(port, LOST))
        assert not seen(port + 1, RECYCLED)
        with second.working("relay"):
            until(lambda: ask(port + 2, "/ready")[0] == 200)
            until(lambda: seen(port + 2, "standing_published_messages_total"))
            until(lambda: seen(port + 1, FENCED))
            assert seen(port + 1, RECYCLED)
            deployment.drain()
    verdict = await check_all(deployment)
    assert verdict.figures["facts"] == next(numbers)


def test_a_port_that_is_taken_ends_a_worker_with_one_line(deployment: Deployment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        other = replace(deployment, environment={**deployment.environment, "STANDING_METRICS_PORT": port})
        done = other.standing("fanout", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"standing: 127.0.0.1:{port} of STANDING_METRICS_PORT cannot be")
