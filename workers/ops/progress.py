"""Progress bars and a spinner on a terminal.

A module of its own because its library takes a tenth of a second to import.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, ProgressColumn, Task
from rich.progress import TimeElapsedColumn as Elapsed
from rich.text import Text

from workers.ops.terminal import shown

Bars = Progress


@contextmanager
def busy(file: TextIO, what: str) -> Iterator[None]:
    """Show a spinner and `what` while the block runs."""
    with _console(file).status(Text(shown(what))):
        yield


def bars(file: TextIO, fields: tuple[str, ...], *, download: bool, disable: bool) -> Progress:
    """Progress bars: description, bar, count, the named fields of each task, the time."""
    counted = DownloadColumn() if download else MofNCompleteColumn()
    words = [_Words(each) for each in fields]
    columns = (_Words(None), BarColumn(), counted, *words, Elapsed())
    return Progress(*columns, console=_console(file), disable=disable)


def _console(file: TextIO) -> Console:
    return Console(file=file, markup=False, emoji=False, highlight=False)


class _Words(ProgressColumn):
    """A task's description or one of its fields, verbatim."""

    def __init__(self, field: str | None) -> None:
        super().__init__()
        self._field = field

    def render(self, task: Task) -> Text:
        return Text(shown(str(task.description if self._field is None else task.fields[self._field])))
