"""The faults of a soak, chosen at random: kills, pauses, cuts, dropped packets, locks, bad records.

Each fault ends by itself. A fault that happens when the soak ends is cut short, and its effects are undone.
"""

import asyncio
import math
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import asyncpg

from tests.soak.dead_letters import DeadLetters
from tests.soak.watching import CONNECT_SECONDS
from tests.support.faulty_servers import FaultyServers
from tests.support.proxy import Proxy
from tests.support.tree import WORKERS, Tree
from workers.store.postgres import TRANSIENT

PAUSE_SECONDS = (5.0, 25.0)
"""How long a process is stopped: a consumer's session ends after 10 s."""
SILENCE_SECONDS = (1.0, 60.0)
VISIT_SECONDS = (3.0, 30.0)
CUTTING_SECONDS = (1.0, 10.0)
CUT_SHARE = 0.01
LOCK_SECONDS = (1.0, 26.0)
"""How long another client keeps rows: a worker waits 20 s for a lock."""
SLOW_SECONDS = (1.0, 10.0)
LOCKS = {
    "accounts": "select from accounts for update; select from account_clocks for update",
    "positions": "select from positions for update",
}
EVERY_HOT_TABLE = "lock table positions, accounts, account_clocks, facts, shards, decision_log, company_fanouts"
TO_LOCK_SECONDS = 30.0
CHANCES = {
    "kill_worker": 54,
    "kill_supervisor": 5,
    "pause": 8,
    "restart_postgresql": 4,
    "restart_kafka": 3,
    "cut_all": 8,
    "cut_some": 6,
    "unresponsive": 4,
    "visit": 12,
    "lock": 4,
    "slow_query": 2,
    "dead letters": 3,
}
"""How often each is chosen: 64 of 113 kill something, which makes more than 100 kills in 20 minutes certain."""


