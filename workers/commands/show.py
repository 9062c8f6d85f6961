"""What the commands print in a terminal: tables and sentences, no look-ups."""

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from contracts.kinds import KINDS, WITHDRAWN
from workers.commands.explain import CompanyView, Explanation, facts_in_words
from workers.commands.redrive import Redriven
from workers.commands.status import Status
from workers.rules.calendar import Instant, written
from workers.rules.decisions import Decision


def _short(at: Instant | None) -> str:
    return "-" if at is None else written(at)[:19].replace("T", " ") + " UTC"


def status(console: Console, found: Status) -> None:
    """`standing status`."""
    table = Table(show_header=False, box=None)
    lag = sum(found.lag.values())
    table.add_row("records not read yet", f"{lag:,}")
    for place, behind in found.lag.items():
        if behind:
            table.add_row(f"  {place}", f"{behind:,}")
    table.add_row("horizon", _short(found.horizon))
    table.add_row("deadlines due", f"{found.due:,}" + (f" ({found.overdue:,} overdue)" if found.overdue else ""))
    table.add_row("deadlines ahead", f"{found.waiting:,}")
    table.add_row("decisions unpublished", f"{found.unpublished:,} (oldest {found.unpublished_seconds:.1f} s)")
    table.add_row("spreads under way", f"{found.spreads:,}")
    table.add_row("dead letters", f"{found.dead_letters:,}")
    console.print(table)
    for line in found.stuck:
        console.print(f"[red]stuck:[/red] {line}", highlight=False)


def explanation(console: Console, found: Explanation) -> None:
    """`standing explain`."""
    judgement, standing = found.judgement, found.judgement.standing
    console.print(f"[bold]{found.account_id}[/bold] is [bold]{judgement.status}[/bold]", highlight=False)
    if standing is not None:
        console.print(f"  since  {_short(standing.since)}: {KINDS[standing.brought_by].reason}", highlight=False)
        if found.deadline_not_before is not None:
            least = _short(found.deadline_not_before)
            console.print(
                f"  until  not before {least} ({standing.next}); its last order is not known", highlight=False
            )
        elif found.deadline is not None:
            console.print(f"  until  {_short(found.deadline)} ({standing.next})", highlight=False)
        console.print(f"  cure   {standing.cure}", highlight=False)
        if standing.company is not None:
            console.print(f"  trades under {standing.company.name} ({standing.company.key})", highlight=False)
    elif judgement.status != "not_enrolled":
        console.print("  nothing is decided before the first policy")
    if found.judged_short:
        known = "no deadline" if found.judged_until is None else f"deadlines up to {_short(found.judged_until)}"
        console.print(f"  {known} judged yet: what a later one decides is not known", highlight=False)
    if judgement.waits:
        console.print("  newer facts wait until every partition was read up to a deadline before them")
    if found.held:
        console.print("  [red]held:[/red] its judgement raised an error, see the logs")
    facts = Table("when", "fact", title="Facts", title_justify="left", box=None)
    for at, text in facts_in_words(found.history, found.at):
        facts.add_row(_short(at), text)
    decisions = Table("when", "clause", "decision", title="Decisions", title_justify="left", box=None)
    for decision in judgement.decisions:
        decisions.add_row(_short(decision.effective_at), decision.clause, in_words(decision))
    console.print(facts, decisions)
    withdrawn = sum(message["kind"].endswith(WITHDRAWN) for message in found.log)
    console.print(f"{len(found.log)} messages published, {withdrawn} of them withdrawals", highlight=False)


def in_words(decision: Decision) -> str:
    """A decision in a few words: its kind and what its kind names."""
    words = [decision.kind.replace("_", " ")]
    details = decision.details
    if "reason" in details:
        words.append(f"({details['reason']})")
    if "days_left" in details:
        words.append(f"({details['days_left']} days left)")
    if "case_id" in details:
        words.append(f"(case {details['case_id']} against {details['root_account_id']})")
    words += [f"{name.replace('_', ' ')} {_short(at)}" for name, at in decision.instants.items()]
    return " ".join(words)


def company(console: Console, found: CompanyView) -> None:
    """`standing company`."""
    console.print(f"[bold]{found.company_key}[/bold]", highlight=False)
    accounts = Table("account", "standing", box=None)
    for account in found.accounts:
        accounts.add_row(account.account_id, account.standing)
    terminations = Table("terminated", "case", "against", "re-apply from", "reversed", box=None)
    for each in found.terminations:
        reversed_at = None if each.reversal is None else each.reversal.at
        terminations.add_row(
            _short(each.upheld.at),
            f"{each.case_id} ({each.upheld.source})",
            each.root_account_id,
            _short(each.reapply_from),
            _short(reversed_at),
        )
    console.print(accounts)
    if found.terminations:
        console.print(terminations)
    if found.spreading:
        console.print("its members are being judged again")


def dead_letters(console: Console, found: list[dict[str, Any]]) -> None:
    """`standing dead-letters list`."""
    table = Table("place", "reason", "detail", box=None)
    for letter in found:
        table.add_row(
            f"{letter['topic']}/{letter['partition']}/{letter['offset']}", letter["reason"], letter["detail"]
        )
    console.print(table if found else "no dead letters")


def redriven(console: Console, done: Redriven) -> None:
    """`standing dead-letters redrive`."""
    console.print(f"{done.sent:,} sent back to their topics", highlight=False)
    for place in done.already:
        console.print(f"{place}: was sent back before, nothing was sent", highlight=False)
    for line in done.refused:
        console.print(f"[red]refused:[/red] {line}", highlight=False)


class DrainProgress:
    """The progress of `standing drain`: what is left, falling to nothing."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("draining"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("drain", total=None, left="")
        self._most = 0

    def __enter__(self) -> "DrainProgress":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, found: Status) -> None:
        """Show a status."""
        lag = sum(found.lag.values())
        left = lag + found.due + found.unpublished + found.spreads
        self._most = max(self._most, left)
        words = f"{lag:,} unread, {found.due:,} due, {found.unpublished:,} unpublished, {found.spreads:,} spreads"
        self._progress.update(self._task, total=self._most or None, completed=self._most - left, left=words)
