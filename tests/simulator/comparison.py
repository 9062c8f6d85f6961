"""Compares what a simulated deployment published with the naive model.

It reads the output topics as a subscriber does, and the tables for what no topic says. It knows one rule, that of the
README: an account's standing is that of its last decision in force.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from contracts.kinds import DEADLINE_KINDS
from tests.model.naive import Result, walk
from tests.properties.comparing import NAMES, of_message, of_model
from tests.simulator.simulation import MODEL_POLICIES, Mismatch, World
from tests.support.scheduled_store import run_alone
from workers.rules.calendar import Instant, written

_KIND, _SUBJECT = NAMES.index("kind"), NAMES.index("subject")


@dataclass(slots=True)
class Seen:
    """The figures of one run."""

    messages: int = 0
    withdrawn: int = 0
    kills: int = 0
    timely: int = 0
    deadline_withdrawn_in_time: int = 0
    """Deadline decisions withdrawn although every fact came within the allowed lateness (there must be none)."""

    def add(self, other: "Seen") -> None:
        self.messages += other.messages
        self.withdrawn += other.withdrawn
        self.kills += other.kills
        self.timely += other.timely
        self.deadline_withdrawn_in_time += other.deadline_withdrawn_in_time


def compare(world: World) -> Seen:
    """Raises Mismatch where anything differs from the model or breaks a promise."""
    seen = Seen(kills=world.kills, timely=world.scenario.timely)
    watermark = _watermark(world)
    expected = walk([each.message for each in world.scenario.arrivals], MODEL_POLICIES, watermark)
    messages = _published(world)
    seen.messages = len(messages)
    net, standings = _read(messages, world, seen)
    _check_cases(messages, net, world.scenario.timely_cases)
    _same("decisions in force", {of_message(each) for each in net.values()}, set(map(of_model, expected.decisions)))
    in_force = sorted(net.values(), key=lambda value: (value["effective_at"], value["sequence"]))
    found, in_order = _by_subject(map(of_message, in_force)), _by_subject(map(of_model, expected.decisions))
    for subject, decisions in found.items():
        _same(f"order of {subject}", decisions, in_order[subject])
    _check_standings(world, expected, standings)
    _check_the_rule(in_force, standings)
    _check_completions(messages, net, _waiting(world, expected))
    return seen


def _watermark(world: World) -> Instant:
    """The watermark in the end, which is as far as it can be; all was read."""
    for place, position in world.store.tables.positions.items():
        _same(f"position of {place}", position.next_offset, world.logs[place].high_watermark)
    watermark: Instant = run_alone(world.store.transaction().progress()).watermark(world.scenario.allowed_lateness)
    newest = max(each.message[1]["occurred_at"] for each in world.scenario.arrivals)
    present = newest if world.scenario.events_clock else world.clock.now + max(0, *world.scenario.clocks)
    _same("watermark", watermark, present - world.scenario.allowed_lateness)
    return watermark


def _published(world: World) -> list[tuple[str, Mapping[str, Any]]]:
    """Topic and value of every message, in the order of its shard: each row of the log once."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    ids: set[str | bytes | None] = set()
    for shard, outgoing in enumerate(world.topics.published):
        log = world.store.tables.log[shard]
        _same(f"values of shard {shard}", [each.value for each in outgoing], [row.value for row in log])
        ids |= {dict(each.headers)["ce_id"] for each in outgoing}
        found += [(each.topic, orjson.loads(each.value or b"")) for each in outgoing]
    _same("unique ce_ids", len(ids), len(found))
    return found


def _read(
    messages: list[tuple[str, Mapping[str, Any]]], world: World, seen: Seen
) -> tuple[dict[str, Mapping[str, Any]], dict[str, Mapping[str, Any]]]:
    """The decisions in force by id, and what is said of each account in the end; checks the order of each subject."""
    net: dict[str, Mapping[str, Any]] = {}
    standings: dict[str, Mapping[str, Any]] = {}
    sequences: dict[tuple[bool, str], int] = {}
    asked = {each.message[1]["account_id"] for each in world.scenario.arrivals if "request_id" in each.message[1]}
    for topic, value in messages:
        if topic == "dead-letters":
            raise Mismatch(f"a dead letter: {value}")
        of_company = topic == "company-terminations"
        subject = value["company"]["key"] if of_company else value["account_id"]
        before = sequences.get((of_company, subject), 0)
        if topic == "account-standing":
            _same(f"sequence in the standing of {subject}", value["sequence"], before)
            standings[subject] = value
            continue
        _same(f"sequence of {subject}", value["sequence"], before + 1)
        sequences[of_company, subject] = before + 1
        if "withdraws" in value:
            taken = net.pop(value["withdraws"], None)
            if taken is None or value["kind"] != taken["kind"] + "_withdrawn":
                raise Mismatch(f"withdraws what does not stand: {value}")
            seen.withdrawn += 1
            if taken["kind"] in DEADLINE_KINDS and world.scenario.timely and subject not in asked:
                raise Mismatch(f"withdrawn though all facts came within the allowed lateness: {taken}, by {value}")
        elif "decision_id" in value and net.setdefault(value["decision_id"], value) is not value:
            raise Mismatch(f"published though it stands: {value}")
    return net, standings


