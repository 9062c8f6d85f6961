"""One owned partition by itself: what it accepts, what it asks of the consumer, and every interleaving of its events.

The exhaustive test plays Kafka, the database and the worker as far as one partition is concerned, and goes through
every order of their steps.
"""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import pytest

from workers.codec.decoding import Read
from workers.ingest.dead_letter_window import DeadLetterWindow
from workers.ingest.fetch_failure import FIRST_SECONDS, LONGEST_SECONDS, PASSING_SECONDS
from workers.ingest.partition import OwnedPartition, PartitionBatch, Pause, Resume, Seek
from workers.ingest.transitions import State
from workers.store.records import Position

AT = Position("complaints", 3, 100, 7, None, None)
PAUSED = DeadLetterWindow(paused="too many")


@dataclass(frozen=True, slots=True)
class Sent:
    """A record, as far as a partition looks at it."""

    offset: int
    topic: str = "complaints"
    partition: int = 3
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def owned(**window: Any) -> OwnedPartition:
    """A partition just claimed at offset 100."""
    return OwnedPartition(AT, DeadLetterWindow(**window))


def fetch(partition: OwnedPartition, until: int) -> PartitionBatch:
    """Fetch the records up to an offset."""
    batch = partition.fetched(partition.fetch_offset, until, [Sent(partition.fetch_offset)])
    assert batch is not None
    return batch


def commit(partition: OwnedPartition, batch: PartitionBatch, window: DeadLetterWindow | None = None) -> Position:
    """Commit a batch."""
    advance = partition.advance(batch.next_offset, Read(), 0)
    partition.committed(advance, window or partition.window)
    return advance


def test_a_partition_begins_at_its_stored_position_and_its_stored_pause() -> None:
    assert owned().actions(None, paused=False) == [Seek(100)]
    assert owned().state is State.READING
    assert owned(paused="too many").actions(100, paused=False) == [Pause()]
    assert owned(paused="too many").state is State.PAUSED_BY_DEAD_LETTERS


def test_batches_follow_each_other_and_the_next_is_fetched_before_the_first_is_committed() -> None:
    partition = owned()
    first, second = fetch(partition, 110), fetch(partition, 120)
    assert (first.fetched_from, first.next_offset, first.epoch) == (100, 110, 7)
    assert partition.actions(120, paused=False) == []
    assert partition.accepts(first)
    assert commit(partition, first) == Position("complaints", 3, 110, 7, None, None)
    assert partition.accepts(second)
    commit(partition, second)
    assert partition.next_offset == 120


def test_a_batch_may_move_the_position_without_records() -> None:
    batch = owned().fetched(100, 105, [])
    assert batch == PartitionBatch("complaints", 3, 7, 100, 105, [])


@pytest.mark.parametrize(
    ("asked_from", "reached", "first"),
    [(100, None, 100), (100, 100, 100), (90, 120, 100), (100, 120, 99)],
    ids=["not assigned", "nothing new", "taken back meanwhile", "fetched before a seek"],
)
def test_what_was_fetched_from_elsewhere_is_dropped(asked_from: int, reached: int | None, first: int) -> None:
    partition = owned()
    assert partition.fetched(asked_from, reached, [Sent(first)]) is None
    assert partition.fetch_offset == 100


def test_a_batch_behind_a_cut_one_is_fetched_again() -> None:
    partition = owned()
    first, second = fetch(partition, 110), fetch(partition, 120)
    assert partition.accepts(first)
    partition.cut(104)
    assert partition.actions(120, paused=False) == [Seek(104)]
    commit(partition, replace(first, next_offset=104))
    assert not partition.accepts(second)
    assert partition.fetch_offset == 104


def test_a_batch_of_another_epoch_changes_nothing() -> None:
    partition = owned()
    fetch(partition, 110)
    assert not partition.accepts(PartitionBatch("complaints", 3, 6, 100, 120, []))
    assert partition.fetch_offset == 110


def test_nothing_is_accepted_from_a_paused_partition() -> None:
    partition = owned()
    first, second = fetch(partition, 110), fetch(partition, 120)
    commit(partition, first, PAUSED)
    assert partition.actions(120, paused=False) == [Pause()]
    assert not partition.accepts(second)
    assert partition.actions(120, paused=True) == [Seek(110)]
    assert not partition.accepted(PAUSED)
    assert partition.accepted(DeadLetterWindow(accepted_until=110))
    assert partition.actions(110, paused=True) == [Resume()]
    assert not partition.accepted(DeadLetterWindow(accepted_until=110)), "said twice"


