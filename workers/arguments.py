"""The valid values of each argument and option of `standing`.

An invalid value is refused before anything is opened, in one line that names the argument (exit code 2).
"""

import math
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from contracts.reasons import Reason
from contracts.topics import INPUT_TOPICS
from workers.rules.calendar import DAY, Instant, instant, moment

_FIRST: Instant = 0
_LAST: Instant = instant(datetime.max.replace(tzinfo=UTC))
_PLACE = re.compile(f"({'|'.join(INPUT_TOPICS)})/[0-9]{{1,9}}/[0-9]{{1,18}}")
_ID_LENGTH = 128
_KEY_LENGTH = 300
_WHY_LENGTH = 1000
_MOST_SECONDS = 10_000_000
MOST_ROWS = 10_000
MOST_PARTITIONS = 1_000_000
MOST_RECORDS = 10**12


def _each(problem: Callable[[Any], str | None]) -> Callable[[Any], Any]:
    """A callback that refuses a value, or a list with a value, for which `problem` returns a reason."""

    def check(value: Any) -> Any:
        for one in value if isinstance(value, list) else [value]:
            reason = None if one is None else problem(one)
            if reason is not None:
                raise typer.BadParameter(reason)
        return value

    return check


def _problem_of_text(text: str, most: int) -> str | None:
    if not text.strip():
        return "it is empty"
    if len(text) > most:
        return f"it has {len(text):,} characters; the limit is {most:,}"
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in text):
        return "it contains a control character or bytes that are not UTF-8"
    return None


def _problem_of_key(key: str) -> str | None:
    begins = key.startswith(("id:", "name:"))
    return _problem_of_text(key, _KEY_LENGTH) if begins else "a company's key begins with id: or name:"


def _problem_of_place(place: str) -> str | None:
    return None if _PLACE.fullmatch(place) else "a place has the form TOPIC/PARTITION/OFFSET, as `list` prints it"


def instant_of(text: str) -> Instant:
    """Parse an instant; raises ValueError with the reason."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError("an instant needs a date, a time and an offset, as in 2016-08-01T00:00:00+08:00")
    if not _FIRST <= instant(found) <= _LAST:
        raise ValueError("an instant must lie in the years 1970 to 9999")
    return instant(found)


def _problem_of_instant(text: str) -> str | None:
    try:
        instant_of(text)
    except ValueError as error:
        return str(error)
    return None


def check_span(start: str, days: int) -> None:
    """Refuse a span of time that ends after the latest instant."""
    if instant_of(start) + days * DAY > _LAST:
        raise typer.BadParameter(
            f"{days:,} days after {moment(instant_of(start)):%Y} is too late", param_hint="--days"
        )


def _finite(least: int, most: int) -> Callable[[float], str | None]:
    def problem(number: float) -> str | None:
        good = math.isfinite(number) and least <= number <= most
        return None if good else f"it must be a number from {least:,} to {most:,}, not {number:g}"

    return problem


def _one_of(choices: Sequence[str]) -> Callable[[str], str | None]:
    def problem(text: str) -> str | None:
        return None if text in choices else f"it must be one of {', '.join(choices)}"

    return problem


def _problem_of_output(path: Path) -> str | None:
    try:
        if path.is_dir():
            return f"{path} is a directory"
        if not path.parent.is_dir():
            return f"there is no directory {path.parent}"
    except OSError as error:  # the name is too long
        return f"{path}: {error.strerror}"
    return None if os.access(path.parent, os.W_OK) else f"the directory {path.parent} is not writable"


def _problem_of_input(path: Path) -> str | None:
    try:
        path.open("rb").close()
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None


_instant = _each(_problem_of_instant)
_share = _each(_finite(0, 1))
_input = _each(_problem_of_input)
_output = _each(_problem_of_output)
_place = _each(_problem_of_place)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_account = _each(lambda text: _problem_of_text(text, _ID_LENGTH))
Account = Annotated[str, typer.Argument(help="The id of the account.", callback=_account)]
Accounts = Annotated[
    list[str] | None,
    typer.Argument(help="Only these accounts; by default all that are quarantined.", callback=_account),
]
CompanyKey = Annotated[str, typer.Argument(help="The company key.", callback=_each(_problem_of_key))]
_why = _each(lambda text: _problem_of_text(text, _WHY_LENGTH))
Why = Annotated[str, typer.Argument(help="The reason, which `status` shows.", callback=_why)]
Timeout = Annotated[float, typer.Option(help="Seconds to wait.", callback=_each(_finite(0, _MOST_SECONDS)))]


def share(help_text: str) -> Any:
    """An option that is a share, from 0 to 1."""
    return typer.Option(help=help_text, callback=_share)


def an_instant(help_text: str) -> Any:
    """An option that is an instant, with an offset."""
    return typer.Option(help=help_text, callback=_instant)


def input_file(help_text: str) -> Any:
    """An option that is a file to be read."""
    return typer.Option(help=help_text, callback=_input)


def output_file(help_text: str) -> Any:
    """An option that is a file to be written."""
    return typer.Option(help=help_text, callback=_output)


Files = Annotated[list[Path] | None, typer.Argument(help="JSONL files instead of the input topics.", callback=_input)]
Reasons = Annotated[
    list[str] | None,
    typer.Option(help="All with this reason; may be repeated.", callback=_each(_one_of(get_args(Reason)))),
]
Topics = Annotated[
    list[str] | None,
    typer.Option(help="All of this topic; may be repeated.", callback=_each(_one_of(INPUT_TOPICS))),
]
Topic = Annotated[
    str, typer.Argument(help="The input topic, without the prefix.", callback=_each(_one_of(INPUT_TOPICS)))
]
Place = Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `list` prints it.", callback=_place)]
Places = Annotated[
    list[str] | None, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `list` prints it.", callback=_place)
]
