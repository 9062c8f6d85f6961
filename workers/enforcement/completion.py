"""The end of a spread: how many accounts each termination hit, and the signal that all are decided.

Owns `company_termination_completed` (CONTRACTS): sent once for each termination, after every member was
decided under the company's newest version, also where nobody was hit. It is a signal and never withdrawn. So
where a member waits for the horizon, or is held, the members are judged once more when none does.
"""

from collections.abc import Mapping, Sequence

import orjson

from workers.codec.terminations import read_terminations
from workers.enforcement.publishing import Outbox
from workers.rules.company import Termination, case_details
from workers.rules.decisions import joined
from workers.rules.judge import Judgement
from workers.store.postgres import Transaction
from workers.store.records import UNDECIDED, Changes, Spread


def count_hits(spread: Spread, members: Sequence[str], judgements: Mapping[str, Judgement]) -> str:
    """How many accounts each termination has hit so far (T2), by its cause, as the spread keeps it.

    UNDECIDED as soon as one of the members waits, or was held for its judgement raised.
    """
    began = spread.cursor == ""
    if spread.hits == UNDECIDED and not began:
        return UNDECIDED
    if any(member not in judgements or judgements[member].waits for member in members):
        return UNDECIDED
    counted = {} if began else orjson.loads(spread.hits)
    hits: dict[str, int] = counted.get("hits", {})
    for judgement in judgements.values():
        for decision in judgement.decisions:
            if decision.kind == "account_terminated" and decision.clause == "T2":
                hits[decision.cause] = hits.get(decision.cause, 0) + 1
    return orjson.dumps({"members": counted.get("members", 0) + len(members), "hits": hits}).decode()


def completion_mark(termination: Termination) -> str:
    """What a company's row keeps of a termination whose completion was published."""
    return joined(str(termination.upheld.at), _cause(termination))


def _cause(termination: Termination) -> str:
    return joined(termination.upheld.event_id, termination.root_account_id)


async def complete(transaction: Transaction, spread: Spread, changes: Changes, outbox: Outbox) -> None:
    """Signal what is complete and end the spread, unless a newer version of the company began it anew.

    Where not all were decided it begins anew itself, and is claimed once they are. Nobody can join meanwhile: whoever
    does waits for the company's lock. Who joined behind the cursor, or was held after being counted, shows here.
    """
    key = spread.company_key
    row = (await transaction.companies([key], "update"))[key]
    if row.version != spread.version:
        return
    members, undecided = await transaction.members(key)
    counted = orjson.loads(spread.hits) or {}
    if undecided or members != counted.get("members", 0):
        await transaction.advance_spread(spread._replace(cursor="", hits=UNDECIDED))
        return
    completed: list[str] = orjson.loads(row.completed)
    hits: dict[str, int] = counted.get("hits", {})
    sequence = row.sequence
    for termination in read_terminations(row.terminations):
        upheld = termination.upheld
        mark = completion_mark(termination)
        if mark in completed:
            continue
        sequence += 1
        completed.append(mark)
        value: dict[str, object] = {
            "company": {"key": termination.company_key, "name": upheld.company_name},
            "accounts": hits.get(_cause(termination), 0),
            "sequence": sequence,
            **case_details(upheld, termination),
        }
        outbox.completed(termination.company_key, value, upheld.at)
    if sequence != row.sequence:
        said = orjson.dumps(completed).decode()
        changes.companies.append(row._replace(sequence=sequence, completed=said))
    await transaction.end_spread(spread)
