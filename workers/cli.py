"""`standing`: the command line. Parses and prints; `workers.commands` and `workers.wiring` do the work.

Each command imports only what it needs, which saves it a second at start.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from workers import arguments as may
from workers import cli_dead_letters, cli_position_and_log
from workers.ops.stderr import open_standard_descriptors
from workers.ops.terminal import Terminal
from workers.run_command import CANNOT_RUN, NOT_DONE, fail, one_clear_line, run, say, worker

if TYPE_CHECKING:
    from workers.settings import Settings

terminal = Terminal()


def _print_version(_: click.Context, __: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        terminal.line(f"standing {version('standing')}")
        raise Exit(0)


@click.group(no_args_is_help=False, context_settings={"max_content_width": 118})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def app() -> None:
    """Enforce the Trade Assurance rules: read facts from Kafka, publish decisions to Kafka."""


@app.command("setup")
def setup_command() -> None:
    """Create or migrate the database, create or check the topics, record the policies. Safe to repeat."""
    from workers.commands import setup

    async def work(settings: "Settings") -> None:
        for line in await setup.run_setup(settings) or ["nothing to do: everything is set up"]:
            terminal.line(line)

    run(work)


@app.command()
def work() -> None:
    """Run every worker in one process tree until Ctrl-C or SIGTERM."""
    from workers.ops import logs
    from workers.supervisor import run_supervisor
    from workers.wiring import open_worker

    logs.configure("work")

    async def supervise(settings: "Settings") -> None:
        async with open_worker(settings, "work", connections=1):
            pass  # where no worker can run, the supervisor would restart them for ever
        raise Exit(await run_supervisor(settings))

    run(supervise, unreachable=NOT_DONE)


@app.command()
def ingest() -> None:
    """Read facts from the input topics and judge the accounts that they concern."""
    worker("ingest")


@app.command()
def timers() -> None:
    """Enforce deadlines that the watermark has passed."""
    worker("timers")


@app.command()
def fanout() -> None:
    """Judge the members of companies whose terminations changed."""
    worker("fanout")


@app.command()
@may.flag("--reconcile", "Restore what the database or Kafka lost of the published decisions, then exit.")
def relay(reconcile: bool) -> None:
    """Publish the decision log to Kafka, each row exactly once."""
    if not reconcile:
        worker("relay")
        return
    from workers.recovery import reconcile as reconciling

    async def work(settings: "Settings") -> None:
        done = await reconciling.reconcile(terminal, settings)
        if done is None:
            terminal.line("nothing to reconcile: all that was published is in the log")
            return
        for line in done.in_words():
            terminal.line(line)

    run(work)


@app.command(hidden=True)
def spare() -> None:
    """Wait to take the place of a worker that dies; `standing work` starts it."""
    from workers.spare import wait

    if (name := wait()) is not None:
        worker(name)


@app.command()
def stack() -> None:
    """Run only the embedded Kafka and PostgreSQL, and print the settings that reach them."""
    with one_clear_line():
        from workers.devservers.stack import run_stack

    run_stack()


@app.command("status")
@may.as_json
def status_command(as_json: bool) -> None:
    """Show how far each part of the deployment is; exit 1 if anything is stuck."""
    from workers.commands import show, status
    from workers.wiring import open_database, open_kafka

    async def work(settings: "Settings") -> None:
        async with (
            open_kafka(settings) as kafka,
            open_database(settings, "status", kafka=kafka, read_only=True) as database,
        ):
            found = await status.whole_status(database, kafka)
        if as_json:
            terminal.json(found.as_json())
        else:
            show.status(terminal, found)
        if found.stuck:
            raise Exit(NOT_DONE)

    run(work)


@app.command("drain")
@may.timeout
def drain_command(timeout: float) -> None:
    """Wait until every fact now in the input topics is decided and every decision is visible; exit 1 on a timeout."""
    from workers.commands import drain, show
    from workers.wiring import open_database, open_kafka

    async def work(settings: "Settings") -> None:
        async with (
            open_kafka(settings) as kafka,
            open_database(settings, "drain", kafka=kafka, read_only=True) as database,
        ):
            with show.draining(terminal) as report:
                left = await drain.drain(database, kafka, timeout, report)
        if not left.nothing:
            fail(f"not drained after {timeout:g} s: {left.in_words}", NOT_DONE)

    run(work)


@app.command("hold")
@may.why
def hold_command(why: str) -> None:
    """Stop deadline enforcement, for a backfill or an emergency; facts are still read and judged."""
    from workers.commands import hold
    from workers.wiring import open_database

    async def work(settings: "Settings") -> None:
        async with open_database(settings, "hold") as database:
            left = await hold.hold(database, why)
        if left:
            fail(
                f"held, but transactions that began earlier may still enforce deadlines: {', '.join(left)}", NOT_DONE
            )
        terminal.line(f"held: {why}")

    run(work)


@app.command()
@may.flag("--force", "Release even if a partition is not read to its end.")
def release(force: bool) -> None:
    """Resume deadline enforcement; refused until every partition is read to its end."""
    from workers.commands import hold
    from workers.wiring import open_database, open_kafka

    async def work(settings: "Settings") -> None:
        if force:
            async with open_database(settings, "release") as database:
                await hold.release_by_force(database)
            return
        async with open_kafka(settings) as kafka, open_database(settings, "release", kafka=kafka) as database:
            await hold.release(database, kafka)

    run(work)


@app.command("explain")
@may.account
@may.an_instant("--at", "Show the account at this instant, inclusive, by the facts known today.")
@may.as_json
def explain_command(account: str, at: str | None, as_json: bool) -> None:
    """Show why an account stands as it does, since when, until when, and what cures it."""
    from workers.codec.policies import load_policies
    from workers.commands import explain, show
    from workers.wiring import open_database

    async def work(settings: "Settings") -> None:
        policies = load_policies(settings.policies)
        async with open_database(settings, "explain", policies=policies, read_only=True) as database:
            found = await explain.explain(database, policies, account, None if at is None else may.instant_of(at))
        if as_json:
            terminal.json(found.as_json())
        else:
            show.explanation(terminal, found)

    run(work)


@app.command()
@may.company_key
@may.as_json
def company(key: str, as_json: bool) -> None:
    """Show a company's accounts, terminations and re-application dates; KEY begins with id: or name:."""
    from workers.commands import show
    from workers.commands.company import view_company
    from workers.wiring import open_database

    async def work(settings: "Settings") -> None:
        async with open_database(settings, "company", read_only=True) as database:
            found = await view_company(database, key)
        if as_json:
            terminal.json(found.as_json())
        else:
            show.company(terminal, found)

    run(work)


