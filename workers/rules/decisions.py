"""What the rules conclude: a `Decision`, its id, and the content that two decisions are compared by."""

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
    """A fact that a decision rests on, by the topic and id under which it was read."""

    topic: str
    id: str
    account_id: str
    occurred_at: Instant


MOST_NAMED = 100
"""So many late facts are named for a withdrawal: thousands would be larger than a message may be."""


@dataclass(frozen=True, slots=True)
class Because:
    """The late facts that changed what should have been decided: the first ones, and how many more there are."""

    facts: tuple[Evidence, ...] = ()
    left_out: int = 0

    @classmethod
    def of(cls, facts: Sequence[Evidence], left_out: int = 0) -> "Because":
        """The first of the facts."""
        return cls(tuple(facts[:MOST_NAMED]), left_out + max(0, len(facts) - MOST_NAMED))

    def __add__(self, other: "Because") -> "Because":
        return Because.of(self.facts + other.facts, self.left_out + other.left_out)

    def __bool__(self) -> bool:
        return bool(self.facts)


def joined(*parts: str) -> str:
    """Parts as one text that no other parts give: ids may hold spaces, but no control character."""
    return "\n".join(parts)


def decision_id(subject: str, kind: str, effective_at: Instant, cause: str) -> str:
    """The id that two runs over the same facts agree on: a UUIDv5 of subject, kind, instant and cause."""
    return name_based_uuid(_NAMESPACE, joined(subject, kind, written(effective_at), cause))


def name_based_uuid(namespace: bytes, name: str) -> str:
    """What `str(uuid.uuid5(...))` gives (RFC 9562, 5.5), in a third of the time: every message needs two."""
    found = sha1(namespace + name.encode(), usedforsecurity=False).hexdigest()
    return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{_VARIANT[found[16]]}{found[17:20]}-{found[20:32]}"


@dataclass(slots=True)
class Decision:
    """One decision about an account or a company; `subject` is the account id or the company key.

    `details` holds the named fields of its kind that are text or numbers, `instants` those that are instants.
    A value: nothing changes it once it is made, and its id and content are worked out once.
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
        """What two runs over the same facts agree on."""
        if self._id is None:
            self._id = decision_id(self.subject, self.kind, self.effective_at, self.cause)
        return self._id

    @property
    def content(self) -> bytes:
        """A digest of all that makes the decision what it is, its id included; the company's name is not."""
        if self._content is None:
            key = self.company.key if self.company else ""
            said = (
                f"{self.kind}\0{self.effective_at}\0{self.cause}\0{self.clause}\0{self.policy.id}\0"
                f"{self.policy.digest}\0{self.standing_before}\0{self.standing_after}\0{key}"
            )  # no part holds a null character, so the separators keep them apart
            for fact in self.evidence:
                said += f"\0{fact.topic}\0{fact.id}\0{fact.account_id}\0{fact.occurred_at}"
            for name in sorted(self.details):
                said += f"\0{name}\0{self.details[name]}"
            for name in sorted(self.instants):
                said += f"\0{name}\0{self.instants[name]}"
            self._content = blake2b(said.encode(), digest_size=16).digest()
        return self._content
