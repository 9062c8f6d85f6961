"""The end of a fan-out's way round: the signal that all accounts of a terminated company are decided, and how many.

Owns `company_termination_completed`: sent once for each termination, after every member was decided by a
version of the company that has it, also where nobody was hit. It is a signal and never withdrawn. A fan-out repeats
until it began its way with the company's newest version; terminations that it began with are completed whatever comes
meanwhile, so that they need not wait for a company against which cases never end.
"""

import orjson

from workers.codec.terminations import read_since, read_terminations, termination_key
from workers.enforcement.outbox import Outbox
from workers.enforcement.unit_of_work import UnitOfWork
from workers.rules.company import Termination, case_details
from workers.rules.decisions import decision_id, joined
from workers.store.records import Fanout

COMPLETED_AT_ONCE = 20
"""Terminations completed in one transaction: for each, every member's decision is looked up."""
PAGE = 10_000


async def end_of_the_way(unit: UnitOfWork, fanout: Fanout, outbox: Outbox) -> None:
    """Signal what is complete, and end the fan-out or let it go round again.

    No account can join meanwhile: it waits for the company's lock, and is judged by what it finds then.
    """
    key = fanout.company_key
    row = (await unit.companies([key], "update"))[key]
    if not await unit.lock_fanout(fanout):
        return
    undecided = await unit.undecided_members(key)
    completed: list[str] = orjson.loads(row.completed)
    due = [] if undecided else _due(row.terminations, frozenset(completed), fanout.version)
    sequence = row.sequence
    for termination in due[:COMPLETED_AT_ONCE]:
        sequence += 1
        completed.append(termination_key(termination))
        value: dict[str, object] = {
            "company": {"key": termination.company_key, "name": termination.upheld.company_name},
            "accounts": await _count_hits(unit, key, termination),
            "sequence": sequence,
            **case_details(termination.upheld, termination),
        }
        outbox.completed(termination.company_key, value, termination.upheld.at)
    if due:
        said = orjson.dumps(completed).decode()
        outbox.changes.companies.append(row._replace(sequence=sequence, completed=said))
    if len(due) > COMPLETED_AT_ONCE:
        await unit.move_fanout(fanout, fanout)
    elif row.version > fanout.version:
        await unit.move_fanout(fanout, fanout._replace(version=row.version, cursor="", deferred=False))
    elif undecided:
        await unit.move_fanout(fanout, fanout._replace(deferred=True))
    else:
        await unit.end_fanout(fanout)


def _due(terminations: str, completed: frozenset[str], version: int) -> list[Termination]:
    """The terminations that all members were reached with on a way begun with `version`, and not completed yet."""
    since = read_since(terminations)
    found = ((termination_key(each), each) for each in read_terminations(terminations))
    return [each for mark, each in found if mark not in completed and since[mark] <= version]


async def _count_hits(unit: UnitOfWork, key: str, termination: Termination) -> int:
    """How many accounts the termination hit (T2): of how many such a decision is in force."""
    count, after = 0, ""
    while members := await unit.next_members(key, after, PAGE):
        count += await unit.count_decisions([(each, _hit(each, termination)) for each in members])
        after = members[-1]
    return count


def _hit(account_id: str, termination: Termination) -> str:
    """The id of the decision that an account has where the termination hit it."""
    upheld = termination.upheld
    cause = joined(upheld.event_id, termination.root_account_id)
    return decision_id(account_id, "account_terminated", upheld.at, cause)
