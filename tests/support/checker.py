"""The independent checker: compares everything that a deployment read with everything that it published.

It reads the topics and the rows of the database, uses the naive model in `tests/model`, and shares no code with the
engine. It names what is lost, doubled or wrong; a clean verdict means that the promise of the README held.

The deployment must be at rest: drained, or its workers stopped after that.
"""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from tests.model.calendar import Instant, parse_instant, write_instant
from tests.model.decisions import Decision
from tests.model.policies import load_policies
from tests.support.expected import LARGEST, Expected, expect, place_of
from tests.support.seen import Record, Seen, look

SHOWN = 20
KEPT_WHOLE = 64 * 1024
"""Bytes of a bad record's value that its dead letter has."""
INSTANTS = ("expires_at", "locked_out_until", "reapply_from", "not_before", "deadline")
TEXTS = ("reason", "days_left", "order_id", "request_id", "case_id", "case_event_id", "root_account_id", "source")
UNNUMBERED = ("account-standing", "dead-letters")


@dataclass(slots=True)
class Verdict:
    """What was found wrong, in words; and figures of what was compared."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        lines = [f"{len(self.lost)} lost, {len(self.doubled)} doubled, {len(self.wrong)} wrong; {self.figures}"]
        for name in ("lost", "doubled", "wrong"):
            lines += [f"  {name}: {each}" for each in getattr(self, name)[:SHOWN]]
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """The verdict as a machine reads it."""
        counts = {name: len(getattr(self, name)) for name in ("lost", "doubled", "wrong")}
        return {**counts, "clean": self.clean, "details": str(self).splitlines()[1:], "figures": self.figures}


async def check(
    bootstrap: str,
    database_url: str,
    prefix: str,
    policies: Path,
    clock: str = "events",
    allowed_lateness_seconds: float = 0,
    largest: int = LARGEST,
) -> Verdict:
    """Check an idle deployment; `policies` is the directory of its policy files."""
    seen = await look(bootstrap, database_url, prefix)
    return await asyncio.to_thread(judge, seen, policies, clock, allowed_lateness_seconds, largest)


def judge(
    seen: Seen, policies: Path, clock: str = "events", allowed_lateness_seconds: float = 0, largest: int = LARGEST
) -> Verdict:
    """The verdict on what was seen. With the clock `wall` the watermark is the one the database states."""
    expected = expect(seen, load_policies(policies), clock, round(allowed_lateness_seconds * 1_000_000), largest)
    verdict = Verdict()
    compare_positions(seen, expected, clock, verdict)
    compare_facts(seen, expected, verdict)
    compare_dead_letters(seen, expected, verdict)
    compare_log(seen, verdict)
    compare_sequences(seen, verdict)
    compare_decisions(seen, expected, verdict)
    compare_evidence(seen, expected, verdict)
    compare_completions(seen, expected, verdict)
    compare_standings(seen, expected, verdict)
    verdict.figures = {
        "records": len(seen.inputs),
        "facts": expected.read,
        "accounts": len(expected.result.accounts),
        "published": len(seen.outputs),
        "decisions": len(expected.result.decisions),
        "withdrawals": sum("withdraws" in each.json for each in of_decisions(seen)),
        "dead_letters": len(expected.dead),
    }
    return verdict


def of_decisions(seen: Seen) -> Iterator[Record]:
    """What was published of decisions: withdrawals and signals too."""
    return (each for each in seen.outputs if each.topic not in UNNUMBERED)


def compare_positions(seen: Seen, expected: Expected, clock: str, verdict: Verdict) -> None:
    """Every partition was read to its end; with the clock `events` it is known to be complete up to the newest."""
    found = {(row["topic"], row["partition"]): row for row in seen.rows["positions"]}
    for place, end in seen.ends.items():
        row = found.pop(place, None)
        if row is None or row["next_offset"] < end:
            verdict.lost.append(f"records of {place} from {row and row['next_offset']} to {end} were not read")
        elif row["next_offset"] > end:
            verdict.wrong.append(f"position {row['next_offset']} of {place} is beyond the end {end}")
        elif clock == "events" and expected.newest is not None and instant(row["watermark"]) != expected.newest:
            verdict.wrong.append(f"{place} is complete until {row['watermark']}, not {said(expected.newest)}")
    verdict.wrong += [f"a position of {place}, which does not exist" for place in found]


def compare_facts(seen: Seen, expected: Expected, verdict: Verdict) -> None:
    """Every fact is stored, once; every effective order lies in a span, and the last one is in its account's row."""
    stored = Counter((row["account_id"], row["topic"], row["id"]) for row in seen.rows["facts"])
    verdict.lost += [f"fact {each} is not stored" for each in expected.facts - stored.keys()]
    verdict.wrong += [f"fact {each} was never read" for each in stored.keys() - expected.facts]
    rows = {row["account_id"]: row for row in seen.rows["accounts"]}
    verdict.wrong += [
        f"account {name} is quarantined: {row['quarantined']}" for name, row in rows.items() if row["quarantined"]
    ]
    spans: dict[str, list[list[Instant]]] = {}
    for row in seen.rows["order_spans"]:
        span = [definite(row["first_at"]), definite(row["last_at"])]
        spans.setdefault(row["account_id"], []).append(span)
    for account_id, orders in expected.orders.items():
        account = rows.get(account_id)
        last = max(orders)
        if account is None or (instant(account["last_effective_at"]), account["last_order_id"]) != last:
            verdict.lost.append(f"the last order {last} of {account_id} is not in its row: {account}")
            continue
        own = sorted(spans.get(account_id, []))
        if own:
            own[-1][1] = max(own[-1][1], last[0])  # the end of the last span is kept in the account's row
        outside = [each for each in orders if not any(first <= each[0] <= end for first, end in own)]
        verdict.lost += [f"order {each} of {account_id} lies in no span" for each in outside]