@dataclass
class Faults:
    """All faults; `counts` has each by its name, and `kills` how many processes were killed with -9."""

    servers: FaultyServers
    tree: Tree
    dead_letters: DeadLetters
    database_url: str
    random: Random
    stop: asyncio.Event
    over: Callable[[str], None]
    counts: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    _busy: set[str] = field(default_factory=set)

    async def run(self, between: float) -> None:
        """A fault every `between` seconds or so until the soak stops; several may be under way at a time."""
        async with asyncio.TaskGroup() as tasks:
            while not await self._rest(self.random.uniform(0.2, 1.8) * between):
                tasks.create_task(self._one(self.random.choices(list(CHANCES), list(CHANCES.values()))[0]))

    async def _one(self, name: str) -> None:
        faults: dict[str, Callable[[Random], Awaitable[str | None]]] = {
            "kill_worker": self.kill_worker,
            "kill_supervisor": self.kill_supervisor,
            "pause": self.pause,
            "restart_postgresql": self.restart_postgresql,
            "restart_kafka": self.restart_kafka,
            "cut_all": self.cut_all,
            "cut_some": self.cut_some,
            "unresponsive": self.unresponsive,
            "visit": self.visit,
            "lock": self.lock,
            "slow_query": self.slow_query,
            "dead letters": self.dead_letters_in_a_topic,
        }
        done = await faults[name](Random(self.random.random()))  # noqa: S311  # dice, no secret
        if done is not None:
            self.counts[done] += 1
            self.over(done)

    async def _rest(self, seconds: float) -> bool:
        """Wait; True where the soak stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)
        return self.stop.is_set()

    # -- processes -----------------------------------------------------------------------------------------

    async def kill_worker(self, random: Random) -> str | None:
        """kill -9 of a worker of `standing work`."""
        return self._kill(random.choice(WORKERS))

    async def kill_supervisor(self, _: Random) -> str | None:
        """kill -9 of `standing work` itself."""
        return self._kill("work")

    def _kill(self, worker: str) -> str | None:
        if (victim := self.tree.find(worker)) is None:
            return None
        killed = victim.signal(signal.SIGKILL)
        victim.close()
        self.kills += killed
        return f"kill {worker}" if killed else None

    async def pause(self, random: Random) -> str | None:
        """SIGSTOP of a worker past its time limits, while another like it works, then SIGCONT."""
        worker = random.choice(WORKERS)
        if (victim := self.tree.find(worker)) is None:
            return None
        stopped = victim.signal(signal.SIGSTOP)
        gone = asyncio.Event()
        successor = asyncio.create_task(self.tree.guest(worker, gone))
        try:
            await self._rest(random.uniform(*PAUSE_SECONDS))
        finally:
            victim.signal(signal.SIGCONT)
            victim.close()
        await self._rest(random.uniform(1, 5))
        gone.set()
        await successor
        return f"pause {worker}" if stopped else None

    async def visit(self, random: Random) -> str:
        """Another worker joins, and leaves in order."""
        worker = random.choice(("ingest", "ingest", "relay", "timers", "fanout"))
        gone = asyncio.Event()
        visitor = asyncio.create_task(self.tree.guest(worker, gone))
        await self._rest(random.uniform(*VISIT_SECONDS))
        gone.set()
        await visitor
        return f"visit {worker}"

    # -- servers -------------------------------------------------------------------------------------------

    async def restart_postgresql(self, random: Random) -> str | None:
        """kill -9 or immediate shutdown of PostgreSQL, and a start."""
        if "postgresql" in self._busy:
            return None
        self._busy.add("postgresql")
        kill = random.random() < 0.5
        await asyncio.to_thread(self.servers.postgres.kill if kill else self.servers.postgres.stop)
        await self._rest(random.uniform(0, 5))
        await asyncio.to_thread(self.servers.postgres.start)
        self._busy.discard("postgresql")
        self.kills += kill
        return "kill postgresql" if kill else "stop postgresql immediately"

    async def restart_kafka(self, random: Random) -> str | None:
        """kill -9 of the broker, and a start."""
        if "kafka" in self._busy:
            return None
        self._busy.add("kafka")
        await asyncio.to_thread(self.servers.kafka.kill)
        await self._rest(random.uniform(0, 5))
        await asyncio.to_thread(self.servers.kafka.start)
        self._busy.discard("kafka")
        self.kills += 1
        return "kill kafka"

    # -- other clients of the servers ----------------------------------------------------------------------

    async def lock(self, random: Random) -> str | None:
        """Another client locks the row of every account, or of every position."""
        table = random.choice(list(LOCKS))
        return f"lock of {table}" if await self._keep(LOCKS[table], random.uniform(*LOCK_SECONDS)) else None

    async def slow_query(self, random: Random) -> str | None:
        """Another client locks every hot table, for readers too."""
        return "slow query" if await self._keep(EVERY_HOT_TABLE, random.uniform(*SLOW_SECONDS)) else None

    async def _keep(self, statement: str, seconds: float) -> bool:
        """Hold what a statement locks for a while; False where it was not got, or the server went away meanwhile."""
        if "lock" in self._busy:
            return False
        self._busy.add("lock")
        try:
            connection = await asyncpg.connect(self.database_url, timeout=CONNECT_SECONDS)
            try:
                async with connection.transaction():
                    await connection.execute(statement, timeout=TO_LOCK_SECONDS)
                    await self._rest(seconds)
            finally:
                connection.terminate()
        except (*TRANSIENT, asyncpg.InterfaceError):
            return False
        finally:
            self._busy.discard("lock")
        return True

    async def dead_letters_in_a_topic(self, random: Random) -> str | None:
        """Bad records in a row pause a partition, one at a time, and an operator accepts them."""
        if "dead letters" in self._busy:
            return None
        self._busy.add("dead letters")
        done = await self.dead_letters.run(random)
        self._busy.discard("dead letters")
        return done

    # -- the network ---------------------------------------------------------------------------------------

    def _network(self, random: Random) -> tuple[str, Proxy]:
        return random.choice((("kafka", self.servers.kafka_proxy), ("postgresql", self.servers.postgres_proxy)))

    async def cut_all(self, random: Random) -> str:
        """Every connection to a server ends."""
        server, proxy = self._network(random)
        proxy.cut_all()
        return f"cut all to {server}"

    async def cut_some(self, random: Random) -> str:
        """For some seconds a request in a hundred ends its connection, before it or its answer arrives."""
        server, proxy = self._network(random)
        cut = "cut_at" if random.random() < 0.5 else "cut_after"
        setattr(proxy, cut, lambda _: random.random() < CUT_SHARE)
        await self._rest(random.uniform(*CUTTING_SECONDS))
        proxy.reset()
        return f"cut some to {server}"

    async def unresponsive(self, random: Random) -> str | None:
        """Nothing goes through to a server for a while, and every connection stays open."""
        server, proxy = self._network(random)
        if f"{server} is silent" in self._busy:
            return None
        self._busy.add(f"{server} is silent")
        low, high = SILENCE_SECONDS
        with proxy.stalled():
            await self._rest(low * math.exp(random.random() * math.log(high / low)))
        self._busy.discard(f"{server} is silent")
        return f"no answers from {server}"
