"""The decision log and what the hot path costs the database: gapless, chained, and updates that touch no index."""

import hashlib
import json
from collections import defaultdict
from uuid import NAMESPACE_URL, uuid5

from tests.model.story import case, enrolled, local, order
from tests.support.database_deployment import SHARDS, DatabaseDeployment
from workers.rules.calendar import DAY
from workers.store.statements import statement
from workers.store.transaction import lines


async def story(deployment: DatabaseDeployment) -> None:
    """Something of everything: enrolments, a company, notices, a withdrawal, a dead letter."""
    names = [f"a{number}" for number in range(12)]
    await deployment.reads(*(enrolled("2016-03-01", name, f"c{index % 4}", name) for index, name in enumerate(names)))
    await deployment.reads(case("2016-04-01", account="a3", category="refusal_of_trade_assurance"))
    await deployment.fanouts()
    await deployment.reaches(local("2016-09-01"))
    await deployment.reads(order("2016-06-01", "a1", "late"), enrolled("2016-03-02", "a2", "c2", "a2"))
    await deployment.reaches(local("2016-09-01"))


def chained(before: bytes, *parts: bytes) -> bytes:
    """A row's hash as the architecture describes it: over the hash before, the lengths and the content."""
    lengths = ",".join(str(len(part)) for part in parts).encode()
    return hashlib.sha256(b";".join([before, lengths, *parts])).digest()


async def test_each_shard_is_gapless_and_its_hashes_follow_from_all_that_came_before(
    deployment: DatabaseDeployment,
) -> None:
    await story(deployment)
    rows = await deployment.pool.fetch("select * from decision_log order by shard, seq")
    heads = {row["shard"]: row for row in await deployment.pool.fetch("select * from shards")}
    assert {row["shard"] for row in rows} == set(heads) == set(range(SHARDS))
    for shard, head in heads.items():
        own = [row for row in rows if row["shard"] == shard]
        assert [row["seq"] for row in own] == list(range(1, len(own) + 1))
        before = b""
        for row in own:
            before = chained(before, row["topic"].encode(), row["key"] or b"", row["headers"].encode(), row["value"])
            assert row["hash"] == before, (shard, row["seq"])
        assert (head["next_seq"], head["last_hash"]) == (len(own) + 1, before)


async def test_a_message_s_id_follows_from_incarnation_shard_and_seq(deployment: DatabaseDeployment) -> None:
    await story(deployment)
    for row in await deployment.log():
        headers = dict(json.loads(row.headers))
        assert headers["ce_id"] == str(uuid5(deployment.incarnation, f"{row.shard}/{row.seq}"))
        assert headers["ce_type"] == f"standing.{row.kind}.v1"
        assert headers["ce_subject"] == row.subject


async def test_a_subject_s_messages_stand_in_one_shard_with_a_gapless_sequence(
    deployment: DatabaseDeployment,
) -> None:
    await story(deployment)
    shards, sequences = defaultdict(set), defaultdict(list)
    for row in await deployment.log():
        if row.kind == "dead_letter":
            continue
        shards[row.subject].add(row.shard)
        if row.kind != "account_standing":
            sequences[row.subject].append(json.loads(row.value)["sequence"])
    assert {len(found) for found in shards.values()} == {1}
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())
    kinds = [row.kind for row in await deployment.log() if row.subject == "a1"]
    assert [kind for kind in kinds if kind.endswith("_withdrawn")] == [
        "account_suspended_withdrawn", *["suspension_notice_withdrawn"] * 3,
    ]  # fmt: skip  # newest first


async def test_decision_ids_are_those_of_the_contract(deployment: DatabaseDeployment) -> None:
    await story(deployment)
    space = uuid5(NAMESPACE_URL, "urn:standing:decisions")
    found = {each["account_id"]: each for each in await deployment.values("account_suspended")}
    text = "\n".join(("a1", "account_suspended", "2016-08-28T16:00:00.000000Z", ""))
    assert found["a1"]["effective_at"] == "2016-08-28T16:00:00.000000Z"
    assert found["a1"]["decision_id"] == str(uuid5(space, text))


async def test_ordinary_orders_are_hot_updates_that_write_no_index_and_no_log(deployment: DatabaseDeployment) -> None:
    names = [f"a{number:03}" for number in range(200)]
    await deployment.reads(*(enrolled("2016-03-01", name, name, name) for name in names))
    await deployment.reads(*(order("2016-03-02", name, f"first-{name}") for name in names))
    length = len(await deployment.log())
    before = await updates(deployment)
    for day in range(30):
        at = local("2016-03-03") + day * DAY
        done = await deployment.reads(*(order(at + i, name, f"{day}-{name}") for i, name in enumerate(names)))
        assert (done.fast, done.judged, done.messages) == (200, 0, 0)
    after = await updates(deployment)
    assert after[0] - before[0] == 6000
    assert (after[1] - before[1]) / 6000 > 0.9
    assert len(await deployment.log()) == length


async def updates(deployment: DatabaseDeployment) -> tuple[int, int]:
    """Updates of clocks so far, and how many of them were HOT."""
    await deployment.pool.execute("select pg_stat_force_next_flush()")
    row = await deployment.pool.fetchrow(
        "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'account_clocks'"
    )
    assert row is not None
    return row[0], row[1]


async def test_the_statements_of_the_hot_path_find_accounts_by_their_key(deployment: DatabaseDeployment) -> None:
    """However stale the statistics are: the table is made large behind the planner's back."""
    await deployment.pool.execute(
        "insert into accounts (account_id) select 'a' || number from generate_series(1, 20000) as number;"
        "insert into account_clocks select account_id, now(), now(), account_id from accounts"
    )
    ids = [f"a{number}" for number in range(1, 5001)]
    instants = [local("2016-03-02")] * 5000
    for name, arguments in (
        ("lock_accounts", (ids,)),
        ("lock_free_accounts", (ids,)),
        ("move_clocks", (lines(ids), lines(instants), lines(instants), lines(ids), instants[0], instants[0], 5000)),
        ("lock_clocks", (ids,)),
        ("lock_free_clocks", (ids,)),
        ("claim_due", (instants[0], 400)),
    ):
        plan = "\n".join(row[0] for row in await deployment.pool.fetch(f"explain {statement(name)}", *arguments))
        index = (
            "accounts_next_check"
            if name == "claim_due"
            else f"account{'s' if 'accounts' in name else '_clocks'}_pkey"
        )
        assert index in plan, plan
        assert "Seq Scan" not in plan, plan
        if name == "move_clocks":  # it locks the accounts in the order in which they are given
            assert "Nested Loop" in plan, plan
            assert plan.index("Function Scan") < plan.index("Index Scan"), plan