def compare_dead_letters(seen: Seen, expected: Expected, verdict: Verdict) -> None:
    """Every bad record is one dead letter, for the right reason and as it was sent."""
    sent = {each.place: each for each in seen.inputs}
    found = Counter(place_of(each.json) for each in seen.outputs if each.topic == "dead-letters")
    reasons = {place_of(each.json): each.json["reason"] for each in seen.outputs if each.topic == "dead-letters"}
    verdict.doubled += [f"dead letter {place}, {count} times" for place, count in found.items() if count > 1]
    verdict.lost += [f"dead letter {place}" for place in expected.dead.keys() - found.keys()]
    verdict.wrong += [f"dead letter {place}: {reasons[place]}" for place in found.keys() - expected.dead.keys()]
    for place in expected.dead.keys() & found.keys():
        if reasons[place] != expected.dead[place]:
            verdict.wrong.append(f"dead letter {place} for {reasons[place]}, not {expected.dead[place]}")
    for each in seen.outputs:
        record = sent.get(place_of(each.json)) if each.topic == "dead-letters" else None
        if record is not None and len(record.value or b"") <= KEPT_WHOLE:
            kept = each.json["value"]
            if (None if kept is None else base64.b64decode(kept)) != record.value:
                verdict.wrong.append(f"dead letter {record.place} has another value: {kept}")


def compare_log(seen: Seen, verdict: Verdict) -> None:
    """Each row of the log is in Kafka exactly once, as it is in the log, and nothing else is."""
    incarnation = UUID(seen.rows["deployment"][0]["incarnation"])
    logged: dict[str, dict[str, Any]] = {}
    numbers: dict[int, list[int]] = {}
    for row in seen.rows["decision_log"]:
        logged[str(uuid5(incarnation, f"{row['shard']}/{row['seq']}"))] = row
        numbers.setdefault(row["shard"], []).append(row["seq"])
    for shard, found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            verdict.lost.append(f"shard {shard} of the log has gaps: {len(found)} rows up to {max(found)}")
    times = Counter(each.headers.get("ce_id", "") for each in seen.outputs)
    verdict.doubled += [f"ce_id {name}, {count} times" for name, count in times.items() if count > 1]
    newest: dict[str, str] = {}
    compacted: set[str] = set()  # of an account's standings, compaction leaves the newest
    for name, row in sorted(logged.items(), key=lambda each: each[1]["seq"]):
        headers: dict[str, str] = dict(json.loads(row["headers"]))
        if headers["ce_type"] == "standing.account_standing.v1":
            compacted |= {newest[headers["ce_subject"]]} if headers["ce_subject"] in newest else set()
            newest[headers["ce_subject"]] = name
    verdict.lost += [f"row {name} of the log is not in Kafka" for name in logged.keys() - times.keys() - compacted]
    for each in seen.outputs:
        own = logged.get(each.headers.get("ce_id", ""), {})
        if not own or own["value"] != each.value or dict(json.loads(own["headers"])) != each.headers:
            verdict.wrong.append(f"{each.topic} {each.place} is not as a row of the log has it")


