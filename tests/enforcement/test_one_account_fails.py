"""One account fails at some step of some worker: it alone is quarantined, all others are decided; it comes back."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.model.story import activation, case, enrolled, local, order
from tests.support.database_deployment import Broken, DatabaseDeployment, break_for
from tests.support.rules_engine import Message
from workers.enforcement import account_context, companies, evaluate, fast_path, outbox, process
from workers.enforcement.isolation import CannotStore
from workers.rules import history
from workers.rules.calendar import Instant
from workers.store.postgres import Store

NAMES = [f"a{number}" for number in range(10)]
BAD = "a4"
OTHERS = [name for name in NAMES if name != BAD]
SUSPENDED = local("2016-12-01")


@dataclass(frozen=True)
class Fault:
    """What fails for one account: a function that raises, or the database, by one statement and its undoing."""

    owner: Any = None
    name: str = ""
    about: Callable[..., str] = lambda first, *_, **__: str(getattr(first, "account_id", first))
    sql: str = ""
    undo: str = ""

    @asynccontextmanager
    async def planted(self, deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
        with monkeypatch.context() as broken:
            if self.owner is not None:
                real = getattr(self.owner, self.name)

                def fails(*given: Any, **named: Any) -> Any:
                    if self.about(*given, **named) == BAD:
                        raise Broken("a defect\0 of the 引擎")
                    return real(*given, **named)

                broken.setattr(self.owner, self.name, fails)
            if self.sql:
                await deployment.pool.execute(self.sql)
            yield
            if self.undo:
                await deployment.pool.execute(self.undo)


def of_decided(decided: Any, _: Any) -> str:
    return str(decided[0].subject) if decided else ""


def check(table: str, refused: str) -> Fault:
    """The database refuses some rows of the account."""
    return Fault(
        sql=f"alter table {table} add constraint refuses check (not ({refused})) not valid",
        undo=f"alter table {table} drop constraint refuses",
    )


FAULTS = {
    "parse": Fault(
        sql="create table kept as select * from facts where account_id = 'a4';"
        """update facts set content = '{"occurred_at": 1}' where account_id = 'a4'""",
        undo="update facts f set content = k.content from kept k "
        "where (f.account_id, f.topic, f.id) = (k.account_id, k.topic, k.id); drop table kept",
    ),
    "read context": Fault(account_context, "read_context"),
    "company": Fault(
        sql="insert into companies (company_key, terminations) values ('id:a4', '[{}]') "
        "on conflict (company_key) do update set terminations = '[{}]'",
        undo="update companies set terminations = '[]' where company_key = 'id:a4'",
    ),
    "evaluate": Fault(evaluate, "judge"),
    "difference": Fault(evaluate, "difference", of_decided),
    "message": Fault(outbox, "decision_message", lambda decision, *_, **__: str(decision.subject)),
    "standing": Fault(outbox, "standing_message"),
    "write a decision": check("current_decisions", f"subject = '{BAD}' and kind <> 'account_enrolled'"),
    "write a message": check("decision_log", f"subject = '{BAD}' and kind <> 'account_enrolled'"),
    "write a row": Fault(
        sql=f"create function refuse() returns trigger language plpgsql as $$ begin if new.account_id = '{BAD}' and "
        "new.quarantined is null then raise unique_violation; end if; return new; end $$;"
        "create trigger refuses before update on accounts for each row execute function refuse()",
        undo="drop trigger refuses on accounts; drop function refuse",
    ),
}


async def quarantined(deployment: DatabaseDeployment) -> dict[str, str]:
    return dict(await deployment.store.quarantined("", 100))


async def decided(deployment: DatabaseDeployment, kind: str) -> list[str]:
    """Whom decisions of a kind are about."""
    return sorted(each["account_id"] for each in await deployment.values(kind))


async def is_back(deployment: DatabaseDeployment, watermark: Instant) -> None:
    """After the repair the account is decided as it would have been, and so is every other."""
    assert (await deployment.enforcement.retry([BAD])).quarantined == {}
    await deployment.fanouts()
    assert await quarantined(deployment) == {}
    await deployment.check(watermark)
    sequences: dict[str, list[int]] = {}
    for row in await deployment.log():
        found = re.search(rb'"sequence":(\d+)', row.value)
        if row.kind != "account_standing" and found:
            sequences.setdefault(row.subject, []).append(int(found[1]))
    assert all(each == list(range(1, len(each) + 1)) for each in sequences.values()), sequences


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_in_ingest(deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in NAMES))
    batch: list[Message] = [order("2016-03-02", name, f"o-{name}") for name in NAMES]
    batch += [activation("2016-03-05", name, f"r-{name}") for name in NAMES]
    batch += [enrolled("2016-03-04", name, f"new-{name}", f"m-{name}") for name in NAMES]
    async with fault.planted(deployment, monkeypatch):
        done = await deployment.reads(*batch)
        assert done.quarantined.keys() == {BAD}
        assert await decided(deployment, "activation_refused") == OTHERS
        assert (await quarantined(deployment)).keys() == {BAD}
        positions = await deployment.pool.fetch("select topic, next_offset from positions where next_offset > 0")
        assert dict(map(tuple, positions)) == {
            "seller-accounts": 20, "order-status": 10, "account-requests": 10,
        }  # fmt: skip
        await deployment.reads(order("2016-03-06", BAD, "kept too"))
        kept = await deployment.pool.fetch("select topic from facts where account_id = $1 order by topic", BAD)
        assert [row[0] for row in kept] == ["account-requests", "seller-accounts", "seller-accounts"]
    await is_back(deployment, local("2016-03-06"))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_in_timers(deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in NAMES))
    await deployment.reads(*(order("2016-03-02", name, f"o-{name}") for name in NAMES))
    await deployment.move_watermark(SUSPENDED)
    async with fault.planted(deployment, monkeypatch):
        done = await deployment.enforcement.process_due(100)
        assert done.quarantined.keys() == {BAD}
        assert await decided(deployment, "account_suspended") == OTHERS
        assert (await deployment.enforcement.process_due(100)).accounts == 0
    await is_back(deployment, SUSPENDED)


@pytest.mark.parametrize("step", [each for each in FAULTS if each != "company"])
async def test_in_a_fan_out(deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, "c", f"e-{name}") for name in NAMES))
    await deployment.reads(case("2016-04-01", account="a0", category="refusal_of_trade_assurance"))
    async with FAULTS[step].planted(deployment, monkeypatch):
        await deployment.fanouts()
        assert await decided(deployment, "account_terminated") == OTHERS
        assert (await quarantined(deployment)).keys() == {BAD}
        assert await deployment.values("company_termination_completed") == []
    await is_back(deployment, local("2016-04-02"))
    assert [each["accounts"] for each in await deployment.values("company_termination_completed")] == [10]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(evaluate, "apply_cases"),
        Fault(companies, "case_effects"),
        Fault(evaluate, "judge"),
        Fault(outbox, "standing_message"),
        Fault(companies, "company_decisions", lambda _, terminations: terminations[-1].root_account_id),
        check("companies", "terminations like '%a4%'"),
    ],
    ids=["apply", "effects", "evaluate", "message", "the company's decisions", "write the company"],
)
async def test_no_case_of_an_account_that_fails_reaches_its_company(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """Another account changes its own company in the same batch, and that change is kept."""
    await deployment.reads(*(enrolled("2016-03-01", name, f"c{name in ('a1', BAD)}", f"e-{name}") for name in NAMES))
    upheld = [
        case("2016-04-01", account=name, case_id=name, category="refusal_of_trade_assurance") for name in ("a0", BAD)
    ]
    async with fault.planted(deployment, monkeypatch):
        assert (await deployment.reads(*upheld)).quarantined.keys() == {BAD}
        await deployment.fanouts()
        terminated = await decided(deployment, "account_terminated")
        assert terminated == [name for name in OTHERS if name != "a1"]
        assert [each["case_id"] for each in await deployment.values("company_terminated")] == ["a0"]
    await is_back(deployment, local("2016-04-02"))
    assert await decided(deployment, "account_terminated") == NAMES


@pytest.mark.parametrize(("step", "most"), [("evaluate", 1), ("message", 1), ("write a row", 8)])
async def test_an_evaluation_error_needs_no_rehearsal_and_a_refused_write_needs_a_few(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch, step: str, most: int
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in NAMES))
    begun = 0
    real = Store.transaction

    def counted(store: Store, *, rehearsal: bool = False) -> Any:
        nonlocal begun
        begun += 1
        return real(store, rehearsal=rehearsal)

    monkeypatch.setattr(Store, "transaction", counted)
    async with FAULTS[step].planted(deployment, monkeypatch):
        done = await deployment.reads(*(activation("2016-03-05", name, f"r-{name}") for name in NAMES))
    assert done.quarantined.keys() == {BAD}
    assert 1 <= begun <= most


async def test_the_fast_path_of_an_account_that_fails_stops_no_other(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in NAMES))
    real = history.begins_the_first_span

    def fails(at: Instant, **named: Any) -> bool:
        if at == local("2016-03-03"):
            raise Broken
        return real(at, **named)

    monkeypatch.setattr(fast_path, "begins_the_first_span", fails)
    later = {name: "2016-03-03" if name == BAD else "2016-03-04" for name in NAMES}
    done = await deployment.reads(*(order(at, name, f"p-{name}") for name, at in later.items()))
    assert (done.fast, done.quarantined) == (9, {})
    await deployment.check(local("2016-03-05"))


async def test_several_failing_accounts_are_each_found_and_a_last_order_that_the_database_refuses_too(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in NAMES))
    refuses = check("current_decisions", "subject in ('a0', 'a5', 'a9') and kind like 'activation%'")
    await deployment.pool.execute(refuses.sql)
    done = await deployment.reads(*(activation("2016-03-05", name, f"r-{name}") for name in NAMES))
    assert done.quarantined.keys() == {"a0", "a5", "a9"}
    assert len(await decided(deployment, "activation_refused")) == 7
    assert all("check constraint" in why for why in done.quarantined.values())
    await deployment.pool.execute(refuses.undo)
    assert (await deployment.enforcement.retry(NAMES)).accounts == 3
    await deployment.check(local("2016-03-05"))


async def test_an_account_of_which_not_even_the_facts_can_be_stored_ends_the_worker_with_its_name(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in NAMES))
    await deployment.pool.execute(check("facts", f"account_id = '{BAD}'").sql)
    with pytest.raises(CannotStore, match=f"account {BAD} .*check constraint"):
        await deployment.reads(*(activation("2016-03-05", name, f"r-{name}") for name in NAMES))
    assert await deployment.pool.fetchval("select sum(next_offset) from positions") == 10


async def test_a_failure_that_no_account_causes_is_raised_and_quarantines_none(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in NAMES))
    await deployment.pool.execute("alter table positions add constraint refuses check (next_offset < 11) not valid")
    with pytest.raises(Exception, match="refuses"):
        await deployment.reads(*(enrolled("2016-03-05", name, name, f"f-{name}") for name in NAMES))
    assert await quarantined(deployment) == {}


BROKEN_COMPANY = {
    "terminations": "update companies set terminations = '[{}]' where company_key = 'id:c'",
    "completed": "update companies set completed = '?' where company_key = 'id:c'",
    "because": "update company_fanouts set because = '{}' where company_key = 'id:c'",
}


@pytest.mark.parametrize("column", BROKEN_COMPANY)
async def test_a_company_that_cannot_be_read_stops_its_own_fan_out_alone(
    deployment: DatabaseDeployment, column: str
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, "c", f"e-{name}") for name in NAMES))
    await deployment.reads(*(enrolled("2016-03-01", f"z{name}", "z", f"z-{name}") for name in NAMES))
    await deployment.reads(case("2016-04-01", account="a0", category="refusal_of_trade_assurance"))
    [before] = await deployment.pool.fetch("select terminations, completed from companies where company_key = 'id:c'")
    because = await deployment.pool.fetchval("select because from company_fanouts")
    await deployment.pool.execute(BROKEN_COMPANY[column])
    await deployment.reads(case("2016-04-02", account="za0", case_id="z", category="refusal_of_trade_assurance"))
    await deployment.fanouts()
    terminated = await decided(deployment, "account_terminated")
    assert [name for name in terminated if name.startswith("z")] == [f"z{name}" for name in NAMES]
    assert [each["case_id"] for each in await deployment.values("company_termination_completed")] == ["z"]
    [(key, why)] = await deployment.pool.fetch("select company_key, quarantined from company_fanouts")
    assert key == "id:c"
    assert why
    assert await quarantined(deployment) == {}
    await deployment.pool.execute(
        "update companies set terminations = $1, completed = $2 where company_key = 'id:c'", *before
    )
    await deployment.pool.execute("update company_fanouts set because = $1", because)
    assert await deployment.store.retry_fanouts() == ["id:c"]
    await deployment.fanouts()
    assert sorted(each["accounts"] for each in await deployment.values("company_termination_completed")) == [10, 10]
    await deployment.check(local("2016-04-03"))


async def test_a_case_against_a_company_that_cannot_be_read_is_kept_and_decided_after_the_repair(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, "c", f"e-{name}") for name in NAMES))
    await deployment.pool.execute("update companies set terminations = '?' where company_key = 'id:c'")
    done = await deployment.reads(case("2016-04-01", account=BAD, category="refusal_of_trade_assurance"))
    assert "id:c cannot be read" in done.quarantined[BAD]
    await deployment.pool.execute("update companies set terminations = '[]'")
    await is_back(deployment, local("2016-04-02"))
    assert await decided(deployment, "account_terminated") == NAMES


async def test_a_member_that_joined_while_quarantined_is_terminated_with_the_company(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, "c", f"e-{name}") for name in OTHERS))
    async with FAULTS["read context"].planted(deployment, monkeypatch):
        await deployment.reads(enrolled("2016-03-02", BAD, "c", "joins"))
        await deployment.reads(case("2016-04-01", account="a0", category="refusal_of_trade_assurance"))
        await deployment.fanouts()
        assert await deployment.values("company_termination_completed") == []
    await is_back(deployment, local("2016-04-02"))
    assert [each["accounts"] for each in await deployment.values("company_termination_completed")] == [10]


async def test_an_account_whose_row_and_orders_disagree_is_quarantined_alone_and_its_row_is_left(
    deployment: DatabaseDeployment,
) -> None:
    await deployment.reads(*(enrolled("2016-03-01", name, name, f"e-{name}") for name in NAMES))
    await deployment.reads(*(order("2016-03-02", name, f"o-{name}") for name in NAMES))
    await deployment.pool.execute("delete from order_spans where account_id = $1", BAD)
    await deployment.move_watermark(SUSPENDED)
    assert (await deployment.enforcement.process_due(100)).quarantined.keys() == {BAD}
    assert await decided(deployment, "account_suspended") == OTHERS
    row = await deployment.store.account(BAD)
    assert row is not None
    assert row.last_effective_at == local("2016-03-02")


async def test_a_case_of_an_account_in_quarantine_waits_while_its_neighbours_case_terminates(
    deployment: DatabaseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are in one company: the neighbour's termination is decided, the other one after the repair."""
    await deployment.reads(*(enrolled("2016-03-01", name, "c", f"e-{name}") for name in NAMES))
    upheld = [
        case("2016-04-01", account=name, case_id=name, category="refusal_of_trade_assurance") for name in ("a0", BAD)
    ]
    with monkeypatch.context() as broken:
        break_for(broken, evaluate, "judge", BAD)
        assert (await deployment.reads(*upheld)).quarantined.keys() == {BAD}
        await deployment.fanouts()
    assert [each["case_id"] for each in await deployment.values("company_terminated")] == ["a0"]
    assert len(NAMES) < process.MOST_TERMINATIONS
    await is_back(deployment, local("2016-04-02"))
    assert sorted(each["accounts"] for each in await deployment.values("company_termination_completed")) == [10, 10]
