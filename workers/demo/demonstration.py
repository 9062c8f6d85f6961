"""`make run`: two years of a marketplace, played through a real Kafka and a real PostgreSQL on this machine.

It starts the servers, plays a seeded history with `STANDING_CLOCK=events`, shows the published decisions of the cast
and runs until Ctrl-C, so that the other commands can be tried.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from contracts.topics import OUTPUT_TOPICS
from workers import timeouts
from workers.commands import setup
from workers.commands.drain import Left, drain
from workers.demo.cast import LATE, STORIES, Story, cast
from workers.demo.generate import SHANGHAI, Generated, HistoryParameters, history, produce
from workers.devservers.stack import LocalServers, local_servers
from workers.kafka.whole_topics import WholeTopics
from workers.ops.terminal import Terminal, bold
from workers.rules.calendar import DAY, moment
from workers.settings import Settings, read_settings
from workers.wiring import open_database, open_kafka

ENVIRONMENT_FILE = Path(".standing") / "env"


def main() -> None:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--once", action="store_true", help="end after the story")
    parser.add_argument("--accounts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    terminal = Terminal()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with local_servers() as servers:
            _demonstrate(
                terminal,
                servers,
                HistoryParameters(seed=arguments.seed, accounts=arguments.accounts),
                once=arguments.once,
            )
    except KeyboardInterrupt:
        terminal.line("stopped; nothing is left running")


def _demonstrate(terminal: Terminal, servers: LocalServers, parameters: HistoryParameters, *, once: bool) -> None:
    environment = servers.environment | {"STANDING_CLOCK": "events", "STANDING_ALLOWED_LATENESS_SECONDS": "0"}
    os.environ.update(environment)
    settings = read_settings()
    terminal.line("Kafka and PostgreSQL run; setting up topics and tables")
    asyncio.run(setup.run_setup(settings))
    messages = sorted([*history(parameters), *cast()], key=lambda each: each.arrives_at)
    with _workers(environment):
        took = _play(terminal, settings, messages)
        published = read_published(settings)
        _tell(terminal, published, len(messages), took)
        _what_next(terminal, environment)
        if not once:
            signal.pause()


@contextmanager
def _workers(environment: Mapping[str, str]) -> Iterator[None]:
    """`standing work`, as in production."""
    process = subprocess.Popen([sys.executable, "-m", "workers.cli", "work"], env=os.environ | dict(environment))
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _play(terminal: Terminal, settings: Settings, messages: Sequence[Generated]) -> float:
    """Send all messages and wait until everything is decided; returns the duration in seconds."""
    began = time.monotonic()
    with terminal.bars("now") as progress:
        sending = progress.add_task("sent", total=len(messages), now="")
        deciding = progress.add_task("decided", total=len(messages), now="")

        def sent(last: Generated, count: int) -> None:
            day = moment(last.arrives_at).astimezone(SHANGHAI).date()
            progress.update(sending, completed=count, now=f"{day}")

        def shown(left: Left) -> None:
            progress.update(deciding, completed=len(messages) - left.unread, now=f"{left.due:,} due")

        # The late payment must arrive after the decisions that it corrects.
        late = min(each.arrives_at for each in messages if each.key == LATE and each.arrives_at > each.event_at + DAY)
        asyncio.run(_send(settings, [each for each in messages if each.arrives_at < late], sent, shown))
        before = sum(each.arrives_at < late for each in messages)
        rest = [each for each in messages if each.arrives_at >= late]
        asyncio.run(_send(settings, rest, lambda last, count: sent(last, before + count), shown))
    took = time.monotonic() - began
    terminal.line(f"{len(messages):,} messages in {took:.0f} s: {len(messages) / took:,.0f} a second, all decided")
    return took


async def _send(
    settings: Settings,
    messages: Sequence[Generated],
    sent: Callable[[Generated, int], None],
    shown: Callable[[Left], None],
) -> None:
    """Send messages from a thread, show the engine's progress meanwhile, and wait until everything is decided."""
    sending = asyncio.ensure_future(asyncio.to_thread(produce, messages, settings.kafka, settings.topic_prefix, sent))
    async with (
        open_kafka(settings) as kafka,
        open_database(settings, "demonstration", kafka=kafka, read_only=True) as database,
    ):
        while not sending.done():
            await drain(database, kafka, 0.5, shown)
        await sending
        if not (await drain(database, kafka, timeouts.DEMONSTRATION_SECONDS, shown)).nothing:
            raise TimeoutError("the workers did not finish in time; `standing status` says what is stuck")


