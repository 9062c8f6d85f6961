"""The JSON text that the store keeps of a company's terminations, and of the facts that cause a fan-out."""

from collections.abc import Mapping, Sequence

import orjson

from workers.rules.company import Outcome, Termination
from workers.rules.decisions import Because, Evidence, joined
from workers.rules.policy import PolicyStamp

_NONE = "[]"


def read_terminations(text: str) -> tuple[Termination, ...]:
    """The terminations of a company's row."""
    if text == _NONE:
        return ()
    return tuple(
        Termination(
            each["company"],
            each["root"],
            each["case"],
            _read_outcome(each["upheld"]),
            each["reapply_from"],
            None if each["reversal"] is None else _read_outcome(each["reversal"]),
        )
        for each in orjson.loads(text)
    )


def termination_key(termination: Termination) -> str:
    """The text that identifies a termination in a company's row."""
    return joined(str(termination.upheld.at), termination.upheld.event_id, termination.root_account_id)


def read_since(text: str) -> dict[str, int]:
    """The company's version at which each termination was added, by the termination's key."""
    keys = map(termination_key, read_terminations(text))
    return {key: each.get("since", 0) for key, each in zip(keys, orjson.loads(text), strict=True)}


def write_terminations(terminations: Sequence[Termination], since: Mapping[str, int], version: int) -> str:
    """The text that `read_terminations` and `read_since` read; a new termination gets the company's `version`."""
    return orjson.dumps(
        [
            {
                "since": since.get(termination_key(each), version),
                "company": each.company_key,
                "root": each.root_account_id,
                "case": each.case_id,
                "upheld": _write_outcome(each.upheld),
                "reapply_from": each.reapply_from,
                "reversal": None if each.reversal is None else _write_outcome(each.reversal),
            }
            for each in terminations
        ]
    ).decode()


def _read_outcome(fields: list[object]) -> Outcome:
    at, event_id, source, company_name, policy_id, digest = fields
    return Outcome(at, event_id, source, company_name, PolicyStamp(policy_id, digest))  # type: ignore[arg-type]


def _write_outcome(outcome: Outcome) -> list[object]:
    stamp = outcome.policy
    return [outcome.at, outcome.event_id, outcome.source, outcome.company_name, stamp.id, stamp.digest]


def read_because(text: str) -> Because:
    """The facts that cause a fan-out."""
    found = orjson.loads(text)
    return Because(tuple(Evidence(*each) for each in found["facts"]), found["left_out"])


def write_because(because: Because) -> str:
    """The text that `read_because` reads."""
    facts = [(each.topic, each.id, each.account_id, each.occurred_at) for each in because.facts]
    return orjson.dumps({"facts": facts, "left_out": because.left_out}).decode()
