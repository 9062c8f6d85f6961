"""The output of commands: the one module through which text reaches a terminal, a pipe or a file.

It shows text from outside (ids, names, categories, reasons, errors) verbatim and whole: nothing is interpreted as
markup or an emoji code, nothing is cut or wrapped, and a row of a table is one line, for `grep`. It escapes only
characters that a terminal interprets or does not show (`shown`).
"""

import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from rich.cells import cell_len

from workers.ops.refused import Refused

if TYPE_CHECKING:
    from rich.progress import Progress

_WIDEST = 60
"""Columns are aligned up to this width; a longer cell shifts the rest of its row."""
_STYLES = {"bold": "1", "red": "31", "green": "32"}
_ESCAPES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that no terminal shows: control, format (bidi, zero width), lone surrogates, separators."""
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
"""Characters of other categories that have no width or are blank."""
_blank = re.compile(f"[{_BLANK}]")


def shown(text: str) -> str:
    """The text with each character escaped that a terminal interprets or does not show: `\\x1b`, `\\u202e`."""
    if text.isprintable() and _blank.search(text) is None:
        return text
    return "".join(_escaped(each) if _is_unseen(each) else each for each in text)


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN or _blank.match(character) is not None


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def one_line(text: str) -> str:
    """A text of several lines as one."""
    return " ".join(line.strip() for line in text.split("\n") if line.strip())


class Styled(NamedTuple):
    """A part of a line that stands out on a terminal."""

    text: str
    style: str


def bold(text: str) -> Styled:
    """A part in bold."""
    return Styled(text, "bold")


def red(text: str) -> Styled:
    """A part in red."""
    return Styled(text, "red")


def green(text: str) -> Styled:
    """A part in green."""
    return Styled(text, "green")


Part = str | Styled


class CannotShow(Refused):
    """Standard output cannot be written, for example because a disk is full."""


class Terminal:
    """Standard output, standard error or a file."""

    def __init__(self, *, error: bool = False, file: TextIO | None = None) -> None:
        self._error = error
        self._given = file

    @property
    def _file(self) -> TextIO:
        return self._given or (sys.stderr if self._error else sys.stdout)

    @property
    def is_terminal(self) -> bool:
        """Whether it is a terminal."""
        return self._file.isatty()

    def line(self, *parts: Part) -> None:
        """Write one line."""
        self._write("".join(self._rendered(part) for part in parts))

    def json(self, text: str) -> None:
        """Write JSON; characters that a terminal would not show are JSON escapes, so the value stays the same."""
        lines = [_json_line(line) for line in text.split("\n")]
        self._write("\n".join(lines), _json_escaped)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Part]], title: str | None = None) -> None:
        """Write a table, one whole line for each row; `headings` can be empty."""
        if title is not None:
            self.line(bold(title))
        lines: list[Sequence[Part]] = [[bold(heading) for heading in headings]] if headings else []
        lines += rows
        cells = [[shown(each.text if isinstance(each, Styled) else each) for each in line] for line in lines]
        widths = [min(_WIDEST, max(map(cell_len, column))) for column in zip(*cells, strict=True)]
        for line, texts in zip(lines, cells, strict=True):
            gaps = [" " * (width - cell_len(text)) for text, width in zip(texts, widths, strict=True)]
            gaps[-1] = ""
            self._write(" " + "  ".join(self._rendered(part) + gap for part, gap in zip(line, gaps, strict=True)))

    def rule(self, title: str) -> None:
        """Write a heading."""
        self.line(bold(f"── {title} ──"))

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Show a spinner and `what` while the block runs, on a terminal only."""
        if not self.is_terminal:
            yield
            return
        from workers.ops.progress import busy

        with busy(self._file, what):
            yield

    def bars(self, *fields: str, download: bool = False) -> "Progress":
        """Progress bars, on a terminal only: description, bar, count, the named fields of each task, the time."""
        from workers.ops.progress import bars

        return bars(self._file, fields, download=download, disable=not self.is_terminal)

    def _rendered(self, part: Part) -> str:
        if isinstance(part, str):
            return shown(part)
        if not self.is_terminal or os.environ.get("NO_COLOR"):
            return shown(part.text)
        return f"\x1b[{_STYLES[part.style]}m{shown(part.text)}\x1b[0m"

    def _write(self, text: str, escaped: Callable[[str], str] = _escaped) -> None:
        """Write and flush a line whose text is safe to show; raises CannotShow."""
        file = self._file
        try:
            text.encode(file.encoding or "utf-8")
        except UnicodeEncodeError:
            text = "".join(each if each.isascii() else escaped(each) for each in text)
        try:
            file.write(f"{text}\n")
            file.flush()
        except BrokenPipeError:
            self._discard_buffer()
            raise SystemExit(1) from None  # the reader ended first, as `head` does
        except OSError as error:
            self._discard_buffer()
            raise CannotShow(f"standard output cannot be written: {error.strerror}") from error

    def _discard_buffer(self) -> None:
        """Send the rest of the buffer to /dev/null; otherwise the interpreter reports an error when it exits."""
        with Path(os.devnull).open("wb") as null:
            os.dup2(null.fileno(), self._file.fileno())


def _json_line(text: str) -> str:
    """A line of JSON; every escaped character is inside a string, for JSON's own characters are ASCII."""
    if text.isprintable() and _blank.search(text) is None:
        return text
    return "".join(_json_escaped(each) if _is_unseen(each) else each for each in text)
