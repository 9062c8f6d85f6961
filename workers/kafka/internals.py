"""Every private attribute and replaced function of aiokafka and FastStream, each with the reason for it.

Owns nothing else. No other module touches what these libraries do not document. `tests/kafka/test_internals.py` has a
test for each function here, which fails when a release changes what the function rests on.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.protocol.fetch import FetchRequest

from workers.kafka.fetched_records import FetchedRecord, GuardedRecords, UnreadableRecords

POLL_BYTES = 8 * 1024 * 1024
"""After so much of a partition in one poll, inflated, the rest is left for the next one, and fetched again."""
HEADER_BYTES = 64
"""What a header takes beside its name and its content, once it is an object."""


class TaskEnded(Exception):
    """A task of the client library ended unexpectedly; the worker must be restarted."""


def build_consumers_with(broker: Any, build: Callable[..., AIOKafkaConsumer]) -> None:
    """Have a connected FastStream broker build its consumers by `build(**options)`.

    A consumer is needed before its `start` returns, because the first partitions are assigned within it. FastStream
    makes the consumer itself and gives it out only after that.
    """
    config = broker.config.broker_config
    config.builder = partial(build, **config.builder.keywords)


def stop_immediately(consumer: AIOKafkaConsumer) -> None:
    """Make the consumer's `stop` cancel its fetches and abort its connections.

    Over TLS a regular stop can take 30 seconds, because uvloop waits for a close that the broker does not send while
    an answer is pending. If a fetch waits before its next try, aiokafka's `stop` raises that fetch's CancelledError,
    which a TaskGroup takes for its own and swallows. Aborting loses nothing, because records are read again from the
    stored position.
    """
    client = consumer._client
    close, stop = client.close, consumer.stop

    async def abort_and_close() -> None:
        for connection in client._conns.values():
            if connection._writer is not None:
                connection._writer.transport.abort()
        await close()

    async def cancel_and_stop() -> None:
        fetches = consumer._fetcher
        if fetches is not None:
            tasks = [fetches._fetch_task, *fetches._pending_tasks]
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            fetches._pending_tasks.clear()
        await stop()

    client.close = abort_and_close
    consumer.stop = cancel_and_stop


def watch_tasks(consumer: AIOKafkaConsumer, ended: Callable[[TaskEnded], None]) -> None:
    """Tell when a task of a started consumer ends.

    aiokafka's tasks end by an exception that nobody awaits: then nothing is read, or no session is kept.
    """
    tasks = {
        "fetches": consumer._fetcher._fetch_task,
        "group membership": consumer._coordinator._coordination_task,
        "metadata": consumer._client._sync_task,
    }

    def tell(name: str, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        why = "without an error" if error is None else repr(error.__cause__ or error)
        ended(TaskEnded(f"the Kafka client's task for {name} ended: {why}"))

    for name, task in tasks.items():
        task.add_done_callback(partial(tell, name))


def watch_fetches(consumer: AIOKafkaConsumer, answered: Callable[[TopicPartition, int, int, bool], None]) -> None:
    """Tell how each partition of each fetch fared: from which offset it was asked, the error's code (0: none), and
    whether the answer had no records.

    aiokafka logs most errors of a fetch and tries again without a pause; a caller never hears of them.
    """
    send = consumer._client.send

    async def send_and_tell(node: Any, request: Any, **options: Any) -> Any:
        response = await send(node, request, **options)
        if isinstance(request, FetchRequest):
            _tell_of_fetch(request, response, answered)
        return response

    consumer._client.send = send_and_tell


def _tell_of_fetch(request: Any, response: Any, answered: Callable[[TopicPartition, int, int, bool], None]) -> None:
    found = {
        (topic, number): (code, not more[-1])
        for topic, partitions in response.topics
        for number, code, _, *more in partitions
    }
    whole = getattr(response, "error_code", 0)
    for topic, partitions in request.topics:
        for number, offset, _ in partitions:
            code, empty = (whole, False) if whole else found.get((topic, number), (0, False))
            answered(TopicPartition(topic, number), offset, code, empty)


def wait_in_fetches(consumer: AIOKafkaConsumer, milliseconds: int) -> None:
    """How long the brokers wait for records in the fetches that are sent from now on."""
    consumer._fetcher._fetch_max_wait_ms = milliseconds


def position_of(consumer: AIOKafkaConsumer, place: TopicPartition) -> int | None:
    """The consumer's position; None where it has none. aiokafka's own `position` waits until there is one."""
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    if assignment is None or place not in assignment.tps:
        return None
    state = assignment.state_value(place)
    return state.position if state.has_valid_position else None


def leader_of(consumer: AIOKafkaConsumer, place: TopicPartition) -> int | None:
    """The broker that leads a partition, by the client's metadata: -1 for none, None where that is not known."""
    leader: int | None = consumer._client.cluster.leader_for_partition(place)
    return leader


async def refresh_metadata(consumer: AIOKafkaConsumer) -> None:
    """Have the client ask for its metadata now; the group shares out added partitions only once it has seen them."""
    await consumer._client.force_metadata_update()


def leave_group_at_stop(consumer: AIOKafkaConsumer) -> None:
    """Have the consumer leave its group as it stops.

    A member with a fixed name leaves no group by itself (KIP-345): its partitions would not be read until it is back
    or its session ends.
    """
    consumer._coordinator._group_instance_id = None


def guard_fetches() -> None:
    """Make every consumer of this process open what it fetches by `GuardedRecords`; safe to repeat.

    aiokafka inflates whatever it is sent, and fails for ever on one header name that is not UTF-8.
    """
    fetcher.MemoryRecords = GuardedRecords
    fetcher.PartitionRecords = GuardedPartitionRecords


class GuardedPartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """A partition's share of a fetch; a share that begins with what cannot be read is an `UnreadableRecords`."""

    def __init__(self, tp: TopicPartition, records: Any, aborted: Any, fetch_offset: int, *options: Any) -> None:
        super().__init__(tp, records, aborted, fetch_offset, *options)
        self._fetch_offset = fetch_offset
        self._records_iterator = None  # a generator not run to its end would keep this, and all that was fetched
        self._guarded: Iterator[FetchedRecord] | None = None
        self._left = 0

    def __iter__(self) -> Iterator[FetchedRecord]:
        self._left = POLL_BYTES  # each poll begins with this
        if self._guarded is None:
            self._guarded = self._guard()
        return self._guarded

    def __next__(self) -> FetchedRecord:
        return next(iter(self))

    def _guard(self) -> Iterator[FetchedRecord]:
        while True:
            try:
                unpacked = self._unpack_records()
                while self._left > 0 and (record := next(unpacked, None)) is not None:
                    yield record
                return
            except Exception as error:
                if isinstance(error, UnicodeDecodeError) and self._records.repair():
                    continue
                if self.next_fetch_offset > self._fetch_offset:
                    return  # what came before is sound; the next fetch begins with this
                raise UnreadableRecords(self._tp, self.next_fetch_offset, repr(error)) from error

    def _consumer_record(self, tp: TopicPartition, record: Any) -> FetchedRecord:
        key, value, headers = record.key, record.value, record.headers
        self._left -= len(key or b"") + len(value or b"")
        for name, content in headers or ():
            self._left -= HEADER_BYTES + len(name) + len(content or b"")
        fields = (tp.topic, tp.partition, record.offset, record.timestamp, key, value, tuple(headers or ()))
        return tuple.__new__(FetchedRecord, fields)  # half the time of a call with seven arguments
