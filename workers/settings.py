"""Settings: environment variables (or `.env`), each with a default that works on one machine.

Owns the valid values and combinations. The invariant: no representation and no error contains a secret. It imports
only the standard library, because every command reads the settings before it does anything else.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from math import nan
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

from workers import timeouts
from workers.addresses import problem_of_brokers, problem_of_url
from workers.kafka.security import KafkaAccess, Mechanism, Protocol, Security
from workers.ops.refused import Refused
from workers.rules.calendar import SECOND, Instant

_SHIPPED_POLICIES = Path(__file__).parent.parent / "schemas" / "policies"
_PREFIX = "STANDING_"
_FILE = Path(".env")
_RENAMED = {"STANDING_SETTLE_SECONDS": "STANDING_ALLOWED_LATENESS_SECONDS"}
_NO_SETTINGS = {"STANDING_CACHE", "STANDING_LIFELINE"}
"""Read elsewhere: by `workers.devservers.cache`, and by a worker whose supervisor sets it."""
_SERVICE_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
"""Variables that Kubernetes sets in every container for a service whose name begins with `standing`."""

Value = TypeVar("Value")
Clock = Literal["wall", "events"]


class UnknownSetting(Refused):
    """A name that begins with STANDING_ and is not a setting: most likely a misspelt one."""


class BadSetting(Refused):
    """A value that is not valid, or settings that do not go together."""


# -- what reads a setting: the text of its variable to its value, or a ValueError that does not contain the text --


def _setting(default: Value, read: Callable[[str], Value], *, secret: bool = False) -> Value:
    """An attribute of `Settings`; a secret one is not part of its representation."""
    made: Value = field(default=default, repr=not secret, metadata={"read": read})
    return made


def _one_of(choices: Sequence[str]) -> Callable[[str], Any]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return text

    return read


def _matching(pattern: str, longest: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > longest or re.fullmatch(pattern, text) is None:
            raise ValueError(f"it must match {pattern} and have at most {longest} characters")
        return text

    return read


def _between(number: type[int] | type[float], least: int, most: int) -> Callable[[str], Any]:
    def read(text: str) -> float:
        try:
            found = number(text)
        except ValueError:
            found = nan
        if not least <= found <= most:
            kind = "a whole number" if number is int else "a number"
            raise ValueError(f"it must be {kind} from {least:,} to {most:,}")
        return found

    return read


def _address(problem_of: Callable[[str], str | None]) -> Callable[[str], str]:
    """An address that a client would not take for an unreachable server, nor refuse with an error of its own."""

    def read(text: str) -> str:
        if (problem := problem_of(text)) is not None:
            raise ValueError(problem)
        return text

    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One attribute for each `STANDING_...` variable."""

    kafka_bootstrap: str = _setting("127.0.0.1:9092", _address(problem_of_brokers))
    kafka_security_protocol: Protocol = _setting("PLAINTEXT", _one_of(get_args(Protocol)))
    kafka_sasl_mechanism: Mechanism = _setting("SCRAM-SHA-512", _one_of(get_args(Mechanism)))
    kafka_username: str | None = _setting(None, str)
    kafka_password: str | None = _setting(None, str, secret=True)
    kafka_ca_file: Path | None = _setting(None, Path)
    kafka_certificate_file: Path | None = _setting(None, Path)
    kafka_key_file: Path | None = _setting(None, Path)
    kafka_key_password: str | None = _setting(None, str, secret=True)
    database_url: str = _setting(
        "postgresql://postgres@127.0.0.1:5432/standing", _address(problem_of_url), secret=True
    )
    policies: Path = _setting(_SHIPPED_POLICIES, Path)
    topic_prefix: str = _setting("", _matching("[A-Za-z0-9._-]*", 100))
    partitions: int = _setting(8, _between(int, 1, 1000))
    clock: Clock = _setting("wall", _one_of(get_args(Clock)))
    allowed_lateness_seconds: float = _setting(600, _between(float, 0, 366 * 86_400))
    console_port: int = _setting(8480, _between(int, 0, 65_535))
    max_record_bytes: int = _setting(1024 * 1024, _between(int, 1, 1024**3))
    batch_size: int = _setting(20_000, _between(int, 1, 50_000))
    shards: int = _setting(1, _between(int, 1, 64))
    ingests: int = _setting(2, _between(int, 1, 64))
    metrics_port: int = _setting(0, _between(int, 0, 65_000))
    metrics_host: str = _setting("127.0.0.1", _matching("[A-Za-z0-9._:%-]*", 255))
    watchdog_seconds: int = _setting(timeouts.WATCHDOG_SECONDS, _between(int, 1, 86_400))
    instance: str | None = _setting(None, _matching("[A-Za-z0-9._-]+", 200))

    def __post_init__(self) -> None:
        if (problem := self._problem_of_kafka()) is not None:
            raise BadSetting(f"bad setting: {problem}")

    @classmethod
    def of(cls, variables: Mapping[str, str | None]) -> Self:
        """The settings among these variables; raises UnknownSetting for a name that nothing reads, and BadSetting."""
        known = {f"{_PREFIX}{each.name}".upper(): each for each in fields(cls)}
        for problem in _problems_of_names(variables, known.keys()):
            raise UnknownSetting(problem)
        given = {name.upper(): text for name, text in variables.items() if text is not None}
        values: dict[str, Any] = {}
        for variable, setting in known.items():
            if (text := given.get(variable)) is None:
                continue
            try:
                text.encode()  # bytes of the environment that are not UTF-8 would fail in a client
                values[setting.name] = setting.metadata["read"](text)
            except UnicodeEncodeError:
                raise BadSetting(f"bad setting {variable}: it has bytes that are not UTF-8") from None
            except ValueError as error:
                raise BadSetting(f"bad setting {variable}: {error}") from None
        return cls(**values)

    @property
    def allowed_lateness(self) -> Instant:
        """How long after a deadline late facts may still arrive before it is enforced."""
        return round(self.allowed_lateness_seconds * SECOND)

    @property
    def group(self) -> str:
        """The consumer group of the ingest workers."""
        return f"{self.topic_prefix}standing"

    @property
    def kafka(self) -> KafkaAccess:
        """The access to Kafka that every client uses."""
        security = Security(
            protocol=self.kafka_security_protocol,
            ca_file=_text(self.kafka_ca_file),
            certificate_file=_text(self.kafka_certificate_file),
            key_file=_text(self.kafka_key_file),
            key_password=self.kafka_key_password,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_username,
            password=self.kafka_password,
        )
        return KafkaAccess(self.kafka_bootstrap, security)

    def _problem_of_kafka(self) -> str | None:
        """A setting that is missing, or that has no effect and would suggest a protection that is not there."""
        security = self.kafka.security
        chosen = f"with STANDING_KAFKA_SECURITY_PROTOCOL={security.protocol}"
        of_user = {"USERNAME": self.kafka_username, "PASSWORD": self.kafka_password}
        of_tls = {
            "CA_FILE": self.kafka_ca_file,
            "CERTIFICATE_FILE": self.kafka_certificate_file,
            "KEY_FILE": self.kafka_key_file,
        }
        for name, value in of_user.items():
            if security.names_user and value is None:
                return f"STANDING_KAFKA_{name} is required {chosen}"
            if not security.names_user and value is not None:
                return f"STANDING_KAFKA_{name} has no effect {chosen}: use SASL_SSL"
        for name, path in of_tls.items():
            if path is not None and not security.encrypts:
                return f"STANDING_KAFKA_{name} has no effect {chosen}: use SSL or SASL_SSL"
            if path is not None and not path.is_file():
                return f"STANDING_KAFKA_{name}: there is no file {path}"
        if (self.kafka_certificate_file is None) != (self.kafka_key_file is None):
            return "STANDING_KAFKA_CERTIFICATE_FILE and STANDING_KAFKA_KEY_FILE must be given together"
        if self.kafka_key_password is not None and self.kafka_key_file is None:
            return "STANDING_KAFKA_KEY_PASSWORD has no effect without STANDING_KAFKA_KEY_FILE"
        return _problem_of_files(security)


