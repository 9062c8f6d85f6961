"""One deployment in memory: the real workers as steps that a seeded scheduler interleaves, ends and starts anew.

Everything that decides is the engine's own (ingest with its waiting cases, enforcement, completeness, rules, codec,
the relay's mark); played are Kafka, the clock and the processes. The same scenario runs the same way every time.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from contracts.topics import INPUT_TOPICS
from tests.properties.rules_engine import both
from tests.simulator.scenario import LONG_AFTER, PARTITIONS, POLICY_FILES, SHARDS, Scenario, value_of
from workers.codec.decoding import Decoder
from workers.completeness import Present
from workers.enforcement.road import Enforcement
from workers.ingest import Ingest
from workers.kafka.consumer import Intake
from workers.kafka.handling import Partition, PartitionBatch
from workers.kafka.transactional_producer import Outgoing, PublishError, TransactionalProducer
from workers.relay import Shard
from workers.rules.calendar import Instant
from workers.store.listener import Bell, Listener
from workers.store.memory import STEP, MemoryStore, Step, run_alone
from workers.store.postgres import LostOwnership, Store

MODEL_POLICIES, POLICIES = both(*POLICY_FILES)
PLACES: list[Partition] = [(topic, number) for topic in INPUT_TOPICS for number in range(PARTITIONS)]
INCARNATION = UUID(int=1)
MARKS = "marks"
ROUNDS = 60
BURSTS = (1, 1, 2, 4, 12)
"""Steps that a process goes on without another in between, one of these at random."""


class Amiss(AssertionError):
    """The simulated deployment did something it must never do."""


@dataclass(slots=True)
class Clock:
    """The virtual wall clock."""

    now: Instant

    def wall(self) -> Instant:
        return self.now


@dataclass(slots=True)
class OutputTopics:
    """What is committed in Kafka, by shard, and who may publish."""

    epochs: list[int] = field(default_factory=lambda: [0] * SHARDS)
    published: list[list[Outgoing]] = field(default_factory=lambda: [[] for _ in range(SHARDS)])
    marks: dict[int, bytes] = field(default_factory=dict)


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
        return self.topics.marks.get(partition)

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        await STEP
        if self.epoch != self.topics.epochs[self.shard] or self.fails():
            raise PublishError("fenced, or aborted")
        for each in messages:
            if each.topic == MARKS:
                assert each.partition is not None
                assert each.value is not None
                self.topics.marks[each.partition] = each.value
            else:
                self.topics.published[self.shard].append(each)
        await STEP
        if self.fails():
            raise PublishError("the outcome is unknown")


@dataclass(slots=True)
class PlayedIntake:
    """One ingest worker's consumer: the partitions it was assigned, and where it reads on."""

    world: "World"
    number: int
    reads_at: dict[Partition, int] = field(default_factory=dict)
    resting: set[Partition] = field(default_factory=set)
    seen: int = -1
    ingest: Ingest = field(init=False)

    async def claim(self, places: list[Partition]) -> None:
        if places:
            self.reads_at |= await self.ingest.claim(places)
            self.resting -= set(places)

    async def reclaim(self) -> None:
        await self.follow()
        await self.claim(list(self.reads_at))

    async def follow(self) -> None:
        """Learn which partitions are assigned to this worker now."""
        assigned = [place for place in PLACES if self.world.assigned[place] == self.number]
        revoked = [place for place in self.reads_at if place not in assigned]
        if revoked:
            await self.ingest.revoked(revoked)
            for place in revoked:
                del self.reads_at[place]
        await self.claim([place for place in assigned if place not in self.reads_at])

    def unsettled(self) -> set[Partition]:
        return set()

    async def ends(self) -> Mapping[Partition, int]:
        await STEP
        ends = {place: len(self.world.records[place]) for place in self.reads_at}
        await STEP
        return ends

    async def partition_counts(self) -> Mapping[str, int]:
        return dict.fromkeys(INPUT_TOPICS, PARTITIONS)

    def pause(self, topic: str, partition: int) -> None:
        self.resting.add((topic, partition))

    def resume(self, topic: str, partition: int) -> None:
        self.resting.discard((topic, partition))
        self.world.store.moves += 1

    def unread(self) -> list[Partition]:
        records = self.world.records
        return [at for at, offset in self.reads_at.items() if at not in self.resting and offset < len(records[at])]

    def may_go_on(self) -> bool:
        return self.seen != self.world.store.moves or bool(self.unread())

    def fetch(self) -> list[PartitionBatch]:
        """Some records of some partitions."""
        random, found = self.world.random, []
        for place in self.unread():
            if random.random() < 0.75:
                first = self.reads_at[place]
                records = self.world.records[place][first : first + random.choice([1, 1, 2, 5, 50])]
                self.reads_at[place] = first + len(records)
                found.append(PartitionBatch(*place, first, self.reads_at[place], records))
        return found


