"""Text from outside reaches people as it is and whole, and nothing in it is acted upon."""

import ast
import io
import json
import logging
import os
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.docs.generate import PROJECT
from workers.ops.logs import Log, configure, configure_command
from workers.ops.terminal import CannotShow, Terminal, bold, red, shown

AS_IT_IS = [
    "[/x]",
    "[red]",
    "[bold]100:[/]",
    "100:",
    ":smile:",
    "{0} %s \\x1b",
    "two  spaces ",
    "https://example.com/a?b=c#d",
    "1234567890.5 None True 'quoted'",
    "金灯有限公司",
    "全角\u3000空格",
    "שלום",
    "مرحبا",
    "é e\u0301 ñ",
    "😀",
    "x" * 5000,
]
ESCAPED = {
    "\x1b[31m": r"\x1b[31m",
    "a\nb\r\tc": r"a\nb\r\tc",
    "\x07\x08\x0b\x0c\x7f": r"\x07\x08\x0b\x0c\x7f",
    "\x85\x9b31m": r"\x85\x9b31m",
    "abc\u202edef\u202c": r"abc\u202edef\u202c",
    "\u2066x\u2069\u200f": r"\u2066x\u2069\u200f",
    "a\u200bb\u200dc\ufeff\u00ad": r"a\u200bb\u200dc\ufeff\xad",
    "\u2028\u2029": r"\u2028\u2029",
    "\ud800x\udcff": r"\ud800x\udcff",
    "\U000e0041\ufe0f\u3164": r"\U000e0041\ufe0f\u3164",
}


class Screen(io.StringIO):
    """A terminal that keeps what it was given."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("text", AS_IT_IS)
def test_ordinary_text_is_shown_as_it_is_in_lines_tables_and_json(text: str) -> None:
    assert shown(text) == text
    for file in (io.StringIO(), Screen()):
        terminal = Terminal(file=file)
        terminal.line("id ", text)
        terminal.table(("id", "what"), [(text, "first"), ("other", text)])
        terminal.json(json.dumps({text: text}, ensure_ascii=False, indent=2))
        lines = file.getvalue().split("\n")
        assert lines[0] == f"id {text}"
        assert lines[2].startswith(f" {text}  ")
        assert lines[3].endswith(f"  {text}")
        assert json.loads("\n".join(lines[4:])) == {text: text}
        assert sum(text in line for line in lines) == 4 - (json.dumps(text, ensure_ascii=False) != f'"{text}"')


@pytest.mark.parametrize(("text", "escaped"), ESCAPED.items())
def test_what_a_terminal_acts_upon_or_hides_is_escaped_everywhere(text: str, escaped: str) -> None:
    assert shown(f"<{text}>") == f"<{escaped}>"
    file = Screen()
    terminal = Terminal(file=file)
    terminal.line("id ", text)
    terminal.table((), [(text, text)])
    terminal.json(json.dumps({"id": text}, ensure_ascii=False))
    line, row, document, end = file.getvalue().split("\n")
    assert line == f"id {escaped}"
    assert row == f" {escaped}  {escaped}"
    assert end == ""
    assert document.isprintable()
    assert json.loads(document) == {"id": text}


def test_a_row_is_one_line_however_long_and_columns_line_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    file = io.StringIO()
    Terminal(file=file).table(("account", "standing"), [("金灯", "active"), ("x" * 128, "y" * 500), ("li", "closed")])
    heading, *rows, end = file.getvalue().split("\n")
    assert end == ""
    assert rows[1] == f" {'x' * 128}  {'y' * 500}"
    assert cell_len(rows[0]) - len("active") == cell_len(rows[2]) - len("closed") == len(heading) - len("standing")


def test_styles_are_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen, pipe = Screen(), io.StringIO()
    for file in (screen, pipe):
        Terminal(file=file).line(bold("[b]"), red("\x1b"))
    assert pipe.getvalue() == "[b]\\x1b\n"
    assert screen.getvalue() == "\x1b[1m[b]\x1b[0m\x1b[31m\\x1b\x1b[0m\n"


def test_an_output_that_is_no_utf_8_gets_escapes_and_json_stays_json() -> None:
    raw = io.BytesIO()
    terminal = Terminal(file=io.TextIOWrapper(raw, encoding="ascii"))
    terminal.line("灯 é 😀")
    terminal.json(json.dumps({"name": "灯 é 😀"}, ensure_ascii=False))
    line, document = raw.getvalue().decode("ascii").splitlines()
    assert line == r"\u706f \xe9 \U0001f600"
    assert json.loads(document) == {"name": "灯 é 😀"}


def test_progress_bars_take_text_as_it_is() -> None:
    file = Screen()
    with Terminal(file=file).bars("now") as bars:
        bars.add_task("[/x] :smile: 100:", total=1, now="[red]\x1b[2J")
    assert "[/x] :smile: 100:" in file.getvalue()
    assert r"[red]\x1b[2J" in file.getvalue()


def test_a_reader_that_has_gone_ends_the_command_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as file, pytest.raises(SystemExit) as ended:
        Terminal(file=file).line("x")
    assert ended.value.code == 1
    assert capfd.readouterr().err == ""


def test_an_output_that_cannot_be_written_is_reported() -> None:
    with Path("/dev/full").open("w") as file, pytest.raises(CannotShow, match="No space left on device"):
        Terminal(file=file).line("x")


def test_the_log_on_a_terminal_escapes_too_and_a_traceback_keeps_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    file = Screen()
    monkeypatch.setattr(sys, "stderr", file)
    log = configure("test")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        log.exception("failed", account_id="a\x1b[2J\u202e")
    assert "\x1b[2J" not in file.getvalue()
    assert "\u202e" not in file.getvalue()
    assert r"a\x1b[2J\u202e" in file.getvalue()
    assert len(file.getvalue().splitlines()) > 2


def test_what_a_command_logs_goes_to_standard_error_escaped_and_what_libraries_say_nowhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_command()
    Log().warning("account held", account_id="a\x1b[2J")
    logging.getLogger("aiokafka.cluster").warning("Topic %s not found", "x")
    out, err = capsys.readouterr()
    assert out == ""
    assert "account held" in err
    assert r"a\x1b[2J" in err
    assert err.count("\n") == 1


def test_an_error_that_a_command_logs_is_one_line_without_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_command()
    try:
        raise ValueError("why\nso")
    except ValueError as error:
        Log().exception("account quarantined", account_id="a")
        Log().error("account quarantined", account_id="b", exc_info=error)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("ValueError: why so" in each for each in lines)


def test_nothing_else_writes_to_a_terminal() -> None:
    for path in sorted((PROJECT / "workers").rglob("*.py")):
        if path.parent.name == "ops" and path.name in ("terminal.py", "progress.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rich")), path
            assert not (isinstance(node, ast.Import) and node.names[0].name.startswith("rich")), path
            assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"), path