@app.command("retry")
@may.accounts
def retry_command(accounts: Sequence[str]) -> None:
    """Evaluate quarantined accounts and companies again after a repair; exit 1 if any still fail."""
    from workers.commands import retry, show
    from workers.wiring import open_worker

    async def work(settings: "Settings") -> None:
        async with open_worker(settings, "retry", waits=True) as made:
            done = await retry.retry(made, accounts)
        show.retried(terminal, done)
        if done.remaining:
            raise Exit(NOT_DONE)

    run(work)


@app.command()
@click.option("--seed", default=1, help="The same seed gives the same bytes.")
@may.number("--accounts", 1, 10_000_000, "Number of accounts.", 2000)
@may.number("--companies", 1, 10_000_000, "Number of companies.", 700)
@may.number("--days", 40, 100_000, "Length of the history in days.", 730)
@may.an_instant("--start", "First instant of the history.", "2016-02-01T00:00:00+08:00")
@may.number("--facts", 1, 1_000_000_000, "Approximate number of messages; sets the number of accounts.")
@may.share("--late", 0.02, "Share of late messages.")
@may.share("--doubled", 0.01, "Share of doubled messages.")
@may.share("--bad", 0.001, "Share of bad messages.")
@may.output_file("--out", "Write to this JSONL file instead of the topics.")
def generate(
    seed: int,
    accounts: int,
    companies: int,
    days: int,
    start: str,
    facts: int | None,
    late: float,
    doubled: float,
    bad: float,
    out: Path | None,
) -> None:
    """Generate a seeded, realistic input history, to the topics or to a file."""
    from workers.demo.generate import HistoryParameters, sized, write_history

    may.check_span(start, days)
    parameters = HistoryParameters(seed, accounts, companies, may.instant_of(start), days, late, doubled, bad)
    if facts is not None:
        parameters = sized(parameters, facts)
    with one_clear_line():
        from workers.settings import read_settings

        count = write_history(terminal, parameters, read_settings(), out)
    terminal.line(f"{count:,} messages of {parameters.accounts:,} accounts")


@app.command("replay")
@may.files
@may.an_instant("--watermark", "Enforce deadlines up to this instant instead of the live watermark.")
@may.input_file("--against", "Compare with the decisions in this JSONL file.")
@may.output_file("--write", "Write the decisions to this JSONL file; compare nothing.")
@may.as_json
def replay_command(
    files: Sequence[Path], watermark: str | None, against: Path | None, write: Path | None, as_json: bool
) -> None:
    """Decide the input topics, or files, again; exit 1 if the published decisions differ."""
    from workers.recovery import compare, replay

    until = None if watermark is None else may.instant_of(watermark)

    async def work(settings: "Settings") -> None:
        bars = Terminal(error=True) if as_json else terminal
        differences = await replay.replay(bars, settings, replay.ReplayOptions(files, until, against, write))
        if as_json:
            terminal.json(differences.as_json())
        else:
            compare.show(terminal, differences)
        if not differences.equal:
            raise Exit(NOT_DONE)

    run(work)


for _command in (cli_dead_letters.app, cli_position_and_log.position_command, cli_position_and_log.log_command):
    app.add_command(_command)


def command_line(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. A command line that cannot be parsed prints one line."""
    from workers.ops import logs

    logs.configure_command()
    try:
        return app(arguments, prog_name="standing", standalone_mode=False) or 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = "standing" if context is None else context.command_path
        say(f"{error.format_message().rstrip('.')}; see `{command} --help`")
        return CANNOT_RUN


def main() -> None:
    """The entry point of `standing`."""
    open_standard_descriptors()
    sys.exit(command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
