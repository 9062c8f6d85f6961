"""Decodes records into facts. A bad record becomes a dead letter; the other records are not affected.

Orders are decoded on the hot path: only the instant and the id of an effective order are kept.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import orjson
from pydantic import TypeAdapter, ValidationError

from contracts.account_requests import AccountRequest
from contracts.complaints import Complaint
from contracts.fields import instant
from contracts.order_status import EFFECTIVE, OrderStatus
from contracts.seller_accounts import SellerAccount
from workers.codec.batch import Batch, ReceivedFact, Rejected
from workers.codec.facts import content, fact_of, fields_of
from workers.codec.messages import Record
from workers.codec.plain_orders import read_plain
from workers.rules.calendar import SECOND, Instant
from workers.rules.policy import Policies

FUTURE_LIMIT: Instant = 5 * 60 * SECOND
_TRACE_CONTEXT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""The header `traceparent` of W3C Trace Context: version, trace id, parent id and flags."""

_ORDER = TypeAdapter(OrderStatus)
_FACTS: dict[str, TypeAdapter[Complaint | SellerAccount | AccountRequest]] = {
    "complaints": TypeAdapter(Complaint),
    "seller-accounts": TypeAdapter(SellerAccount),
    "account-requests": TypeAdapter(AccountRequest),
}


@dataclass(frozen=True, slots=True)
class Read:
    """The times of one partition's good records: the latest `occurred_at`, and the timestamp of the last record."""

    latest: Instant | None = None
    stamp: Instant | None = None

    def then(self, other: "Read") -> "Read":
        """The times of these records and of `other`, which follow them."""
        if self.latest is None or other.latest is None:
            return self if other.latest is None else other
        return Read(max(self.latest, other.latest), other.stamp)


class Decoder:
    """Decodes the records of the input topics; `policies` tell the known categories of cases."""

    def __init__(self, policies: Policies, max_record_bytes: int) -> None:
        self._policies = policies
        self._max_record_bytes = max_record_bytes

    def decode(self, topic: str, records: Sequence[Record], into: Batch, now: Instant) -> Read:
        """Decode the records of one partition into a batch. `now` is the clock that no fact may be far ahead of."""
        if topic == "order-status":
            return self._decode_orders(records, into, now)
        return self._decode_facts(topic, records, into, now)

    def _decode_orders(self, records: Sequence[Record], into: Batch, now: Instant) -> Read:
        """Decode orders; this is the loop of the hot path."""
        latest, last, most, limit = -1, None, self._max_record_bytes, now + FUTURE_LIMIT
        by_account = into.orders
        values = [b"" if (value := record.value) is None or len(value) > most else value for record in records]
        for record, plain in zip(records, read_plain(values), strict=True):
            found = self._decode_order(record, into) if plain is None else plain
            if found is None:
                continue
            order, at = found
            if at > limit:
                into.rejected.append(_in_future(record, "order-status", order.occurred_at))
                continue
            last = record
            if at > latest:  # noqa: PLR1730  # calling max for each order costs as much as the rest
                latest = at
            if order.status in EFFECTIVE and order.previous_status not in EFFECTIVE:
                account_id = order.account_id
                own = by_account.get(account_id)
                if own is None:
                    by_account[account_id] = [(at, order.order_id)]
                else:
                    own.append((at, order.order_id))
                if record.headers:
                    _trace(record, account_id, into)
        return Read() if last is None else Read(latest, _arrival(last.timestamp))

    def _decode_order(self, record: Record, into: Batch) -> tuple[OrderStatus, Instant] | None:
        """An order as the contract's model reads it, and its instant; None where it becomes a dead letter."""
        if (value := self._value(record, "order-status", into)) is None:
            return None
        try:
            order = _ORDER.validate_json(value)
            return order, instant(order.occurred_at)
        except ValueError as error:
            into.rejected.append(_bad(record, "order-status", error))
            return None

    def _decode_facts(self, topic: str, records: Sequence[Record], into: Batch, now: Instant) -> Read:
        latest: Instant | None = None
        stamp: Instant | None = None
        for record in records:
            if (value := self._value(record, topic, into)) is None:
                continue
            try:
                message = _FACTS[topic].validate_json(value)
                at = instant(message.occurred_at)
            except ValueError as error:
                into.rejected.append(_bad(record, topic, error))
                continue
            if (refused := self._refuse(record, topic, message, at, now)) is not None:
                into.rejected.append(refused)
                continue
            latest = at if latest is None else max(latest, at)
            stamp = _arrival(record.timestamp)
            fields = fields_of(message, at)
            name = message.request_id if isinstance(message, AccountRequest) else message.event_id
            fact = fact_of(topic, fields)
            received = ReceivedFact(message.account_id, topic, name, at, content(fields), fact, record)
            into.facts.setdefault(message.account_id, []).append(received)
            if record.headers:
                _trace(record, message.account_id, into)
        return Read(latest, stamp)

    def _refuse(
        self,
        record: Record,
        topic: str,
        message: Complaint | SellerAccount | AccountRequest,
        at: Instant,
        now: Instant,
    ) -> Rejected | None:
        if at > now + FUTURE_LIMIT:
            return _in_future(record, topic, message.occurred_at)
        if not isinstance(message, Complaint) or message.outcome != "upheld":
            return None
        if not self._policies.knows_category(message.category):
            detail = f"category {message.category!r} is in no policy's violation table"
            return Rejected(record, topic, "unknown_category", detail)
        return None

    def _value(self, record: Record, topic: str, into: Batch) -> bytes | None:
        """A record's value; None where it is not read, and the record becomes a dead letter."""
        if record.value is None:
            into.rejected.append(Rejected(record, topic, "invalid_json", "the value is null"))
        elif len(record.value) > self._max_record_bytes:
            detail = f"{len(record.value)} bytes, over the limit of {self._max_record_bytes}"
            into.rejected.append(Rejected(record, topic, "too_large", detail))
        else:
            return record.value
        return None


