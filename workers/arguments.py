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
from typing import Any, get_args

import click

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


def _each(problem: Callable[[Any], str | None]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback that refuses a value, or several with a value, for which `problem` returns a reason."""

    def check(_: click.Context, __: click.Parameter, value: Any) -> Any:
        for one in value if isinstance(value, tuple) else [value]:
            reason = None if one is None else problem(one)
            if reason is not None:
                raise click.BadParameter(reason)
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
        raise click.BadParameter(
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


_account = _each(lambda text: _problem_of_text(text, _ID_LENGTH))
_topic = _each(_one_of(INPUT_TOPICS))
_place = _each(_problem_of_place)
_PLACE_HELP = "TOPIC/PARTITION/OFFSET, as `list` prints it."

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
account = click.argument("account", callback=_account, help="The id of the account.")
accounts = click.argument(
    "accounts", nargs=-1, callback=_account, help="Only these accounts; by default all that are quarantined."
)
company_key = click.argument("key", callback=_each(_problem_of_key), help="The company key.")
why = click.argument(
    "why", callback=_each(lambda text: _problem_of_text(text, _WHY_LENGTH)), help="The reason, which `status` shows."
)
timeout = click.option("--timeout", default=600.0, callback=_each(_finite(0, _MOST_SECONDS)), help="Seconds to wait.")
files = click.argument(
    "files",
    nargs=-1,
    type=Path,
    callback=_each(_problem_of_input),
    help="JSONL files instead of the input topics.",
)
reasons = click.option(
    "--reason",
    multiple=True,
    callback=_each(_one_of(get_args(Reason))),
    help="All with this reason; may be repeated.",
)
topics = click.option("--topic", multiple=True, callback=_topic, help="All of this topic; may be repeated.")
topic = click.argument("topic", callback=_topic, help="The input topic, without the prefix.")
place = click.argument("place", callback=_place, help=_PLACE_HELP)
places = click.argument("places", nargs=-1, callback=_place, help=_PLACE_HELP)


def flag(name: str, help_text: str) -> Callable[[Any], Any]:
    """An option without a value."""
    return click.option(name, is_flag=True, help=help_text)


def share(name: str, default: float, help_text: str) -> Callable[[Any], Any]:
    """An option that is a share, from 0 to 1."""
    return click.option(name, default=default, callback=_each(_finite(0, 1)), help=help_text)


def an_instant(name: str, help_text: str, default: str | None = None) -> Callable[[Any], Any]:
    """An option that is an instant, with an offset."""
    return click.option(name, default=default, callback=_each(_problem_of_instant), help=help_text)


def number(name: str, least: int, most: int, help_text: str, default: int | None = None) -> Callable[[Any], Any]:
    """An option that is a whole number within limits."""
    return click.option(name, type=click.IntRange(least, most), default=default, help=help_text)


def input_file(name: str, help_text: str) -> Callable[[Any], Any]:
    """An option that is a file to be read."""
    return click.option(name, type=Path, callback=_each(_problem_of_input), help=help_text)


def output_file(name: str, help_text: str) -> Callable[[Any], Any]:
    """An option that is a file to be written."""
    return click.option(name, type=Path, callback=_each(_problem_of_output), help=help_text)