def test_cases_that_could_be_read_when_it_was_asked_wait_together_and_later_ones_again() -> None:
    partition = owned()
    assert partition.first_to_wait([107, 105]) == 105
    assert partition.first_to_wait([]) is None
    partition.case_must_wait(covers=109)
    assert partition.state.name == "BLOCKED_ON_REGISTRY"
    partition.registry_reached()
    assert partition.state.name == "READING"
    assert partition.first_to_wait([105, 108]) is None
    assert partition.first_to_wait([108, 111, 109]) == 109


def test_a_fetch_that_fails_is_tried_again_after_a_pause_and_goes_on_when_it_succeeds() -> None:
    partition = owned()
    partition.fetch_failed("CORRUPT_MESSAGE", 50.0)
    assert partition.halted_by == "CORRUPT_MESSAGE"
    assert not partition.is_readable
    assert partition.actions(100, paused=False) == [Pause()]
    assert not partition.is_due(50.0 + FIRST_SECONDS - 0.01)
    assert partition.is_due(50.0 + FIRST_SECONDS)
    partition.retry()
    assert partition.actions(100, paused=True) == [Resume()]
    assert not partition.is_due(1000.0)
    assert partition.halted_by == "CORRUPT_MESSAGE", "until a fetch succeeds"
    fetch(partition, 110)
    assert partition.halted_by is None
    assert partition.is_readable


def test_pauses_between_tries_grow_up_to_a_bound() -> None:
    partition = owned()
    partition.fetch_failed("CORRUPT_MESSAGE", 0.0)
    partition.fetch_failed("CORRUPT_MESSAGE", 0.0)
    assert not partition.is_due(2 * FIRST_SECONDS - 0.01)
    assert partition.is_due(2 * FIRST_SECONDS)
    for _ in range(100):
        partition.fetch_failed("CORRUPT_MESSAGE", 200.0)
    assert not partition.is_due(200.0 + LONGEST_SECONDS - 0.01)
    assert partition.is_due(200.0 + LONGEST_SECONDS)


def test_an_error_that_passes_by_itself_is_shown_when_it_lasts() -> None:
    partition = owned()
    partition.fetch_failed("NOT_LEADER_OR_FOLLOWER", 300.0)
    assert partition.halted_by is None
    assert partition.state is State.HALTED_UNREADABLE
    partition.fetch_failed("NOT_LEADER_OR_FOLLOWER", 300.0 + PASSING_SECONDS)
    assert partition.halted_by == "NOT_LEADER_OR_FOLLOWER"


def test_a_lost_position_is_not_fetched_from_whatever_else_happens() -> None:
    partition = owned()
    partition.fetch_failed("CORRUPT_MESSAGE", 0.0)
    partition.position_lost("OFFSET_OUT_OF_RANGE")
    partition.retry()
    partition.fetch_succeeded()
    assert partition.actions(100, paused=True) == []
    assert partition.halted_by == "OFFSET_OUT_OF_RANGE"


def test_the_watermark_is_the_present_at_the_end_and_elsewhere_what_was_read() -> None:
    partition = owned()
    assert partition.idle_advance() is None, "no end is known"
    assert partition.advance(110, Read(latest=40, stamp=50), now=60).watermark == 40
    assert partition.advance(110, Read(latest=50, stamp=40), now=60).watermark == 40
    assert partition.advance(110, Read(latest=50, stamp=50), now=30).watermark == 30
    assert partition.advance(110, Read(), now=60).watermark is None
    partition.end_seen(110, present=77)
    assert partition.lag == 10
    assert partition.idle_advance() is None
    assert partition.advance(109, Read(latest=40, stamp=50), now=60).watermark == 40
    partition.committed(reached := partition.advance(110, Read(latest=40, stamp=50), now=60), partition.window)
    assert (reached.watermark, reached.latest_occurred_at) == (77, 40)
    assert partition.idle_advance() is None, "it says nothing new"
    partition.end_seen(110, present=80)
    assert partition.idle_advance() == Position("complaints", 3, 110, 7, 80, 40)
    assert partition.lag == 0


def test_nothing_is_complete_behind_a_pause() -> None:
    partition = owned(paused="too many")
    partition.end_seen(100, present=80)
    assert partition.idle_advance() is None


# -- every interleaving ------------------------------------------------------------------------------------

END, CASE = 6, 3
MOST_STEPS = 9