def keep_before(batch: Batch, offset: int) -> None:
    """Drop the facts and dead letters at `offset` and behind it from a batch of one partition."""
    kept = {
        account_id: [fact for fact in facts if fact.record.offset < offset]
        for account_id, facts in batch.facts.items()
    }
    batch.facts = {account_id: facts for account_id, facts in kept.items() if facts}
    batch.rejected = [each for each in batch.rejected if each.record.offset < offset]


def read_of(batch: Batch, refused: Collection[int] = ()) -> Read:
    """The times of one partition's facts, without the records at the offsets `refused`."""
    facts = [fact for each in batch.facts.values() for fact in each if fact.record.offset not in refused]
    last = max(facts, key=lambda fact: fact.record.offset, default=None)
    return Read(
        max((fact.at for fact in facts), default=None), None if last is None else _arrival(last.record.timestamp)
    )


def _arrival(timestamp: int) -> Instant:
    """A record's timestamp, in milliseconds, as an instant. A producer may write any number; -1 means none."""
    return max(timestamp, 0) * 1000


def _bad(record: Record, topic: str, error: ValueError) -> Rejected:
    """The dead letter of a record that is not JSON or not a message of its topic; `detail` names the field."""
    if not isinstance(error, ValidationError):
        return Rejected(record, topic, "invalid_message", f"occurred_at: {error}")
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return Rejected(record, topic, "invalid_json", first["msg"])
    try:
        orjson.loads(record.value or b"")  # stricter than pydantic, which accepts NaN as a number
    except orjson.JSONDecodeError as strict:
        return Rejected(record, topic, "invalid_json", str(strict))
    field = ".".join(str(part) for part in first["loc"])
    return Rejected(record, topic, "invalid_message", f"{field}: {first['msg']}" if field else first["msg"])


def _in_future(record: Record, topic: str, occurred_at: str) -> Rejected:
    detail = f"occurred_at {occurred_at} is more than 5 minutes ahead of the clock"
    return Rejected(record, topic, "occurred_in_future", detail)


def _trace(record: Record, account_id: str, into: Batch) -> None:
    """Keep the W3C trace context of a fact for the decisions that follow from it; anything else is ignored."""
    for name, value in record.headers:
        if name == "traceparent" and value is not None and _TRACE_CONTEXT.fullmatch(value):
            into.traceparents[account_id] = value.decode("ascii")
