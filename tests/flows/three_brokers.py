"""A Kafka of three nodes on this machine, each broker and controller, for what only shows where leaders differ."""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.support.quick_disk import quick_disk
from workers.devservers.guardian import Guardian
from workers.devservers.servers import SOON, LocalKafka

REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
}


@contextmanager
def three_brokers() -> Iterator[Sequence[LocalKafka]]:
    """Three running nodes of one cluster, whose ids are 1, 2 and 3; in directories that are removed at the end."""
    guardian = Guardian()
    try:
        directory = Path(tempfile.mkdtemp(prefix="standing-", dir=quick_disk()))
        guardian.remove_at_end(directory)
        nodes = []
        for number in range(1, 4):
            (directory / f"{number}").mkdir()
            nodes.append(LocalKafka(directory / f"{number}", guardian))
        voters = ",".join(f"{number}@{each.controller}" for number, each in enumerate(nodes, 1))
        for number, each in enumerate(nodes, 1):
            each.cluster_id, each.memory, each.java = nodes[0].cluster_id, ("128m", "400m"), SOON
            each.settings |= {"node.id": str(number), "controller.quorum.voters": voters, **REPLICATED}
        try:
            with ThreadPoolExecutor(3) as pool:  # none answers before most of them are there
                for started in [pool.submit(each.start) for each in nodes]:
                    started.result()
            yield nodes
        finally:
            with ThreadPoolExecutor(3) as pool:
                for stopped in [pool.submit(each.stop) for each in nodes]:
                    stopped.result()
    finally:
        guardian.close()
