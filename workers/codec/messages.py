"""Encodes decisions as published messages: JSON values and CloudEvents headers.

A `Message` is complete except for its row in the decision log. `headers` needs the row, because `ce_id` follows from
its shard and sequence number.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

import orjson

from contracts.kinds import COMPLETED, DEAD_LETTER, KINDS, STANDING, WITHDRAWN
from workers.rules.calendar import Instant, written
from workers.rules.decisions import Because, Decision, Evidence, name_based_uuid
from workers.rules.difference import Published
from workers.rules.standing import Standing

_DEAD_LETTER_LIMIT = 64 * 1024
"""The most bytes of a key, of all headers and of a value that a dead letter keeps, so that it fits a message."""
_DEAD_LETTER_HEADERS = 1000
_DEAD_LETTER_HEAD = 1024
"""The bytes that are kept of a value over the limit."""

_LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999, because a producer may write any timestamp."""


class Record(Protocol):
    """A record of an input topic; an aiokafka ConsumerRecord is one."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...  # milliseconds
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


def ce_id(incarnation: UUID, shard: int, seq: int) -> str:
    """The `ce_id` of the message of a row of the decision log. It is the same if the message is sent again."""
    return name_based_uuid(incarnation.bytes, f"{shard}/{seq}")


class Message(NamedTuple):
    """A message to publish, its topic without the prefix.

    `subject` is the account id, the company key or, of a dead letter, topic/partition/offset of the record.
    """

    topic: str
    key: bytes | None
    subject: str
    kind: str
    value: bytes
    decision_id: str | None = None
    effective_at: Instant | None = None
    traceparent: str | None = None


def headers(message: Message, incarnation: UUID, shard: int, seq: int, recorded_at: str) -> str:
    """The CloudEvents headers of a message as JSON: a list of [name, value]."""
    kind, subject = message.kind, orjson.dumps(message.subject).decode()
    trace = "" if message.traceparent is None else f',["traceparent",{orjson.dumps(message.traceparent).decode()}]'
    return (
        f'[["ce_specversion","1.0"],["ce_id","{ce_id(incarnation, shard, seq)}"],["ce_source","urn:standing"],'
        f'["ce_type","standing.{kind}.v1"],["ce_time","{recorded_at}"],["ce_subject",{subject}],'
        f'["ce_dataschema","urn:standing:schema:{kind}:v1"],["content-type","application/json"]{trace}]'
    )


def decision_message(
    decision: Decision, sequence: int, recorded_at: str, *, of_company: bool, traceparent: str | None
) -> Message:
    """The message of a decision about an account or, with `of_company`, a company."""
    value: dict[str, object] = {
        "decision_id": decision.id,
        "kind": decision.kind,
        "clause": decision.clause,
    }
    if not of_company:
        value["account_id"] = decision.subject
    if decision.company is not None:
        value["company"] = {"key": decision.company.key, "name": decision.company.name}
    value |= {
        "effective_at": written(decision.effective_at),
        "recorded_at": recorded_at,
        "policy": {"id": decision.policy.id, "digest": decision.policy.digest},
        "evidence": evidence_value(decision.evidence),
        "sequence": sequence,
        "standing_before": decision.standing_before,
        "standing_after": decision.standing_after,
        **decision.details,
        **{name: written(at) for name, at in decision.instants.items()},
    }
    return Message(
        KINDS[decision.kind].topic,
        decision.subject.encode(),
        decision.subject,
        decision.kind,
        orjson.dumps(value),
        decision.id,
        decision.effective_at,
        traceparent,
    )


def withdrawal_message(
    published: Published,
    subject: str,
    sequence: int,
    recorded_at: str,
    because: Because,
    *,
    company: Mapping[str, str] | None,
    traceparent: str | None,
) -> Message:
    """The message that withdraws a published decision; `company` is given for a decision about a company."""
    kind = published.kind + WITHDRAWN
    value: dict[str, object] = {"kind": kind}
    if company is None:
        value["account_id"] = subject
    else:
        value["company"] = dict(company)
    value |= {
        "withdraws": published.decision_id,
        "effective_at": written(published.effective_at),
        "recorded_at": recorded_at,
        "because": evidence_value(because.facts),
        "sequence": sequence,
    }
    if because.left_out:
        value["because_left_out"] = because.left_out
    return Message(
        KINDS[published.kind].topic,
        subject.encode(),
        subject,
        kind,
        orjson.dumps(value),
        None,
        published.effective_at,
        traceparent,
    )


def standing_message(
    account_id: str, standing: Standing, sequence: int, recorded_at: str, traceparent: str | None
) -> Message:
    """The message of `account-standing` for the current standing of an account."""
    value: dict[str, object] = {
        "account_id": account_id,
        "standing": standing.standing,
        "since": written(standing.since),
    }
    if standing.company is not None:
        value["company"] = {"key": standing.company.key, "name": standing.company.name}
    if standing.deadline is not None:
        value["deadline"] = written(standing.deadline)
    if standing.next is not None:
        value["next"] = standing.next
    value |= {
        "reason": KINDS[standing.set_by].reason,
        "cure": standing.cure,
        "sequence": sequence,
        "recorded_at": recorded_at,
    }
    return Message(
        STANDING.topic,
        account_id.encode(),
        account_id,
        STANDING.name,
        orjson.dumps(value),
        traceparent=traceparent,
    )


def completed_message(value: dict[str, object], key: str, effective_at: Instant) -> Message:
    """The signal that a company's termination is complete; `value` has the fields of the case and the company."""
    return Message(
        COMPLETED.topic,
        key.encode(),
        key,
        COMPLETED.name,
        orjson.dumps({"kind": COMPLETED.name, **value}),
        None,
        effective_at,
    )


