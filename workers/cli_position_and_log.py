"""The commands for rare maintenance: `standing position` and `standing log`; a part of `workers.cli`."""

from typing import TYPE_CHECKING

import click

from workers import arguments as may
from workers.ops.terminal import Terminal
from workers.run_command import fail, run

if TYPE_CHECKING:
    from workers.settings import Settings

terminal = Terminal()


@click.command("position")
@may.topic
@may.number("--partition", 0, may.MOST_PARTITIONS, "One partition.")
@may.number("--offset", 0, may.MOST_RECORDS, "Offset of its next record to read.")
@may.flag("--to-start", "Read every partition from its first record.")
@may.flag("--new-topic", "The same, for a topic that was deleted and recreated.")
def position_command(topic: str, partition: int | None, offset: int | None, to_start: bool, new_topic: bool) -> None:
    """Set the offset from which a topic is read, while no ingest worker runs."""
    from workers.commands import positions
    from workers.wiring import open_database, open_kafka

    if [to_start, new_topic, offset is not None].count(True) != 1 or (partition is None) != (offset is None):
        fail("give --partition and --offset, or --to-start, or --new-topic")

    async def work(settings: "Settings") -> None:
        async with open_kafka(settings) as kafka, open_database(settings, "position", kafka=kafka) as database:
            if partition is not None and offset is not None:
                done = await positions.set_position(database, kafka, topic, partition, offset)
            else:
                done = await positions.set_to_start(database, kafka, topic, new_topic=new_topic)
        for line in done:
            terminal.line(line)

    run(work)


@click.command("log")
@may.an_instant("--detach-before", "Detach the parts whose rows were all recorded before this instant.")
def log_command(detach_before: str | None) -> None:
    """List the parts of the decision log. `explain` and `dead-letters` no longer show detached parts."""
    from workers.commands import log
    from workers.wiring import open_database, open_kafka

    async def work(settings: "Settings") -> None:
        if detach_before is not None:
            async with open_kafka(settings) as kafka, open_database(settings, "log", kafka=kafka) as database:
                for part in await log.detach_before(database, kafka, may.instant_of(detach_before)):
                    terminal.line(f"detached {part.name}: its table is kept; archive it, then drop it")
        async with open_database(settings, "log", read_only=True) as database:
            for part in await log.list_parts(database):
                terminal.line(log.in_words(part))

    run(work)
