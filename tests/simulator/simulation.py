"""One deployment in memory: the real workers as steps that a seeded scheduler interleaves, kills and restarts.

Everything that decides is the engine's own code: ingest with the steps of its loop, enforcement, rules, codec and the
relay's checkpoints. Kafka, the clock and the processes are simulated. A scenario runs the same way every time.
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch
from uuid import UUID

from contracts.topics import Partition
from tests.model.reading import Message
from tests.simulator.played_kafka import PLACES, Log, PlayedConsumer
from tests.simulator.scenario import LONG_AFTER, PARTITIONS, POLICY_FILES, SHARDS, Arrival, Scenario, value_of
from tests.support.rules_engine import both
from tests.support.scheduled_store import STEP, ScheduledStore, Step, run_alone
from workers.checkpoints import CHECKPOINTS_TOPIC
from workers.codec.decoding import Decoder
from workers.enforcement import evaluate
from workers.enforcement.process import Enforcement
from workers.ingest.heartbeat import Present
from workers.ingest.processing import Processing
from workers.ingest.worker import Ingest
from workers.kafka.transactional_producer import Outgoing, PublishError, TransactionalProducer
from workers.relay import Shard
from workers.rules.calendar import Instant, written
from workers.rules.judge import judge
from workers.store.postgres import LostOwnership

MODEL_POLICIES, POLICIES = both(*POLICY_FILES)
INCARNATION = UUID(int=1)
ROUNDS = 60
BURSTS = (1, 1, 2, 4, 12)
"""Steps that a process goes on without another in between, one of these at random."""


class Mismatch(AssertionError):
    """The simulated deployment did something it must never do."""


class Breaks(Exception):
    """What a defect of the engine would raise."""


@dataclass(slots=True)
class Clock:
    """The virtual wall clock."""

    now: Instant

    def wall(self) -> Instant:
        return self.now


@dataclass(frozen=True, slots=True)
class WorkersClock:
    """The clock of one worker's machine, which may be ahead or behind."""

    right: Clock
    ahead: Instant

    def wall(self) -> Instant:
        return self.right.now + self.ahead


@dataclass(slots=True)
class OutputTopics:
    """What is committed in Kafka, by shard, and who may publish."""

    epochs: list[int] = field(default_factory=lambda: [0] * SHARDS)
    published: list[list[Outgoing]] = field(default_factory=lambda: [[] for _ in range(SHARDS)])
    checkpoints: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Producer:
    """A transactional producer of one shard, whose commit may fail before or after it came about."""

    topics: OutputTopics
    shard: int
    fails: Callable[[], bool]
    epoch: int = -1

    async def open(self) -> None:
        await STEP
        self.topics.epochs[self.shard] += 1
        self.epoch = self.topics.epochs[self.shard]

    async def last_value(self, topic: str, partition: int) -> bytes | None:
        await STEP
        return self.topics.checkpoints.get(partition)

    async def publish(self, messages: Iterable[Outgoing]) -> None:
        await STEP
        if self.epoch != self.topics.epochs[self.shard] or self.fails():
            raise PublishError("fenced, or aborted")
        for each in messages:
            if each.topic == CHECKPOINTS_TOPIC:
                assert each.partition is not None
                assert each.value is not None
                self.topics.checkpoints[each.partition] = each.value
            else:
                self.topics.published[self.shard].append(each)
        await STEP
        if self.fails():
            raise PublishError("the outcome is unknown")


