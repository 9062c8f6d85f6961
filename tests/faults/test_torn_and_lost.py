"""Requests that end in the middle and answers that get lost on the way, under load: nothing is lost or doubled.

A server that got half a request has to forget it. A client that never gets its answer has to give up by itself,
because the connection stays open.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle

from tests.faults.cuts import is_commit, is_end_of_transaction
from tests.faults.deployment import FaultyDeployment
from tests.faults.load import under_load
from tests.support.faulty_servers import FaultyServers
from tests.support.long import long

PRODUCE = b"\x00\x00"
"""The API key of Produce, the fifth and sixth byte of a request to Kafka."""
TEARS = 12
LOST_SECONDS = 12
"""Longer than a worker waits for an answer of Kafka, 10 s."""
RECOVERED_SECONDS = 240
"""A worker gives up on an answer of PostgreSQL after 60 s, and its watchdog on the worker after 120."""


def is_produce(chunk: bytes) -> bool:
    return chunk[4:6] == PRODUCE


def places(length: int) -> tuple[int, ...]:
    """Where a request of this length is torn, in turn: in its length, its header, its middle, at its very end."""
    return (1, 4, 5, length // 2, length - 1, length)


class Tears:
    """Tears every so many of several kinds of requests, `TEARS` of each kind, each at another place than the last."""

    def __init__(self, **kinds: tuple[Callable[[bytes], bool], int]) -> None:
        self._kinds = kinds
        self._seen: Counter[str] = Counter()
        self._turns: dict[str, Iterator[int]] = {name: cycle(range(len(places(0)))) for name in kinds}
        self.torn: Counter[str] = Counter()

    @property
    def done(self) -> bool:
        """Whether as many of each kind were torn as are to be."""
        return all(self.torn[name] == TEARS for name in self._kinds)

    def __call__(self, chunk: bytes) -> int | None:
        for name, (wanted, nth) in self._kinds.items():
            if wanted(chunk) and self.torn[name] < TEARS:
                self._seen[name] += 1
                if self._seen[name] % nth == 0:
                    self.torn[name] += 1
                    return places(len(chunk))[next(self._turns[name])]
        return None


@long
async def test_requests_are_torn_at_different_bytes(faulty: FaultyServers, deployment: FaultyDeployment) -> None:
    commits = Tears(commit=(is_commit, 5))
    sends = Tears(end=(is_end_of_transaction, 2), produce=(is_produce, 4))

    async def fault() -> None:
        faulty.postgres_proxy.tear_at, faulty.kafka_proxy.tear_at = commits, sends
        try:
            await deployment.observed(lambda: commits.done and sends.done)
        finally:
            print(f"torn: {commits.torn | sends.torn}")

    await under_load(deployment, fault)


@long
async def test_answers_are_lost_for_a_while(faulty: FaultyServers, deployment: FaultyDeployment) -> None:
    async def fault() -> None:
        for proxy in (faulty.kafka_proxy, faulty.postgres_proxy):
            with proxy.dropping("answered"):
                await asyncio.sleep(LOST_SECONDS)
            assert proxy.lost > 0

    deployment.patience_seconds = RECOVERED_SECONDS
    await under_load(deployment, fault)