def dead_letter_message(record: Record, topic: str, reason: str, detail: str, recorded_at: str) -> Message:
    """The dead letter of a record; `topic` is without the prefix."""
    place = f"{topic}/{record.partition}/{record.offset}"
    key = None if record.key is None else record.key[:_DEAD_LETTER_LIMIT]
    kept = _dead_headers(record.headers)
    value: dict[str, object] = {
        "kind": DEAD_LETTER.name,
        "reason": reason,
        "detail": detail,
        "topic": topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": written(min(max(record.timestamp, 0), _LAST_MILLISECOND) * 1000),
        "key": None if key is None else base64.b64encode(key).decode(),
        "headers": kept,
        "value": _dead_value(record.value),
        "recorded_at": recorded_at,
    }
    if record.key is not None and len(record.key) > _DEAD_LETTER_LIMIT:
        value["key_length"] = len(record.key)
    if len(kept) < len(record.headers):
        value["headers_left_out"] = len(record.headers) - len(kept)
    return Message(DEAD_LETTER.topic, key, place, DEAD_LETTER.name, orjson.dumps(value))


def _dead_headers(headers: Sequence[tuple[str, bytes | None]]) -> list[dict[str, str | None]]:
    """The headers that are kept: the first ones, within the limits."""
    kept: list[dict[str, str | None]] = []
    room = _DEAD_LETTER_LIMIT
    for name, value in headers[:_DEAD_LETTER_HEADERS]:
        room -= len(name.encode()) + len(value or b"")
        if room < 0:
            break
        kept.append({"name": name, "value": None if value is None else base64.b64encode(value).decode()})
    return kept


def _dead_value(value: bytes | None) -> object:
    if value is None:
        return None
    if len(value) <= _DEAD_LETTER_LIMIT:
        return base64.b64encode(value).decode()
    return {
        "sha256": hashlib.sha256(value).hexdigest(),
        "length": len(value),
        "head": base64.b64encode(value[:_DEAD_LETTER_HEAD]).decode(),
    }


def evidence_value(evidence: Sequence[Evidence]) -> list[dict[str, str]]:
    """Evidence as messages hold it."""
    return [
        {
            "topic": fact.topic,
            "id": fact.id,
            "account_id": fact.account_id,
            "occurred_at": written(fact.occurred_at),
        }
        for fact in evidence
    ]
