"""Errors that an operator can fix or must wait for are one line and an exit code."""

from pathlib import Path

import asyncpg
import click
import pytest

from workers.kafka.admin import KafkaRefused, KafkaUnreachable
from workers.ops.refused import Refused
from workers.run_command import CANNOT_RUN, NOT_DONE, one_clear_line

AWAY = (
    KafkaUnreachable("no answer"),
    ConnectionResetError("gone"),
    TimeoutError(),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.DiskFullError("no space left"),
    asyncpg.AdminShutdownError("terminating"),
    asyncpg.CrashShutdownError("terminating"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.LockNotAvailableError("lock timeout"),
)
REFUSED = (
    KafkaRefused("not let in"),
    asyncpg.InvalidPasswordError("wrong password"),
    asyncpg.InvalidCatalogNameError("no such database"),
    asyncpg.InsufficientPrivilegeError("permission denied"),
    asyncpg.UndefinedTableError('relation "positions" does not exist'),
    asyncpg.UndefinedColumnError('column "held" does not exist'),
    asyncpg.ReadOnlySQLTransactionError("cannot execute UPDATE in a read-only transaction"),
    Refused("several  spaces, [red] and 100:"),
)


def named(error: Exception) -> str:
    return type(error).__name__


@pytest.mark.parametrize(
    ("error", "code"),
    [*((each, NOT_DONE) for each in AWAY), *((each, CANNOT_RUN) for each in REFUSED)],
    ids=[named(each) for each in (*AWAY, *REFUSED)],
)
def test_a_worker_whose_server_is_unreachable_is_restarted_and_one_that_is_refused_is_not(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(click.exceptions.Exit) as ended, one_clear_line(unreachable=NOT_DONE):
        raise error
    assert ended.value.exit_code == code
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("standing: ")
    assert str(error) in line


def test_a_file_that_cannot_be_opened_is_named_and_no_server_is_blamed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit) as ended, one_clear_line():
        Path("/no/such\x1b file").open()  # noqa: SIM115  # it is never open
    assert ended.value.exit_code == CANNOT_RUN
    assert capsys.readouterr().err == "standing: /no/such\\x1b file: No such file or directory\n"


def test_an_error_of_several_lines_is_printed_as_one_with_control_characters_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(click.exceptions.Exit), one_clear_line():
        raise Refused("first\n   second \x1b[2J\u202e\n\nDETAIL: third")
    assert capsys.readouterr().err == "standing: first second \\x1b[2J\\u202e DETAIL: third\n"
