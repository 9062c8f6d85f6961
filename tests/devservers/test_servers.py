"""The embedded servers: real, restartable on their data, and gone with their parent however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from tests.support.quick_disk import quick_disk
from workers.devservers.servers import SOON
from workers.devservers.stack import local_servers
from workers.kafka.admin import Admin, TopicSpec, cluster_id, end_offsets, ensure_topics

ORPHAN = Path(__file__).with_name("orphan.py")
pytestmark = pytest.mark.usefixtures("own_servers")


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_parent_ends(number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, str(ORPHAN)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert parent.stdout is not None
    watched = json.loads(parent.stdout.readline())
    parent.send_signal(number)
    parent.wait(30)
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while any(map(lives, watched["pids"])) or Path(watched["directory"]).exists():
        assert time.monotonic() < deadline, watched
        time.sleep(0.05)


async def test_both_servers_keep_their_data_over_a_kill() -> None:
    with local_servers(quick_disk(), SOON) as servers:
        before = await cluster_id(servers.access)
        await ensure_topics(servers.access, [TopicSpec("kept", 2)])
        connection = await asyncpg.connect(servers.postgres.url())
        await connection.execute("create table kept (number integer)")
        await connection.close()
        for server in (servers.kafka, servers.postgres):
            server.kill()
            server.start()
        assert await cluster_id(servers.access) == before
        assert len(await end_offsets(Admin(servers.access), ["kept"])) == 2
        connection = await asyncpg.connect(servers.postgres.url())
        assert await connection.fetchval("select count(*) from kept") == 0
        await connection.close()
