"""What a run cost: CPU by process, WAL, HOT share and memory, from /proc and PostgreSQL's own counters."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from workers.devservers.stack import LocalServers

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of its children, living and waited for."""
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


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters at one moment."""

    cpu: Mapping[str, float]
    wal: int
    updates: int
    hot: int


async def read(connection: asyncpg.Connection, servers: LocalServers, workers: Sequence[int]) -> Reading:
    """All counters now; the processes in `workers` count as one."""
    await connection.execute("select pg_stat_force_next_flush()")
    (row,) = await connection.fetch(
        "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as wal, n_tup_upd, n_tup_hot_upd "
        "from pg_stat_user_tables where relname = 'accounts'"
    )
    everyone = {"worker": workers, "PostgreSQL": [servers.postgres.pid], "Kafka": [servers.kafka.pid]}
    cpu = {name: sum(map(cpu_seconds, pids)) for name, pids in everyone.items()}
    return Reading(cpu, int(row["wal"]), row["n_tup_upd"], row["n_tup_hot_upd"])


@dataclass(frozen=True, slots=True)
class Cost:
    """What lay between two readings, for each of `messages`."""

    messages: int
    seconds: float
    cpu_microseconds: Mapping[str, float]
    wal_bytes: float
    hot_share: float
    resident_megabytes: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


def cost(messages: int, seconds: float, before: Reading, after: Reading, resident: int) -> Cost:
    """The cost between two readings."""
    updates = after.updates - before.updates
    return Cost(
        messages,
        seconds,
        {name: (after.cpu[name] - before.cpu.get(name, 0.0)) / messages * 1e6 for name in after.cpu},
        (after.wal - before.wal) / messages,
        (after.hot - before.hot) / updates if updates else 1.0,
        resident / 1e6,
    )
