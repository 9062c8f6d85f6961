"""The commands of `standing dead-letters`: a part of `workers.cli`, which parses and prints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from workers import arguments as may
from workers.ops.terminal import Terminal
from workers.run_command import NOT_DONE, fail, run

if TYPE_CHECKING:
    from workers.settings import Settings

terminal = Terminal()


@click.group("dead-letters", no_args_is_help=False)
def app() -> None:
    """List, show, accept and redrive records that could not be processed."""


@app.command("list")
@may.number("--limit", 1, may.MOST_ROWS, "How many, newest first.", 20)
@may.as_json
def list_letters(limit: int, as_json: bool) -> None:
    """List the newest dead letters."""
    from workers.commands import dead_letters, show
    from workers.wiring import open_database

    async def work(settings: "Settings") -> None:
        async with open_database(settings, "dead-letters", read_only=True) as database:
            found = await dead_letters.newest(database, limit)
        if as_json:
            terminal.json(dead_letters.as_json(found))
        else:
            show.dead_letters(terminal, found)

    run(work)


@app.command("show")
@may.place
def show_letter(place: str) -> None:
    """Show one dead letter in full."""
    from workers.commands import dead_letters
    from workers.wiring import open_database

    async def work(settings: "Settings") -> None:
        async with open_database(settings, "dead-letters", read_only=True) as database:
            terminal.json(await dead_letters.one(database, place))

    run(work)


@app.command("accept")
@may.topic
@click.argument("partition", type=click.IntRange(0, may.MOST_PARTITIONS), help="The partition number.")
@may.number(
    "--records",
    1,
    may.MOST_RECORDS,
    "Accept only this many records; by default all that the partition holds now.",
)
def accept_letters(topic: str, partition: int, records: int | None) -> None:
    """Resume a partition that is paused because too many of its records are dead letters."""
    from workers.commands import dead_letters
    from workers.wiring import open_database, open_kafka

    async def work(settings: "Settings") -> None:
        async with open_kafka(settings) as kafka, open_database(settings, "dead-letters", kafka=kafka) as database:
            terminal.line(await dead_letters.accept(database, kafka, topic, partition, records))

    run(work)


@app.command("redrive")
@may.places
@may.reasons
@may.topics
@may.an_instant("--since", "All dead letters recorded since this instant.")
@click.option("--all", "all_letters", is_flag=True, help="All dead letters.")
def redrive_letters(
    places: Sequence[str], reason: Sequence[str], topic: Sequence[str], since: str | None, all_letters: bool
) -> None:
    """Send dead letters back to their input topics, each once; exit 1 if any cannot be sent."""
    from workers.commands import redrive, show
    from workers.wiring import open_database, open_kafka

    filters = bool(reason or topic or since or all_letters)
    if bool(places) == filters:
        fail("give places, or --all, or one or more of --reason, --topic and --since")
    began = None if since is None else may.instant_of(since)
    selection = redrive.Selection(places, reason, topic, began)

    async def work(settings: "Settings") -> None:
        async with open_kafka(settings) as kafka, open_database(settings, "dead-letters", kafka=kafka) as database:
            done = await redrive.redrive(database, kafka, selection)
        show.redriven(terminal, done)
        if done.refused:
            raise Exit(NOT_DONE)

    run(work)