def compare_sequences(seen: Seen, verdict: Verdict) -> None:
    """An account's or company's messages are numbered 1, 2, 3 ..., and come in that order within a topic."""
    numbers: dict[tuple[str, str], list[int]] = {}
    last: dict[tuple[str, str], int] = {}
    for each in seen.outputs:
        if each.topic == "dead-letters":
            continue
        sequence, subject = each.json["sequence"], subject_of(each)
        if each.key != subject[1].encode() or each.headers.get("ce_subject") != subject[1]:
            verdict.wrong.append(f"{each.topic} of {subject} has the key {each.key!r}")
        if each.topic != "account-standing":
            numbers.setdefault(subject, []).append(sequence)
        place = (each.topic, subject[1])
        if sequence < last.get(place, 0):
            verdict.wrong.append(f"{each.topic} of {subject} is out of order at {sequence}")
        last[place] = sequence
    for subject, found in numbers.items():
        twice = [number for number, count in Counter(found).items() if count > 1]
        verdict.doubled += [f"number {number} of {subject}" for number in twice]
        verdict.lost += [f"number {each} of {subject}" for each in set(range(1, max(found) + 1)).difference(found)]


def subject_of(record: Record) -> tuple[str, str]:
    """Whom a message is about."""
    if record.topic == "company-terminations":
        return "company", record.json["company"]["key"]
    return "account", record.json["account_id"]


def compare_decisions(seen: Seen, expected: Expected, verdict: Verdict) -> None:
    """The decisions in force are those of the model, in every field."""
    net: dict[str, Record] = {}
    for each in sorted(of_decisions(seen), key=lambda each: each.json["sequence"]):
        value = each.json
        if "withdraws" in value:
            if net.pop(value["withdraws"], None) is None:
                verdict.wrong.append(f"{value['withdraws']} is withdrawn but does not stand: {value}")
        elif "decision_id" in value:
            if value["decision_id"] in net:
                verdict.doubled.append(f"decision {value}")
            net[value["decision_id"]] = each
    wanted = {decision.decision_id: decision for decision in expected.result.decisions}
    verdict.lost += [f"decision {wanted[each]}" for each in wanted.keys() - net.keys()]
    verdict.wrong += [f"decision {net[each].json} should not stand" for each in net.keys() - wanted.keys()]
    for name in wanted.keys() & net.keys():
        right, found = of_model(wanted[name]), of_message(net[name], wanted[name])
        differing = [f"{key}: {found[key]!r}, not {right[key]!r}" for key in right if found[key] != right[key]]
        if differing:
            verdict.wrong.append(f"{wanted[name].kind} {name} of {wanted[name].subject}: {differing}")
    compare_order(net, expected, verdict)
    compare_last(seen, net, verdict)
    stored = Counter(row["decision_id"] for row in seen.rows["current_decisions"])
    if stored != Counter(net.keys()):
        verdict.wrong.append(f"the database has other decisions in force: {sorted(stored.keys() ^ net.keys())[:3]}")


def compare_order(net: Mapping[str, Record], expected: Expected, verdict: Verdict) -> None:
    """By `effective_at`, then `sequence`, the decisions in force of each account and company are in the order of the
    model.
    """
    wanted: dict[tuple[str, str], list[str]] = {}
    for decision in expected.result.decisions:  # each account's and company's in its own order
        if decision.decision_id in net:
            subject = ("company" if decision.account_id is None else "account", decision.subject)
            wanted.setdefault(subject, []).append(decision.decision_id)
    places = {name: index for of_one in wanted.values() for index, name in enumerate(of_one)}
    for subject, of_one in in_force(net.values()).items():
        known = [each["decision_id"] for each in of_one if each["decision_id"] in places]
        if known != wanted.get(subject, []):
            verdict.wrong.append(f"what stands of {subject} is in the order {[places[name] for name in known]}")


def compare_last(seen: Seen, net: Mapping[str, Record], verdict: Verdict) -> None:
    """An account's newest `account-standing` is that of its last decision in force, where there is one (README)."""
    newest = {
        each.json["account_id"]: each.json["standing"] for each in seen.outputs if each.topic == "account-standing"
    }
    for (kind, name), of_one in in_force(net.values()).items():
        after, standing = of_one[-1]["standing_after"], newest.get(name, "not_enrolled")
        if kind == "account" and after != standing:
            verdict.wrong.append(f"{name} is said to be {standing}, and by its last decision in force {after}")


