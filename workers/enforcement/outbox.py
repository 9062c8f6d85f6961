"""Decisions into the log: an account's or company's gapless sequence, and the log's gapless, chained rows.

Owns `sequence`, `seq`, the chain hash and the order of messages in one transaction. The shard of a message
follows from its subject, so that a subject's messages stay in order.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID
from zlib import crc32

from workers.codec.batch import Rejected
from workers.codec.messages import (
    Message,
    completed_message,
    dead_letter_message,
    decision_message,
    headers,
    standing_message,
    withdrawal_message,
)
from workers.rules.calendar import Instant, written
from workers.rules.decisions import Because
from workers.rules.difference import Difference
from workers.rules.standing import Standing
from workers.store.records import Changes, CurrentDecision, LogRow, ShardHead


def shard_of(subject: str, shards: int) -> int:
    """The shard of the log in which all messages of a subject stand."""
    return crc32(subject.encode()) % shards


class Outbox:
    """What a unit of work changes and publishes; its messages in the order of their reading."""

    def __init__(self, recorded_at: Instant, changes: Changes, traceparents: Mapping[str, str]) -> None:
        self.recorded_at = recorded_at
        self.messages: list[Message] = []
        self.reasons: Counter[str] = Counter()
        self.changes = changes
        self._written = written(recorded_at)
        self._traceparents = traceparents

    def checkpoint(self) -> tuple[int, ...]:
        """How far it is filled: before a part that may fail by itself."""
        return (len(self.messages), *self.changes.lengths())

    def back_to(self, checkpoint: tuple[int, ...]) -> None:
        """Drop what came after the mark."""
        del self.messages[checkpoint[0] :]
        self.changes.cut(checkpoint[1:])

    def difference(
        self,
        subject: str,
        found: Difference,
        sequence: int,
        because: Because,
        company: Mapping[str, str] | None = None,
    ) -> int:
        """Withdraw and publish; `company` is given for decisions about a company. Returns the new sequence."""
        of_company = company is not None
        trace = self._traceparents.get(because.facts[0].account_id if because else subject)
        for wrong in found.withdraw:
            sequence += 1
            self.changes.withdrawn.append((of_company, subject, wrong.decision_id))
            self.messages.append(
                withdrawal_message(
                    wrong, subject, sequence, self._written, because, company=company, traceparent=trace
                )
            )
        for decision in found.publish:
            sequence += 1
            self.changes.published.append(
                CurrentDecision(
                    of_company,
                    subject,
                    decision.id,
                    decision.kind,
                    decision.effective_at,
                    sequence,
                    decision.content,
                )
            )
            self.messages.append(
                decision_message(decision, sequence, self._written, of_company=of_company, traceparent=trace)
            )
        return sequence

    def standing(self, account_id: str, standing: Standing, sequence: int) -> None:
        """What is said of the account now."""
        trace = self._traceparents.get(account_id)
        self.messages.append(standing_message(account_id, standing, sequence, self._written, trace))

    def completed(self, key: str, value: dict[str, object], effective_at: Instant) -> None:
        """The signal that a company's accounts are all decided."""
        value |= {"effective_at": written(effective_at), "recorded_at": self._written}
        self.messages.append(completed_message(value, key, effective_at))

    def dead_letters(self, rejected: Sequence[Rejected]) -> None:
        """Records from which no fact is taken."""
        for each in rejected:
            self.reasons[each.reason] += 1
            self.messages.append(
                dead_letter_message(each.record, each.topic, each.reason, each.detail, self._written)
            )

    def shards(self, count: int) -> list[int]:
        """The shards that the messages go to, sorted, the order of the locks."""
        return sorted({shard_of(message.subject, count) for message in self.messages})

    def rows(self, incarnation: UUID, heads: Sequence[ShardHead], count: int) -> tuple[list[LogRow], list[ShardHead]]:
        """The rows to append, given the locked heads of their shards of `count`, and the heads after them."""
        ends = {head.shard: (head.next_seq, head.last_hash) for head in heads}
        rows: list[LogRow] = []
        for message in self.messages:
            shard = shard_of(message.subject, count)
            seq, before = ends[shard]
            head = headers(message, incarnation, shard, seq, self._written)
            after = chain_hash(before, message.topic, message.key, head, message.value)
            ends[shard] = (seq + 1, after)
            rows.append(
                LogRow(
                    shard,
                    seq,
                    after,
                    message.topic,
                    message.key,
                    head,
                    message.value,
                    message.decision_id,
                    message.subject,
                    message.kind,
                    message.effective_at,
                    self.recorded_at,
                )
            )
        return rows, [ShardHead(shard, seq, last) for shard, (seq, last) in sorted(ends.items())]


def chain_hash(before: bytes, topic: str, key: bytes | None, headers: str, value: bytes) -> bytes:
    """SHA-256 over the hash before and a row's content: two logs that agree at one row agree before it."""
    parts = (topic.encode(), b"" if key is None else key, headers.encode(), value)
    lengths = b"%d,%d,%d,%d" % tuple(map(len, parts))
    return hashlib.sha256(b";".join((before, lengths, *parts))).digest()