def _check_cases(
    messages: list[tuple[str, Mapping[str, Any]]], net: Mapping[str, Mapping[str, Any]], timely: frozenset[str]
) -> None:
    """What a case in time terminated stays terminated by it; it may be published again, behind an earlier case."""
    for _, value in messages:
        in_time = value.get("kind") == "company_terminated" and value["case_event_id"] in timely
        if in_time and value["decision_id"] not in net:
            raise Mismatch(f"a case that came in time was taken back: {value}")


def _check_standings(world: World, expected: Result, standings: Mapping[str, Mapping[str, Any]]) -> None:
    rows = world.store.tables.accounts
    _same("quarantined accounts", {row.account_id: row.quarantined for row in rows.values() if row.quarantined}, {})
    known = {name: account.standing for name, account in expected.accounts.items() if name in rows}
    _same("standings", {name: row.standing for name, row in rows.items()}, known)
    said = {name: (value["standing"], value["since"]) for name, value in standings.items()}
    accounts = expected.accounts
    told = {
        name: (accounts[name].standing, None if (at := accounts[name].since) is None else written(at))
        for name in said
    }
    _same("account-standing", said, told)


def _by_subject(decisions: Iterable[tuple[object, ...]]) -> dict[tuple[object, ...], list[tuple[object, ...]]]:
    """The decisions of each company and of each account, in the order in which they are given."""
    found: dict[tuple[object, ...], list[tuple[object, ...]]] = {}
    for each in decisions:
        of_company = str(each[_KIND]).startswith("company_")
        found.setdefault((of_company, each[_SUBJECT]), []).append(each)
    return found


def _check_the_rule(in_force: Iterable[Mapping[str, Any]], standings: Mapping[str, Mapping[str, Any]]) -> None:
    """An account is as its last decision in force left it (README); without one it enrolled before the policies."""
    last = {value["account_id"]: value["standing_after"] for value in in_force if "account_id" in value}
    for name in last.keys() | standings.keys():
        said = standings[name]["standing"] if name in standings else "not_enrolled"
        if name not in last and standings[name]["since"] >= written(MODEL_POLICIES[0].effective_from):
            raise Mismatch(f"a standing without a decision: {standings[name]}")
        _same(f"standing of {name} by its last decision", last.get(name, said), said)


def _waiting(world: World, expected: Result) -> set[str]:
    """The companies with a member that waits for the watermark; the others' fan-outs must be at their end."""
    tables = world.store.tables
    waiting = {
        key
        for key, members in tables.memberships.items()
        if any(expected.accounts[name].deferred_from is not None for name in members)
    }
    _same("fan-outs under way", tables.fanouts.keys() - waiting, set())
    return waiting & tables.fanouts.keys()


def _check_completions(
    messages: list[tuple[str, Mapping[str, Any]]], net: Mapping[str, Mapping[str, Any]], waiting: set[str]
) -> None:
    """Each termination of a company was signalled to be complete, once, unless members wait."""
    signals = [_termination(value) for _, value in messages if value.get("kind") == "company_termination_completed"]
    _same("completions", len(signals), len(set(signals)))
    terminated = [each for each in net.values() if each["kind"] == "company_terminated"]
    expected = {_termination(each) for each in terminated if each["company"]["key"] not in waiting}
    missing = expected - set(signals)
    _same("terminations without their completion", missing, set())


def _termination(value: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return (value["company"]["key"], value["case_event_id"], value["root_account_id"], value["effective_at"])


def _same(what: str, found: object, expected: object) -> None:
    if found == expected:
        return
    if isinstance(found, set) and isinstance(expected, set):
        raise Mismatch(f"{what}: found alone {found - expected}, expected alone {expected - found}")
    raise Mismatch(f"{what}: found {found}, expected {expected}")