def read_settings() -> Settings:
    """The settings of the environment and, where it lacks them, of `.env`; raises what `Settings.of` raises."""
    if not _FILE.is_file():
        return Settings.of(os.environ)
    from dotenv import dotenv_values

    try:
        return Settings.of({**dotenv_values(_FILE), **os.environ})
    except UnicodeDecodeError as error:
        raise Refused(f"{_FILE} is not UTF-8: {error}") from error


def _problems_of_names(given: Mapping[str, str | None], known: Set[str]) -> Iterator[str]:
    """A line for each name that begins like a setting and is not one."""
    for name, value in given.items():
        upper = name.upper()
        if not upper.startswith(_PREFIX) or upper in known | _NO_SETTINGS:
            continue
        if upper in _RENAMED:
            yield f"{upper} is now {_RENAMED[upper]}: rename it"
        elif not _SERVICE_LINK.fullmatch(upper) and not (value or "").startswith("tcp://"):
            names = [each.removeprefix(_PREFIX) for each in sorted(known)]
            nearest = get_close_matches(upper.removeprefix(_PREFIX), names, 1, cutoff=0.4)
            hint = f"; did you mean {_PREFIX}{nearest[0]}?" if nearest else ""
            yield f"there is no setting {upper}{hint}"


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _problem_of_files(security: Security) -> str | None:
    try:
        if security.encrypts:
            security.context()
    except OSError as error:
        files = (security.ca_file, security.certificate_file, security.key_file)
        named = ", ".join(each for each in files if each is not None)
        return f"the certificates and key for Kafka cannot be used ({named}): {error}"
    return None
