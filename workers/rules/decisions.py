"""A `Decision`: what the rules conclude, its id, and the digest by which two decisions are compared."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b, sha1

from workers.rules.calendar import Instant, written
from workers.rules.facts import Company
from workers.rules.policy import PolicyStamp

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:standing:decisions").bytes
_VARIANT = {f"{digit:x}": f"{digit & 0x3 | 0x8:x}" for digit in range(16)}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact that a decision rests on, named by its topic and id."""

    topic: str
    id: str
    account_id: str
    occurred_at: Instant


MAX_NAMED_FACTS = 100
"""The most late facts that a withdrawal names, because thousands would exceed the size of a message."""


@dataclass(frozen=True, slots=True)
class Because:
    """The late facts that cause a withdrawal: the first ones, and the number of the others."""

    facts: tuple[Evidence, ...] = ()
    left_out: int = 0

    @classmethod
    def of(cls, facts: Sequence[Evidence], left_out: int = 0) -> "Because":
        """The first `MAX_NAMED_FACTS` of the facts, and the number of the others."""
        return cls(tuple(facts[:MAX_NAMED_FACTS]), left_out + max(0, len(facts) - MAX_NAMED_FACTS))

    def __add__(self, other: "Because") -> "Because":
        return Because.of(self.facts + other.facts, self.left_out + other.left_out)

    def __bool__(self) -> bool:
        return bool(self.facts)


def joined(*parts: str) -> str:
    """The parts, one a line. Different parts give different texts, for ids hold no control character."""
    return "\n".join(parts)


def decision_id(subject: str, kind: str, effective_at: Instant, cause: str) -> str:
    """A UUIDv5 of subject, kind, instant and cause: the same in every run over the same facts."""
    return name_based_uuid(_NAMESPACE, joined(subject, kind, written(effective_at), cause))


def name_based_uuid(namespace: bytes, name: str) -> str:
    """The same as `str(uuid.uuid5(...))` (RFC 9562, 5.5) in a third of the time. Every message needs two."""
    found = sha1(namespace + name.encode(), usedforsecurity=False).hexdigest()
    return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{_VARIANT[found[16]]}{found[17:20]}-{found[20:32]}"


@dataclass(slots=True)
class Decision:
    """One decision about an account or a company; `subject` is the account id or the company key.

    `details` holds the fields of its kind that are text or numbers, `instants` those that are instants. Nothing
    changes a decision; its id and content are computed once.
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
    _id: str | None = field(default=None, init=False, compare=False, repr=False)
    _content: bytes | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def id(self) -> str:
        """The same in every run over the same facts."""
        if self._id is None:
            self._id = decision_id(self.subject, self.kind, self.effective_at, self.cause)
        return self._id

    @property
    def content(self) -> bytes:
        """A digest of every field, the id included; of the company only the key."""
        if self._content is None:
            key = self.company.key if self.company else ""
            text = (
                f"{self.kind}\0{self.effective_at}\0{self.cause}\0{self.clause}\0{self.policy.id}\0"
                f"{self.policy.digest}\0{self.standing_before}\0{self.standing_after}\0{key}"
            )  # no part holds a null character, so no two decisions give one text
            for fact in self.evidence:
                text += f"\0{fact.topic}\0{fact.id}\0{fact.account_id}\0{fact.occurred_at}"
            for name in sorted(self.details):
                text += f"\0{name}\0{self.details[name]}"
            for name in sorted(self.instants):
                text += f"\0{name}\0{self.instants[name]}"
            self._content = blake2b(text.encode(), digest_size=16).digest()
        return self._content
