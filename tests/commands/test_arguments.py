"""Every argument and option of every command, with nonsense: one line that names it, exit code 2, no server asked.

The commands are walked as the command line itself knows them, so that a new option is tried too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workers import cli

LONG = "x" * 100_000
BYTES = "\udcff"
"""How the shell's `$'\\xff'` reaches Python."""
OF_TEXT = ["", " ", "\x1b[31m", "a\nb", "\x85", BYTES, LONG]
OF_INTEGER = ["", "x", "1.5", "nan", "inf", "1e3", "9" * 5000, BYTES, LONG]
OF_FLOAT = ["", "x", "nan", "inf", "-inf", "-1", "1e400", "1e12", BYTES, LONG]
OF_INSTANT = [
    "yesterday",
    "2016-08-01",
    "2016-08-01T00:00:00",
    "2016-13-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "10000-01-01T00:00:00Z",
    "1470000000",
    "nan",
]
OF_INPUT = ["", "/no/such", "/", "/dev/null/x", LONG, BYTES]
OF_OUTPUT = ["", "/no/such/directory/file", "/", "/dev/null/x", LONG]
OF_PLACE = [
    "order-status",
    "order-status/0",
    "order-status/0/x",
    "nowhere/0/0",
    "order-status/-1/0",
    "order-status/0/0/0",
]
NONSENSE = {
    "account": OF_TEXT,
    "against": OF_INPUT,
    "at": OF_INSTANT,
    "files": OF_INPUT,
    "watermark": OF_INSTANT,
    "key": [*OF_TEXT, "88", "ID:88", "id:\n"],
    "out": OF_OUTPUT,
    "place": [*OF_TEXT, *OF_PLACE],
    "places": [*OF_TEXT, *OF_PLACE],
    "reason": [*OF_TEXT, "no_reason", "INVALID_JSON"],
    "since": OF_INSTANT,
    "start": OF_INSTANT,
    "topic": [*OF_TEXT, "dead-letters", "nowhere"],
    "why": OF_TEXT,
    "write": OF_OUTPUT,
}
"""By the name of the argument or option."""
INTEGERS = ("accounts", "companies", "days", "facts", "limit", "partition", "records", "seed")
ZERO_IS_WRONG = ("limit", "records", "accounts", "companies", "days", "facts")
GOOD = {
    "account": "x",
    "key": "id:x",
    "partition": "0",
    "place": "order-status/0/0",
    "topic": "order-status",
    "why": "x",
}


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command, with the words that call it."""
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


def nonsense(parameter: Any) -> list[str]:
    """What a parameter must refuse; one that is not known here must be a text with limits."""
    if isinstance(parameter.default, float):
        return OF_FLOAT
    of_ids = parameter.param_type_name == "argument" and parameter.name == "accounts"
    if of_ids or parameter.name not in INTEGERS:
        return NONSENSE.get(parameter.name, OF_TEXT)
    if parameter.name == "seed":
        return OF_INTEGER
    return [*OF_INTEGER, "-1", "9" * 25, *(["0"] if parameter.name in ZERO_IS_WRONG else [])]


def tries() -> Iterator[Any]:
    """Every parameter with every value: the arguments of the call, and the name that the line must give."""
    for path, command in commands(cli.app):
        for tried in command.params:
            if getattr(tried, "is_flag", False):
                continue
            for number, value in enumerate(nonsense(tried)):
                words = [*path]
                if tried.param_type_name == "option":
                    words.append(f"{tried.opts[0]}={value}")
                words.append("--")
                for each in command.params:
                    if each.param_type_name == "argument" and (each is tried or each.required):
                        words.append(value if each is tried else GOOD.get(each.name, "x"))
                named = tried.opts[0] if tried.param_type_name == "option" else tried.name.upper()
                yield pytest.param(words, named, id=f"{' '.join(path)} {named} {number}")


@pytest.fixture(autouse=True)
def nothing_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No server runs, so a command that starts to work fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STANDING_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("STANDING_DATABASE_URL", "postgresql://127.0.0.1:1/none")


def refused(capfd: pytest.CaptureFixture[str], words: list[str]) -> str:
    """The one line with which a command refuses to begin."""
    assert cli.command_line(words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("standing: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert "server" not in err
    return err


@pytest.mark.parametrize(("words", "named"), list(tries()))
def test_nonsense_is_refused_in_one_line_that_names_the_argument(
    capfd: pytest.CaptureFixture[str], words: list[str], named: str
) -> None:
    assert named in refused(capfd, words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain"], "Missing argument 'ACCOUNT'"),
        (["hold"], "Missing argument 'WHY'"),
        (["explain", "x", "y"], "y"),
        (["explain", "x", "--no-such"], "No such option '--no-such'"),
        (["explain", "x", "--at"], "--at"),
        (["no-such"], "No such command 'no-such'"),
        ([], "Missing command"),
        (["dead-letters"], "Missing command"),
        (["dead-letters", "redrive"], "give places, or --all"),
        (["dead-letters", "redrive", "order-status/0/0", "--all"], "give places, or --all"),
        (["generate", "--start", "9900-01-01T00:00:00Z", "--days", "90000"], "--days"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_one_line(
    capfd: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert said in refused(capfd, words)


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"topic": "nowhere", "key": null, "value": 1}',
        b'{"topic": ["order-status"], "key": null, "value": 1}',
        b'{"topic": "order-status", "key": null}',
        b'{"topic": "order-status", "key": null, "raw": "no base64"}',
        b'{"topic": "order-status", "key": null, "raw": 1}',
        b"[" * 100_000,
    ],
)
def test_a_line_of_a_history_that_is_none_is_named(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, line: bytes
) -> None:
    good = b'{"topic": "order-status", "key": "x", "value": {}}'
    (tmp_path / "history.jsonl").write_bytes(good + b"\n" + line + b"\n")
    words = ["replay", str(tmp_path / "history.jsonl"), "--write", str(tmp_path / "decisions.jsonl")]
    assert "history.jsonl, line 2: " in refused(capfd, words)


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b"[]",
        b"{}",
        b'{"decision_id": 1, "kind": "k", "effective_at": "t", "account_id": "a"}',
        b'{"decision_id": "d", "kind": "k", "effective_at": "t", "company": "c"}',
        b'{"decision_id": "d", "kind": "k", "effective_at": null, "account_id": "a"}',
    ],
)
def test_a_line_of_decisions_that_is_none_is_named(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, line: bytes
) -> None:
    (tmp_path / "history.jsonl").write_bytes(b"")
    (tmp_path / "decisions.jsonl").write_bytes(line + b"\n")
    words = ["replay", str(tmp_path / "history.jsonl"), "--against", str(tmp_path / "decisions.jsonl")]
    assert "decisions.jsonl, line 1: " in refused(capfd, words)


def test_a_file_that_cannot_be_read_on_or_written_is_named(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    history.write_bytes(b"")
    assert "/proc/self/mem: " in refused(capfd, ["replay", "/proc/self/mem", "--write", str(tmp_path / "x")])
    assert "/proc/self/mem: " in refused(capfd, ["replay", str(history), "--against", "/proc/self/mem"])
    generated = ["generate", "--accounts", "1", "--companies", "1", "--out", "/dev/full"]
    assert "/dev/full: No space left on device" in refused(capfd, generated)