def in_force(net: Iterable[Record]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The decisions in force of each account and company as a subscriber sorts them."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in sorted(net, key=lambda each: (each.json["effective_at"], each.json["sequence"])):
        found.setdefault(subject_of(each), []).append(each.json)
    return found


def of_model(decision: Decision) -> dict[str, object]:
    """A decision as the model has it."""
    found: dict[str, object] = {name: getattr(decision, name) for name in TEXTS}
    found |= {name: said(getattr(decision, name)) for name in INSTANTS}
    if decision.account_id is not None:  # of a company the engine tells its own standing, which the model has not
        found |= {"before": decision.standing_before, "after": decision.standing_after}
    return found | {
        "topic": decision.topic,
        "kind": decision.kind,
        "clause": decision.clause,
        "subject": decision.subject,
        "company": decision.company,
        "effective_at": said(decision.effective_at),
        "policy": {"id": decision.policy_id, "digest": decision.policy_digest},
    }


def of_message(record: Record, decision: Decision) -> dict[str, object]:
    """The same of a message; a company that the model does not know of is not compared."""
    value = record.json
    found: dict[str, object] = {name: value.get(name) for name in (*TEXTS, *INSTANTS)}
    return found | {
        "before": value["standing_before"],
        "after": value["standing_after"],
        "topic": record.topic,
        "kind": value["kind"],
        "clause": value["clause"],
        "subject": subject_of(record)[1],
        "company": value["company"]["key"] if "company" in value else None,
        "effective_at": value["effective_at"],
        "policy": value["policy"],
    }


def compare_evidence(seen: Seen, expected: Expected, verdict: Verdict) -> None:
    """What a decision rests on are facts that were read, and some there are; so are those for which one is withdrawn.

    A rebuild by other policies withdraws without a late fact.
    """
    for each in of_decisions(seen):
        value = each.json
        named = value.get("evidence" if "decision_id" in value else "because", [])
        if not named and "decision_id" in value:
            verdict.wrong.append(f"{value['kind']} names no fact: {value}")
        for fact in named:
            account_id, at = fact["account_id"], parse_instant(fact["occurred_at"])
            is_order = fact["topic"] == "order-status" and (at, fact["id"]) in expected.orders.get(account_id, ())
            if not is_order and (account_id, fact["topic"], fact["id"]) not in expected.facts:
                verdict.wrong.append(f"{value['kind']} names {fact}, which nobody sent: {value}")


def compare_completions(seen: Seen, expected: Expected, verdict: Verdict) -> None:
    """A company's termination that stands was signalled as completed, unless members wait; none was twice."""
    waits = {name for name, account in expected.result.accounts.items() if account.deferred_from is not None}
    waiting = {row["company_key"] for row in seen.rows["memberships"] if row["account_id"] in waits}
    under_way = {row["company_key"] for row in seen.rows["fanouts"]}
    verdict.wrong += [f"the fan-out of {key} was not completed" for key in under_way - waiting]
    kind = "company_termination_completed"
    signals = Counter(completion(each.json) for each in of_decisions(seen) if each.json["kind"] == kind)
    verdict.doubled += [f"completion {each}, {count} times" for each, count in signals.items() if count > 1]
    for decision in expected.result.decisions:
        if decision.kind == "company_terminated":
            own = (decision.subject, decision.case_event_id, decision.root_account_id, said(decision.effective_at))
            if own not in signals and decision.subject not in waiting & under_way:
                verdict.lost.append(f"completion {own}")


def completion(value: Mapping[str, Any]) -> tuple[object, ...]:
    """Which termination a signal is about."""
    return value["company"]["key"], value["case_event_id"], value["root_account_id"], value["effective_at"]


def compare_standings(seen: Seen, expected: Expected, verdict: Verdict) -> None:
    """The newest `account-standing` of each account says where the model has it, and so does the database."""
    newest = {each.json["account_id"]: each.json for each in seen.outputs if each.topic == "account-standing"}
    stored = {row["account_id"]: row["standing"] for row in seen.rows["accounts"]}
    for account_id, account in expected.result.accounts.items():
        if stored.get(account_id, "not_enrolled") != account.standing:
            verdict.wrong.append(f"{account_id} is {stored.get(account_id)} in the database, not {account.standing}")
        value = newest.pop(account_id, None)
        if account.standing == "not_enrolled":
            if value is not None:
                verdict.wrong.append(f"a standing of {account_id}, which never enrolled: {value}")
            continue
        if value is None:
            verdict.lost.append(f"the standing of {account_id}, which is {account.standing}")
            continue
        right: dict[str, object] = {"standing": account.standing, "since": said(account.since)}
        if account.standing == "temporarily_active":
            right["deadline"] = said(account.deadline)
        if account.deferred_from is None and account.standing != "closed":
            right["company"] = account.company
        said_now = value | {"company": value["company"]["key"] if "company" in value else None}
        if any(said_now.get(name) != content for name, content in right.items()):
            verdict.wrong.append(f"the standing of {account_id} is {value}, not {right}")
    verdict.wrong += [f"a standing of {account_id}, of which nothing was read" for account_id in newest]


def said(at: Instant | None) -> str | None:
    """An instant as it is written in messages."""
    return None if at is None else write_instant(at)


def instant(text: str | None) -> Instant | None:
    """An instant as PostgreSQL writes it in UTC."""
    return None if text is None else definite(text)


def definite(text: str) -> Instant:
    """The same where there is one: `2016-03-01 02:00:00.5+00`."""
    return parse_instant(text.replace(" ", "T", 1) + ":00")
