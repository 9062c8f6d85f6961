"""The terminal output of the commands: tables and sentences, no queries."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from contracts.kinds import KINDS, WITHDRAWN
from workers.ops.terminal import Terminal, bold, red
from workers.rules.calendar import Instant, written
from workers.rules.decisions import Decision
from workers.store.state import COUNTED_TO

if TYPE_CHECKING:
    from workers.commands.company import CompanyView
    from workers.commands.drain import Left
    from workers.commands.explain import Explanation
    from workers.commands.redrive import Redriven
    from workers.commands.retry import Retried
    from workers.commands.status import Status


def _short(at: Instant | None) -> str:
    return "-" if at is None else written(at)[:19].replace("T", " ") + " UTC"


MOST_LINES = 20
"""Lagging partitions and stuck lines that are shown: one cause can stop a thousand partitions. The JSON has all."""


def _counted(number: int) -> str:
    return f"{number:,} or more" if number >= COUNTED_TO else f"{number:,}"


def status(terminal: Terminal, found: "Status") -> None:
    """`standing status`."""
    lag = sum(found.lag.values())
    rows = [("records not read yet", f"{lag:,}")]
    behind = [(f"  {place}", f"{lag:,}") for place, lag in found.lag.items() if lag]
    rows += behind[:MOST_LINES]
    if len(behind) > MOST_LINES:
        rows.append((f"  and {len(behind) - MOST_LINES:,} more", ""))
    rows += [
        ("watermark", _short(found.watermark)),
        ("deadlines due", _counted(found.due) + (f" ({_counted(found.overdue)} overdue)" if found.overdue else "")),
        ("deadlines ahead", _counted(found.waiting)),
        ("decisions unpublished", f"{found.unpublished:,} (oldest {found.unpublished_seconds:.1f} s)"),
        ("fan-outs under way", _counted(found.fanouts)),
        ("dead letters", _counted(found.dead_letters)),
    ]
    terminal.table([], rows)
    for line in found.stuck[:MOST_LINES]:
        terminal.line(red("stuck:"), f" {line}")
    if len(found.stuck) > MOST_LINES:
        terminal.line(red("stuck:"), f" and {len(found.stuck) - MOST_LINES:,} more, see --json")
    for line in found.warnings[:MOST_LINES]:
        terminal.line(bold("warning:"), f" {line}")
    if len(found.warnings) > MOST_LINES:
        terminal.line(bold("warning:"), f" and {len(found.warnings) - MOST_LINES:,} more, see --json")


def explanation(terminal: Terminal, found: "Explanation") -> None:
    """`standing explain`."""
    judgement, standing = found.judgement, found.judgement.standing
    terminal.line(bold(found.account_id), " is ", bold(judgement.status))
    if standing is not None:
        terminal.line(f"  since  {_short(standing.since)}: {KINDS[standing.set_by].reason}")
        if found.deadline_not_before is not None:
            least = _short(found.deadline_not_before)
            terminal.line(f"  until  not before {least} ({standing.next}); its last order is not known")
        elif found.deadline is not None:
            terminal.line(f"  until  {_short(found.deadline)} ({standing.next})")
        terminal.line(f"  cure   {standing.cure}")
        if standing.company is not None:
            terminal.line(f"  trades under {standing.company.name} ({standing.company.key})")
    elif judgement.status != "not_enrolled":
        terminal.line("  nothing is decided before the first policy")
    if found.judged_short:
        until = (
            "no deadline is"
            if found.judged_until is None
            else f"only deadlines up to {_short(found.judged_until)} are"
        )
        terminal.line(f"  {until} judged yet")
    if judgement.deferred:
        terminal.line("  newer facts are deferred until the watermark reaches a deadline before them")
    if found.quarantined is not None:
        terminal.line("  ", red("quarantined:"), f" {found.quarantined}")
    if found.unreadable is not None:
        last = f"; its standing is the last one published: {found.unreadable}"
        terminal.line("  ", red("it cannot be judged"), last)
    facts = [(_short(at), text) for at, text in found.facts]
    terminal.table(("when", "fact"), facts, "Facts")
    decisions = [(_short(each.effective_at), each.clause, in_words(each)) for each in judgement.decisions]
    terminal.table(("when", "clause", "decision"), decisions, "Decisions")
    withdrawn = sum(message["kind"].endswith(WITHDRAWN) for message in found.log)
    terminal.line(f"messages published: {len(found.log)} (withdrawals: {withdrawn})")


def in_words(decision: Decision) -> str:
    """A decision in a few words: its kind and what its kind names."""
    words = [decision.kind.replace("_", " ")]
    details = decision.details
    if "reason" in details:
        words.append(f"({details['reason']})")
    if "days_left" in details:
        days = details["days_left"]
        words.append(f"({days} day left)" if days == 1 else f"({days} days left)")
    if "case_id" in details:
        words.append(f"(case {details['case_id']} against {details['root_account_id']})")
    words += [f"{name.replace('_', ' ')} {_short(at)}" for name, at in decision.instants.items()]
    return " ".join(words)


def company(terminal: Terminal, found: "CompanyView") -> None:
    """`standing company`."""
    terminal.line(bold(found.company_key))
    terminal.table(("account", "standing"), [(each.account_id, each.standing) for each in found.accounts])
    terminations = [
        (
            _short(each.upheld.at),
            f"{each.case_id} ({each.upheld.source})",
            each.root_account_id,
            _short(each.reapply_from),
            _short(None if each.reversal is None else each.reversal.at),
        )
        for each in found.terminations
    ]
    if terminations:
        terminal.table(("terminated", "case", "against", "re-apply from", "reversed"), terminations)
    if found.unreadable is not None:
        terminal.line(red("its terminations cannot be read:"), f" {found.unreadable}")
    if found.quarantined is not None:
        terminal.line(red("its members cannot be judged again:"), f" {found.quarantined}")
    elif found.fanning_out:
        terminal.line("its members are being judged again")


def retried(terminal: Terminal, done: "Retried") -> None:
    """`standing retry`."""
    terminal.line(f"{len(done.released):,} accounts are decided")
    for key in done.companies:
        terminal.line(f"the members of {key} are being judged again")
    for account_id, why in done.remaining.items():
        terminal.line(f"{account_id} is still quarantined: {why}")


def dead_letters(terminal: Terminal, found: list[dict[str, Any]]) -> None:
    """`standing dead-letters list`."""
    rows = [
        (f"{letter['topic']}/{letter['partition']}/{letter['offset']}", letter["reason"], letter["detail"])
        for letter in found
    ]
    if rows:
        terminal.table(("place", "reason", "detail"), rows)
    else:
        terminal.line("no dead letters")


def redriven(terminal: Terminal, done: "Redriven") -> None:
    """`standing dead-letters redrive`."""
    terminal.line(f"{done.sent:,} sent back to their topics")
    for place in done.already:
        terminal.line(f"{place}: already sent back, not sent again")
    for line in done.refused:
        terminal.line(red("refused:"), f" {line}")


@contextmanager
def draining(terminal: Terminal) -> Iterator[Callable[["Left"], None]]:
    """The progress of `standing drain` while the block runs: what is left, falling to nothing."""
    if not terminal.is_terminal:
        yield lambda _: None
        return
    most = 0
    with terminal.bars("left") as progress:
        task = progress.add_task("draining", total=None, left="")

        def update(found: "Left") -> None:
            nonlocal most
            left = found.unread + found.due + found.fanouts + (found.unpublished or 0)
            most = max(most, left)
            progress.update(task, total=most or None, completed=most - left, left=found.in_words)

        yield update
