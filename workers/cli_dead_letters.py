"""The commands of `standing dead-letters`: a part of `workers.cli`, which parses and prints."""

from typing import TYPE_CHECKING, Annotated

import typer

from workers import arguments as may
from workers.arguments import Json
from workers.ops.terminal import Terminal
from workers.run_command import NOT_DONE, fail, run

if TYPE_CHECKING:
    from workers.settings import Settings

app = typer.Typer(help="List, show, accept and redrive records that could not be processed.")
terminal = Terminal()


@app.command("list")
def list_letters(
    limit: Annotated[int, typer.Option(min=1, max=may.MOST_ROWS, help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
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
def show_letter(place: may.Place) -> None:
    """Show one dead letter in full."""
    from workers.commands import dead_letters
    from workers.wiring import open_database

    async def work(settings: "Settings") -> None:
        async with open_database(settings, "dead-letters", read_only=True) as database:
            terminal.json(await dead_letters.one(database, place))

    run(work)


@app.command("accept")
def accept_letters(
    topic: may.Topic,
    partition: Annotated[int, typer.Argument(min=0, max=may.MOST_PARTITIONS, help="The partition number.")],
    records: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=may.MOST_RECORDS,
            help="Accept only this many records; by default all that the partition holds now.",
        ),
    ] = None,
) -> None:
    """Resume a partition that is paused because too many of its records are dead letters."""
    from workers.commands import dead_letters
    from workers.wiring import open_database, open_kafka

    async def work(settings: "Settings") -> None:
        async with open_kafka(settings) as kafka, open_database(settings, "dead-letters", kafka=kafka) as database:
            terminal.line(await dead_letters.accept(database, kafka, topic, partition, records))

    run(work)


@app.command("redrive")
def redrive_letters(
    places: may.Places = None,
    reason: may.Reasons = None,
    topic: may.Topics = None,
    since: Annotated[str | None, may.an_instant("All dead letters recorded since this instant.")] = None,
    all_letters: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
) -> None:
    """Send dead letters back to their input topics, each once; exit 1 if any cannot be sent."""
    from workers.commands import redrive, show
    from workers.wiring import open_database, open_kafka

    filters = bool(reason or topic or since or all_letters)
    if bool(places) == filters:
        fail("give places, or --all, or one or more of --reason, --topic and --since")
    began = None if since is None else may.instant_of(since)
    selection = redrive.Selection(places or (), reason or (), topic or (), began)

    async def work(settings: "Settings") -> None:
        async with open_kafka(settings) as kafka, open_database(settings, "dead-letters", kafka=kafka) as database:
            done = await redrive.redrive(database, kafka, selection)
        show.redriven(terminal, done)
        if done.refused:
            raise typer.Exit(NOT_DONE)

    run(work)