@dataclass
class World:
    """One partition with records 0 to 5, of which 3 is a case, its stored position, its consumer and its worker."""

    partition: OwnedPartition
    stored: int = 0
    epoch: int = 1
    position: int = 0
    paused: bool = False
    asked: tuple[OwnedPartition, int] | None = None
    """A poll under way."""
    batches: list[PartitionBatch] = field(default_factory=list)
    """Fetched and not processed."""
    applied: list[int] = field(default_factory=list)

    def clone(self) -> "World":
        twin = copy(self)
        twin.partition, twin.batches, twin.applied = copy(self.partition), [*self.batches], [*self.applied]
        if self.asked is not None:
            twin.asked = (twin.partition if self.asked[0] is self.partition else self.asked[0], self.asked[1])
        return twin

    def apply(self) -> None:
        for action in self.partition.actions(self.position, self.paused):
            match action:
                case Seek(offset):
                    self.position = offset
                case Pause():
                    self.paused = True
                case Resume():
                    self.paused = False

    # -- steps, each of which says whether it can be taken

    def poll(self) -> bool:
        if self.asked is not None:
            return False
        self.apply()
        self.asked = (self.partition, self.partition.fetch_offset)
        return True

    def answer(self, count: int) -> bool:
        if self.asked is None:
            return False
        partition, asked_from = self.asked
        self.asked, first = None, self.position
        if not self.paused:
            self.position = min(END, first + count)
        records = [Sent(offset) for offset in range(first, self.position)]
        if partition is not self.partition:
            return True
        if (batch := partition.fetched(asked_from, self.position, records)) is not None:
            assert [each.offset for each in batch.records] == list(range(batch.fetched_from, batch.next_offset))
            self.batches.append(batch)
        return True

    def process(self, *, rolled_back: bool = False) -> bool:
        if not self.batches:
            return False
        batch, partition = self.batches.pop(0), self.partition
        if not partition.accepts(batch):
            return True
        assert (batch.fetched_from, batch.epoch) == (self.stored, self.epoch)
        cases = [each.offset for each in batch.records if each.offset == CASE]
        if (first := partition.first_to_wait(cases)) is not None:
            partition.case_must_wait(batch.next_offset)
            partition.cut(first)
            batch = replace(batch, next_offset=first, records=[each for each in batch.records if each.offset < first])
        if rolled_back:
            return self.claim()
        self.stored = batch.next_offset
        self.applied += [each.offset for each in batch.records]
        commit(partition, batch)
        return True

    def roll_back(self) -> bool:
        return self.process(rolled_back=True)

    def claim(self) -> bool:
        self.epoch += 1
        self.partition = OwnedPartition(Position("complaints", 3, self.stored, self.epoch, None, None))
        self.position, self.paused = self.stored, False
        return True

    def registry(self) -> bool:
        if self.partition.wait is None:
            return False
        self.partition.registry_reached()
        self.apply()
        return True

    def fail(self) -> bool:
        self.partition.fetch_failed("CORRUPT_MESSAGE", 0.0)
        self.apply()
        return True

    def retry(self) -> bool:
        if not self.partition.is_due(1000.0):
            return False
        self.partition.retry()
        self.apply()
        return True

    def check(self) -> None:
        assert self.applied == list(range(self.stored)), "each record once and in order"
        assert self.partition.next_offset == self.stored
        assert self.partition.fetch_offset >= self.stored
        assert self.partition.wait is None or self.stored <= CASE, "what waits is not processed"

    def finish(self) -> None:
        """Go on without further faults: everything must be read."""
        for _ in range(4 * END):
            self.registry()
            self.retry()
            self.poll()
            self.answer(END)
            while self.process():
                pass
        assert self.stored == END
        self.check()


STEPS: list[Callable[[World], bool]] = [
    World.poll,
    lambda world: world.answer(2),
    lambda world: world.answer(END),
    World.process,
    World.roll_back,
    World.claim,
    World.registry,
    World.fail,
    World.retry,
]


def worlds(length: int) -> Iterator[World]:
    """Every world that some order of at most so many steps leads to."""
    first = World(OwnedPartition(Position("complaints", 3, 0, 1, None, None)))
    reached, seen = [first], {repr(first)}
    for _ in range(length):
        following = []
        for world, step in product(reached, STEPS):
            twin = world.clone()
            if step(twin):
                twin.check()
                if (known := repr(twin)) not in seen:
                    seen.add(known)
                    following.append(twin)
        yield from following
        reached = following


def test_in_every_order_of_steps_each_record_is_applied_once_in_order_and_all_are_in_the_end() -> None:
    count = 0
    for world in worlds(MOST_STEPS):
        world.clone().finish()
        count += 1
    assert count > 2_000