class World:
    """Everything that outlives a process, and the scheduler."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(scenario.schedule)  # noqa: S311
        self.clock = Clock(LONG_AFTER if scenario.events_clock else scenario.arrivals[0].at)
        self.store = ScheduledStore(PLACES, SHARDS)
        self.topics = OutputTopics()
        self.logs = {place: Log() for place in PLACES}
        self.lagging = dict(scenario.lags)
        self.produced = 0
        """How many of the arrivals were."""
        self.open: list[tuple[int, Partition, int, bool]] = []
        """Open transactions: after how many arrivals each ends, where its record is, and whether it commits."""
        self.assigned = {place: index % scenario.ingests for index, place in enumerate(PLACES)}
        self.decoder = Decoder(POLICIES, 1 << 20)
        self.enforcement = Enforcement(
            self.store, POLICIES, self.clock, scenario.allowed_lateness, INCARNATION, SHARDS
        )
        self.kills = 0

    # -- the processes -------------------------------------------------------------------------------------

    def consumer(self, number: int, ahead: Instant | None = None) -> PlayedConsumer:
        """A fresh ingest worker with its consumer; `ahead` where its clock is not the scenario's."""
        consumer = PlayedConsumer(self, number)
        clock = WorkersClock(self.clock, self.scenario.clocks[number] if ahead is None else ahead)
        processing = Processing(self.store, self.enforcement, self.decoder, clock, f"ingest {number}")
        present = Present(clock, self.store, self.scenario.events_clock)
        consumer.worker = Ingest(processing, consumer, present, PARTITIONS)
        return consumer

    async def produce(self) -> None:
        for each in self.scenario.arrivals:
            await STEP
            self.arrives(each)

    def arrives(self, each: Arrival) -> None:
        """A message is produced and acknowledged; transactions that have been open for long enough end."""
        if not self.scenario.events_clock:
            self.clock.now = max(self.clock.now, each.at)
        place = (each.message[0], each.partition)
        if each.ghost is not None:
            self._append(place, each, each.ghost, commits=False)
        self._append(place, each, each.message, commits=True)
        self.produced += 1
        self._end_transactions(self.produced)
        self.store.moves += 1

    def _append(self, place: Partition, each: Arrival, message: Message, *, commits: bool) -> None:
        record = SimpleNamespace(
            topic=place[0],
            partition=place[1],
            offset=self.logs[place].high_watermark,
            timestamp=(self.clock.now + each.skew) // 1000,
            key=None,
            value=value_of(message),
            headers=(),
        )
        opens = bool(each.open_for) or not commits
        offset = self.logs[place].append(record, self.clock.now, in_transaction=opens)
        if opens:
            self.open.append((self.produced + each.open_for, place, offset, commits))

    def _end_transactions(self, until: float) -> None:
        for one in [each for each in self.open if each[0] <= until]:
            _, place, offset, commits = one
            self.logs[place].end(offset, self.clock.now, commit=commits)
            self.open.remove(one)

    def lags(self, place: Partition) -> bool:
        """Whether nothing of a partition is read just now."""
        since, until = self.lagging.get(place, (0, 0))
        return since <= self.store.steps < until

    def check_watermarks(self) -> None:
        """No partition passes for complete beyond any clock, nor up to when something of it was unread."""
        if self.scenario.events_clock:
            return
        for place, position in self.store.tables.positions.items():
            until = position.watermark
            unread = self.logs[place].unread_since(position.next_offset)
            if until is None:
                continue
            if until > self.clock.now + max(0, *self.scenario.clocks):
                raise Mismatch(f"{place} is complete beyond every clock: {written(until)}")
            if unread is not None and until > unread + self.scenario.ahead:
                raise Mismatch(
                    f"{place} is complete up to {written(until)}, but what came {written(unread)} is unread"
                )

    async def ingest(self, number: int) -> None:
        consumer = self.consumer(number)
        await consumer.reclaim()
        while True:
            await Step(consumer.may_go_on)
            await self.read_some(consumer)
            self.check_watermarks()

    async def read_some(self, consumer: PlayedConsumer) -> None:
        """One heartbeat, or one fetch or two on the heels of each other, decided."""
        worker = consumer.worker
        try:
            if self.random.random() < 0.7:
                await consumer.follow()
            if self.random.random() < 0.3 or not consumer.unread():
                consumer.seen = self.store.moves
                await worker.heartbeat.beat()
                await worker.let_cases_go_on()
                return
            fetched = [await worker.loop.poll() for _ in range(self.random.choice([1, 1, 2]))]
            for batches in fetched:
                if batches:
                    await worker.processing.process(await worker.processing.decode(batches))
                    worker.loop.align()
        except LostOwnership:
            await consumer.reclaim()

    async def enforce(self) -> None:
        while True:
            seen = self.store.changes
            while (await self.enforcement.process_due(self.random.choice([1, 2, 20]))).accounts:
                pass
            await Step(lambda seen=seen: self.store.changes != seen)  # type: ignore[misc]

    async def fanout(self) -> None:
        while True:
            await Step(lambda: bool(self.store.free_fanouts()))
            fanout = await self.store.claim_fanout(5.0)
            if fanout is not None:
                await self.enforcement.process_fanout(fanout, self.random.choice([1, 2, 20]))

    def _shard(self, number: int, producer: TransactionalProducer) -> Shard:
        async def compare() -> None:
            await STEP
            assert number in self.topics.checkpoints or not self.topics.published[number], "the checkpoint was lost"

        return Shard(number, self.store, producer, INCARNATION, "", 1, compare)

    async def relay(self, number: int) -> None:
        def fails() -> bool:
            return self.random.random() < self.scenario.failures

        producer = cast("TransactionalProducer", Producer(self.topics, number, fails))
        shard = self._shard(number, producer)
        while True:
            try:
                await shard.open()
                while True:
                    await Step(lambda: shard.seq < len(self.store.tables.log[number]))
                    await shard.publish_some()
            except PublishError:
                await STEP

    def processes(self) -> list[Callable[[], Coroutine[Step, None, None]]]:
        """How each process is started; started again where it was ended."""
        given = self.scenario
        starts: list[Callable[[], Any]] = [self.produce]
        starts += [lambda number=number: self.ingest(number) for number in range(given.ingests)]  # type: ignore[misc]
        starts += [self.enforce] * given.timers + [self.fanout] * given.fanouts
        starts += [lambda number=number: self.relay(number) for number in range(SHARDS)] * given.relays
        return starts

    # -- the scheduler -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let the processes run, be ended and lose their partitions; then let fresh ones come to rest."""
        with patch.object(evaluate, "judge", self._judge):
            self._play()
        self._come_to_rest()

    def _judge(self, *given: Any) -> Any:
        """The judgement of an account, which may raise: then it is quarantined until it is tried again."""
        if self.random.random() < self.scenario.breaks:
            raise Breaks
        return judge(*given)

    def _play(self) -> None:
        starts = self.processes()
        running: list[Any] = [start() for start in starts]
        waits: list[Step | None] = [None] * len(running)
        given, random, store = self.scenario, self.random, self.store
        try:
            while store.steps < given.most_steps:
                store.steps += 1
                index = self._next(running, waits)
                if index is None:
                    break
                if index and random.random() < given.kills:
                    self._kill(running, waits, starts, index)
                    continue
                if random.random() < given.moves:
                    self.assigned[random.choice(PLACES)] = random.randrange(given.ingests)
                    store.moves += 1
                for _ in range(random.choice(BURSTS)):
                    try:
                        waits[index] = wait = running[index].send(None)
                    except StopIteration:
                        running[index] = None
                        break
                    if wait is not None and wait.free is not None and not wait.free():
                        break
        finally:
            for each in running:
                if each is not None:
                    each.close()

    def _next(self, running: Sequence[Any], waits: Sequence[Step | None]) -> int | None:
        """A process that can go on; None where none can, because there is nothing left to do."""
        count = len(running)
        first = int(self.random.random() * count)
        for index in range(first, first + count):
            which = index % count
            wait = waits[which]
            if running[which] is not None and (wait is None or wait.free is None or wait.free()):
                return which
        if any(wait is not None and wait.locked for wait in waits):
            raise Mismatch("workers wait for each other's locks in a ring")
        return None

    def _kill(self, running: list[Any], waits: list[Step | None], starts: Sequence[Any], index: int) -> None:
        self.kills += 1
        running[index].close()
        running[index], waits[index] = starts[index](), None
        if self.random.random() < 0.5:  # another takes its partitions, or some of them
            for place, number in self.assigned.items():
                if number == index - 1 and self.random.random() < 0.7:
                    self.assigned[place] = self.random.randrange(self.scenario.ingests)
        self.store.changes += 1

    # -- the end -------------------------------------------------------------------------------------------

    def _come_to_rest(self) -> None:
        """All arrives, the clock stands at its end, and one fresh worker of each kind does what is left to do."""
        self.lagging.clear()
        for each in self.scenario.arrivals[self.produced :]:
            self.arrives(each)
        self._end_transactions(inf)
        if not self.scenario.events_clock:
            self.clock.now += self.scenario.end
        self.assigned = dict.fromkeys(PLACES, 0)
        self.store.tables.leases.clear()
        consumer = self.consumer(0, ahead=max(0, *self.scenario.clocks))
        run_alone(consumer.reclaim())
        for _ in range(ROUNDS):
            before = (self.store.changes, self.store.moves)
            self._work(consumer)
            if (self.store.changes, self.store.moves) == before:
                break
        else:
            raise Mismatch("does not come to rest")
        self._publish_all()

    def _work(self, consumer: PlayedConsumer) -> None:
        while consumer.unread():
            run_alone(self.read_some(consumer))
        run_alone(consumer.worker.heartbeat.beat())
        run_alone(consumer.worker.let_cases_go_on())
        for account_id, _ in run_alone(self.store.quarantined("", 1_000)):
            run_alone(self.enforcement.retry([account_id]))
        while run_alone(self.enforcement.process_due(50)).accounts:
            pass
        while (fanout := run_alone(self.store.claim_fanout(0.0))) is not None:
            self.store.tables.leases.clear()
            run_alone(self.enforcement.process_fanout(fanout, 20))

    def _publish_all(self) -> None:
        for number in range(SHARDS):
            producer = cast("TransactionalProducer", Producer(self.topics, number, lambda: False))
            shard = self._shard(number, producer)
            run_alone(shard.open())
            while run_alone(shard.publish_some()):
                pass
