"""What a run cost: CPU by process, WAL, HOT share and memory, from /proc and PostgreSQL's own counters."""

import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from workers.devservers.stack import LocalServers
from workers.run_worker import RUNS

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
COUNTERS = """
select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint as wal, (select wal_fpi from pg_stat_wal) as page_images,
       sum(n_tup_upd)::bigint as updates, sum(n_tup_hot_upd)::bigint as hot
from pg_stat_user_tables where relname !~ '^hand_'
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One result, and what was wanted, where something was."""

    what: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    loop: float | None = None
    """Of the hand-written loop in the same run, in the same unit."""
    ratio: float | None = None
    """Of the engine to the loop: the median over the rounds, between which the machine's speed changes."""
    ratio_at_least: float | None = None

    @property
    def missed(self) -> bool:
        """Whether it is not what was wanted."""
        return (
            (self.at_least is not None and self.value < self.at_least)
            or (self.at_most is not None and self.value > self.at_most)
            or (self.ratio_at_least is not None and self.ratio is not None and self.ratio < self.ratio_at_least)
        )


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of its children, living and waited for; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return 0.0
    own = sum(int(fields[index]) for index in (11, 12, 13, 14)) / TICKS
    return own + sum(cpu_seconds(int(child)) for child in children)


def resident_bytes(pid: int) -> int:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def most_resident(pid: int) -> float:
    """The most megabytes of memory that a process ever held; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmHWM"))


def workers_of(supervisor: int) -> dict[int, str]:
    """The process ids and names of the workers of a `standing work`; a process that is being started has none yet.

    A process that was a spare has its name beside its command line.
    """
    found: dict[int, str] = {}
    for child in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")[-1].decode()
            name = Path(f"/proc/{child}/comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended just now, and is started again
        found |= {int(child): each for each in (command, name) if each in RUNS}
    return found


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters at one moment; CPU in seconds."""

    cpu: Mapping[str, float]
    wal: int
    page_images: int
    updates: int
    hot: int


async def read(connection: asyncpg.Connection, servers: LocalServers, workers: Sequence[int]) -> Reading:
    """All counters now; the processes in `workers` count as one. Updates are those of the engine's tables."""
    await connection.execute("select pg_stat_force_next_flush()")
    (row,) = await connection.fetch(COUNTERS)
    everyone = {"worker": workers, "PostgreSQL": [servers.postgres.pid], "Kafka": [servers.kafka.pid]}
    return Reading({name: sum(map(cpu_seconds, pids)) for name, pids in everyone.items()}, *row)


@dataclass(frozen=True, slots=True)
class Cost:
    """What lay between two readings. CPU in microseconds, WAL in bytes and page images are for each message."""

    messages: int
    seconds: float
    cpu: Mapping[str, float]
    wal: float
    page_images: float
    hot: float
    """Share of the updates."""
    resident: float
    """Megabytes of the workers at the end."""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


def cost(messages: int, seconds: float, before: Reading, after: Reading, workers: Sequence[int]) -> Cost:
    """The cost between two readings."""
    updates = after.updates - before.updates
    return Cost(
        messages,
        seconds,
        {name: (after.cpu[name] - before.cpu[name]) / messages * 1e6 for name in after.cpu},
        (after.wal - before.wal) / messages,
        (after.page_images - before.page_images) / messages,
        (after.hot - before.hot) / updates if updates else 1.0,
        sum(map(resident_bytes, workers)) / 1e6,
    )


def typical(costs: Sequence[Cost]) -> Cost:
    """The medians of several runs."""

    def median(name: str) -> float:
        values: list[float] = [getattr(each, name) for each in costs]
        return statistics.median(values)

    cpu = {name: statistics.median(each.cpu[name] for each in costs) for name in costs[0].cpu}
    messages = int(median("messages"))
    return Cost(messages, messages / median("rate"), cpu, *map(median, ("wal", "page_images", "hot", "resident")))
