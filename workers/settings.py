"""Settings: environment variables (or `.env`), each with a default that works on one machine.

Owns the valid values and combinations. The invariant: no representation and no error contains a secret.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self, cast

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from workers import timeouts
from workers.addresses import problem_of_brokers, problem_of_url
from workers.kafka.security import KafkaAccess, Mechanism, Protocol, Security
from workers.ops.refused import Refused
from workers.rules.calendar import SECOND, Instant

_SHIPPED_POLICIES = Path(__file__).parent.parent / "schemas" / "policies"
_PREFIX = "STANDING_"
_RENAMED = {"STANDING_SETTLE_SECONDS": "STANDING_ALLOWED_LATENESS_SECONDS"}
_NO_SETTINGS = {"STANDING_CACHE", "STANDING_LIFELINE"}
"""Read elsewhere: by `workers.devservers.cache`, and by a worker whose supervisor sets it."""
_SERVICE_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
"""Variables that Kubernetes sets in every container for a service whose name begins with `standing`."""


class UnknownSetting(Refused):
    """A name that begins with STANDING_ and is not a setting: most likely a misspelt one."""


class Settings(BaseSettings):
    """One attribute for each `STANDING_...` variable."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_security_protocol: Protocol = "PLAINTEXT"
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = None
    kafka_certificate_file: Path | None = None
    kafka_key_file: Path | None = None
    kafka_key_password: SecretStr | None = None
    database_url: SecretStr = SecretStr("postgresql://postgres@127.0.0.1:5432/standing")
    policies: Path = _SHIPPED_POLICIES
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = ""
    partitions: Annotated[int, Field(ge=1, le=1000)] = 8
    clock: Literal["wall", "events"] = "wall"
    allowed_lateness_seconds: Annotated[float, Field(ge=0, le=366 * 86_400, allow_inf_nan=False)] = 600
    console_port: Annotated[int, Field(ge=0, le=65535)] = 8480
    max_record_bytes: Annotated[int, Field(ge=1, le=1024**3)] = 1024 * 1024
    batch_size: Annotated[int, Field(ge=1, le=50_000)] = 5000
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    ingests: Annotated[int, Field(ge=1, le=64)] = 2
    metrics_port: Annotated[int, Field(ge=0, le=65_000)] = 0
    metrics_host: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:%-]*$", max_length=255)] = "127.0.0.1"
    watchdog_seconds: Annotated[int, Field(ge=1, le=86_400)] = timeouts.WATCHDOG_SECONDS
    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=200)] | None = None

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
            key_password=_secret(self.kafka_key_password),
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_username,
            password=_secret(self.kafka_password),
        )
        return KafkaAccess(self.kafka_bootstrap, security)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then `.env`; raises UnknownSetting for a name in either that nothing reads."""
        known = {f"{_PREFIX}{name}".upper() for name in settings_cls.model_fields}
        for source in (env_settings, dotenv_settings):
            for problem in _problems_of_names(cast("EnvSettingsSource", source).env_vars, known):
                raise UnknownSetting(problem)
        return init_settings, env_settings, dotenv_settings

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: object) -> object:
        """Refuse bytes of the environment that are not UTF-8, before a client fails on them."""
        if isinstance(value, str) and any("\ud800" <= each <= "\udfff" for each in value):
            raise PydanticCustomError("text", "it has bytes that are not UTF-8")
        return value

    @field_validator("kafka_bootstrap")
    @classmethod
    def _is_a_list_of_brokers(cls, value: str) -> str:
        """Refuse an address that a client would treat as an unreachable server or as another address."""
        if (problem := problem_of_brokers(value)) is not None:
            raise PydanticCustomError("kafka_bootstrap", "{problem}", {"problem": problem})
        return value

    @field_validator("database_url")
    @classmethod
    def _is_a_postgresql_url(cls, value: SecretStr) -> SecretStr:
        """Refuse a URL that a client would refuse with an error of its own, which may contain the password."""
        if (problem := problem_of_url(value.get_secret_value())) is not None:
            raise PydanticCustomError("database_url", "{problem}", {"problem": problem})
        return value

    @model_validator(mode="after")
    def _kafka_settings_go_together(self) -> Self:
        problem = self._problem_of_kafka()
        if problem is not None:
            raise PydanticCustomError("kafka_security", "{problem}", {"problem": problem})
        return self

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


def _problems_of_names(given: Mapping[str, str | None], known: set[str]) -> Iterator[str]:
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


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _problem_of_files(security: Security) -> str | None:
    try:
        if security.encrypts:
            security.context()
    except OSError as error:
        files = (security.ca_file, security.certificate_file, security.key_file)
        named = ", ".join(each for each in files if each is not None)
        return f"the certificates and key for Kafka cannot be used ({named}): {error}"
    return None