class World:
    """Everything that outlives a process, and the scheduler."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(scenario.schedule)  # noqa: S311
        self.clock = Clock(LONG_AFTER if scenario.events_clock else scenario.arrivals[0].at)
        self.store = MemoryStore(PLACES, SHARDS)
        self.topics = OutputTopics()
        self.records: dict[Partition, list[Any]] = {place: [] for place in PLACES}
        self.assigned = {place: index % scenario.ingests for index, place in enumerate(PLACES)}
        self.decoder = Decoder(POLICIES, 1 << 20)
        store = cast("Store", self.store)
        self.enforcement = Enforcement(store, POLICIES, self.clock, scenario.settle, INCARNATION, SHARDS)
        self.kills = 0

    # -- the processes -------------------------------------------------------------------------------------

    def intake(self, number: int) -> PlayedIntake:
        """A fresh ingest worker with its intake."""
        intake = PlayedIntake(self, number)
        store = cast("Store", self.store)
        intake.ingest = Ingest(
            store=store,
            enforcement=self.enforcement,
            decoder=self.decoder,
            intake=cast("Intake", intake),
            clock=self.clock,
            present=Present(self.clock, store, self.scenario.events_clock),
            bell=Bell(cast("Listener", None)),  # the scheduler wakes whoever waits
            owner=f"ingest {number}",
            input_partitions=PARTITIONS,
        )
        return intake

    async def produce(self) -> None:
        for each in self.scenario.arrivals:
            await STEP
            self.arrives(each.at, (each.message[0], each.partition), value_of(each.message))

    def arrives(self, at: Instant, place: Partition, value: bytes) -> None:
        if not self.scenario.events_clock:
            self.clock.now = max(self.clock.now, at)
        records = self.records[place]
        records.append(
            SimpleNamespace(
                topic=place[0],
                partition=place[1],
                offset=len(records),
                timestamp=self.clock.now // 1000,
                key=None,
                value=value,
                headers=(),
            )
        )
        self.store.moves += 1

    async def ingest(self, number: int) -> None:
        intake = self.intake(number)
        await intake.reclaim()
        while True:
            await Step(intake.may_go_on)
            await self.read_some(intake)

    async def read_some(self, intake: PlayedIntake) -> None:
        """One heartbeat, or one fetch or two on the heels of each other, decided."""
        try:
            if self.random.random() < 0.7:
                await intake.follow()
            if self.random.random() < 0.3 or not intake.unread():
                intake.seen = self.store.moves
                await intake.ingest._heartbeat()
                return
            fetched = [intake.fetch() for _ in range(self.random.choice([1, 1, 2]))]
            for batch in fetched:
                if batch:
                    taken_back = await intake.ingest.commit(await intake.ingest.decode(batch))
                    intake.reads_at |= {at: offset for at, offset in taken_back.items() if at in intake.reads_at}
        except LostOwnership:
            await intake.reclaim()

    async def enforce(self) -> None:
        while True:
            seen = self.store.changes
            while (await self.enforcement.enforce_due(self.random.choice([1, 2, 20]))).accounts:
                pass
            await Step(lambda seen=seen: self.store.changes != seen)  # type: ignore[misc]

    async def spread(self) -> None:
        while True:
            await Step(lambda: bool(self.store.free_spreads()))
            spread = await self.store.claim_spread(5.0)
            if spread is not None:
                await self.enforcement.spread(spread, self.random.choice([1, 2, 20]))

    async def relay(self, number: int) -> None:
        def fails() -> bool:
            return self.random.random() < self.scenario.failures

        producer = cast("TransactionalProducer", Producer(self.topics, number, fails))
        shard = Shard(number, cast("Store", self.store), producer, INCARNATION, "", MARKS)
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
        starts += [self.enforce] * given.timers + [self.spread] * given.spreads
        starts += [lambda number=number: self.relay(number) for number in range(SHARDS)] * given.relays
        return starts

    # -- the scheduler -------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let the processes run, be ended and lose their partitions; then let fresh ones come to rest."""
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
        self._come_to_rest()

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
            raise Amiss("workers wait for each other's locks in a ring")
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
        produced = sum(map(len, self.records.values()))
        for each in self.scenario.arrivals[produced:]:
            self.arrives(each.at, (each.message[0], each.partition), value_of(each.message))
        if not self.scenario.events_clock:
            self.clock.now += self.scenario.end
        self.assigned = dict.fromkeys(PLACES, 0)
        self.store.tables.leases.clear()
        intake = self.intake(0)
        run_alone(intake.reclaim())
        for _ in range(ROUNDS):
            before = (self.store.changes, self.store.moves)
            self._work(intake)
            if (self.store.changes, self.store.moves) == before:
                break
        else:
            raise Amiss("does not come to rest")
        self._publish_all()

    def _work(self, intake: PlayedIntake) -> None:
        while intake.unread():
            run_alone(self.read_some(intake))
        run_alone(intake.ingest._heartbeat())
        while run_alone(self.enforcement.enforce_due(50)).accounts:
            pass
        while (spread := run_alone(self.store.claim_spread(0.0))) is not None:
            self.store.tables.leases.clear()
            run_alone(self.enforcement.spread(spread, 20))

    def _publish_all(self) -> None:
        for number in range(SHARDS):
            producer = cast("TransactionalProducer", Producer(self.topics, number, lambda: False))
            shard = Shard(number, cast("Store", self.store), producer, INCARNATION, "", MARKS)
            run_alone(shard.open())
            while run_alone(shard.publish_some()):
                pass
