"""What the rules conclude: a `Decision`, its id, and the content that two decisions are compared by."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

from workers.rules.calendar import Instant, written
from workers.rules.facts import Company
from workers.rules.policy import PolicyStamp

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:standing:decisions")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact that a decision rests on, by the topic and id under which it was read."""

    topic: str
    id: str
    account_id: str
    occurred_at: Instant


def decision_id(subject: str, kind: str, effective_at: Instant, cause: str) -> uuid.UUID:
    """The id that two runs over the same facts agree on: a UUIDv5 of subject, kind, instant and cause."""
    return uuid.uuid5(_NAMESPACE, "\n".join((subject, kind, written(effective_at), cause)))


@dataclass(frozen=True)
class Decision:
    """One decision about an account or a company; `subject` is the account id or the company key.

    `details` holds the named fields of its kind that are text or numbers, `instants` those that are instants.
    """

    kind: str
    clause: str
    subject: str
    company: Company | None
    effective_at: Instant
    cause: str
    policy: PolicyStamp
    evidence: tuple[Evidence, ...]
    standing_before: str
    standing_after: str
    details: Mapping[str, str | int] = field(default_factory=dict)
    instants: Mapping[str, Instant] = field(default_factory=dict)

    @cached_property
    def id(self) -> uuid.UUID:
        return decision_id(self.subject, self.kind, self.effective_at, self.cause)

    @cached_property
    def content(self) -> bytes:
        """A digest of all that makes the decision what it is; the company's name is no part of it."""
        parts = (
            self.id.bytes,
            self.clause,
            self.company.key if self.company else None,
            self.policy.id,
            self.policy.digest,
            [(fact.topic, fact.id, fact.account_id, fact.occurred_at) for fact in self.evidence],
            self.standing_before,
            self.standing_after,
            sorted(self.details.items()),
            sorted(self.instants.items()),
        )
        return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
