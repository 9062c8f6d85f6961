"""Checks the addresses of servers in the settings, before any client connects. Pure.

The invariant: no error contains a part of an address that may be secret.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

_HOST = r"(?:\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[A-Za-z0-9_][A-Za-z0-9._-]*)"
_BROKER = re.compile(rf"{_HOST}(?::(?P<port>[0-9]{{1,5}}))?")
_LAST_PORT = 65_535
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}


def problem_of_brokers(text: str) -> str | None:
    """What is wrong with the list of Kafka's addresses."""
    for each in text.split(","):
        found = _BROKER.fullmatch(each.strip())
        if found is None or not 0 < int(found["port"] or 1) <= _LAST_PORT:
            return "it must be a list of HOST:PORT, as in kafka-1:9092,kafka-2:9092"
    return None


def problem_of_url(url: str) -> str | None:
    """What is wrong with the URL of the database."""
    try:
        parts = urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2].split(",")
        ports = [urlsplit(f"//{host}").port for host in hosts]
    except ValueError:
        ports = [0]
    if 0 in ports:
        return "it cannot be parsed: write special characters of the password as %XX (/ is %2F, @ is %40, ? is %3F)"
    if parts.scheme not in {"postgresql", "postgres"}:
        return "it must begin with postgresql://"
    if len(hosts) > 1 and "" in hosts:
        return "one of its hosts has no name"
    return next(_problems_of_parameters(parts), None)


def _problems_of_parameters(parts: SplitResult) -> Iterator[str]:
    for name, values in parse_qs(parts.query).items():
        value = values[-1]
        if name in _FILES and not Path(value).is_file():
            yield f"{name}: there is no file {value}"
        if name in _CHOICES and value not in _CHOICES[name]:
            yield f"{name} must be one of {', '.join(_CHOICES[name])}"
        if name == "port" and not all(each.isdecimal() and 0 < int(each) <= _LAST_PORT for each in value.split(",")):
            yield f"port must be a number from 1 to {_LAST_PORT}"