def read_published(settings: Settings) -> list[dict[str, Any]]:
    """The value of every message of the output topics, as a read_committed reader sees it."""
    topics = [settings.topic_prefix + topic for topic in OUTPUT_TOPICS]
    chunks = WholeTopics(settings.kafka, settings.group, topics).read()
    return [json.loads(each.value or b"{}") for chunk in chunks for records in chunk.values() for each in records]


def _tell(terminal: Terminal, published: Sequence[Mapping[str, Any]], sent: int, took: float) -> None:
    """Show the decisions of the cast, and totals by kind."""
    terminal.rule("decisions of the cast")
    for story in STORIES:
        terminal.line(bold(story.headline))
        for line in told(story, published):
            terminal.line(f"  {line}")
    terminal.rule("totals")
    kinds = Counter(each.get("kind", "account_standing") for each in published)
    for kind, count in sorted(kinds.items()):
        terminal.line(f"  {count:>7,} {kind}")
    terminal.line(f"{len(published):,} messages published for {sent:,} read, {sent / took:,.0f} a second")


def told(story: Story, published: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each account of a story: its decisions with clause and date, withdrawals last."""
    for account in story.accounts:
        own = [
            each for each in published if each.get("account_id") == account and "sequence" in each and "kind" in each
        ]
        own.sort(key=lambda each: each["sequence"])
        in_force: dict[str, Mapping[str, Any]] = {}
        withdrawn = []
        for each in own:
            if "withdraws" in each:
                withdrawn.append(in_force.pop(each["withdraws"]))
            else:
                in_force[each["decision_id"]] = each
        words = [
            f"{_day(each['effective_at'])} {_words(each)} ({each['clause']})"
            for each in sorted(in_force.values(), key=lambda each: str(each["effective_at"]))
            if not each["kind"].endswith("_notice")
        ]
        if withdrawn:
            names = [f"{_words(each)} of {_day(each['effective_at'])}" for each in withdrawn]
            words.append(f"published and withdrawn: {', '.join(names)}")
        yield f"{account}: {'; '.join(words)}"


def _words(decision: Mapping[str, Any]) -> str:
    words = str(decision["kind"]).removeprefix("account_").replace("_", " ")
    if "reason" in decision:
        words += f" ({decision['reason']})"
    for name in ("expires_at", "locked_out_until", "reapply_from", "not_before"):
        if name in decision:
            words += f", {name.replace('_', ' ')} {_day(decision[name])}"
    return words


def _day(text: str) -> str:
    """The date in Shanghai of an instant."""
    return f"{datetime.fromisoformat(text).astimezone(SHANGHAI):%Y-%m-%d}"


def _what_next(terminal: Terminal, environment: Mapping[str, str]) -> None:
    ENVIRONMENT_FILE.parent.mkdir(exist_ok=True)
    ENVIRONMENT_FILE.write_text("".join(f"export {name}={value}\n" for name, value in sorted(environment.items())))
    terminal.rule("try next, in another terminal")
    terminal.line(f"  . {ENVIRONMENT_FILE}")
    for command in (
        "explain zhang-idle",
        "explain zheng-late",
        "company 'id:trio trading'",
        "status",
        "dead-letters list",
    ):
        terminal.line(f"  .venv/bin/standing {command}")
    terminal.line("Ctrl-C stops everything.")


if __name__ == "__main__":
    main()
