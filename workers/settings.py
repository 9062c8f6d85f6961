"""Settings: environment variables (or `.env`), each with a default that works on one machine (CONTRACTS)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from workers.rules.calendar import SECOND, Instant

_SHIPPED_POLICIES = Path(__file__).parent.parent / "schemas" / "policies"


class Settings(BaseSettings):
    """One attribute for each `STANDING_...` variable."""

    model_config = SettingsConfigDict(env_prefix="STANDING_", env_file=".env", extra="ignore", frozen=True)

    kafka_bootstrap: str = "127.0.0.1:9092"
    database_url: SecretStr = SecretStr("postgresql://postgres@127.0.0.1:5432/standing")
    policies: Path = _SHIPPED_POLICIES
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = ""
    partitions: Annotated[int, Field(ge=1, le=1000)] = 8
    clock: Literal["wall", "events"] = "wall"
    settle_seconds: Annotated[float, Field(ge=0)] = 600
    console_port: Annotated[int, Field(ge=0, le=65535)] = 8480
    max_record_bytes: Annotated[int, Field(ge=1)] = 1024 * 1024
    batch_size: Annotated[int, Field(ge=1, le=50_000)] = 5000
    shards: Annotated[int, Field(ge=1, le=64)] = 1
    ingests: Annotated[int, Field(ge=1, le=64)] = 2
    metrics_port: Annotated[int, Field(ge=0, le=65_000)] = 0
    metrics_host: str = "127.0.0.1"
    watchdog_seconds: Annotated[int, Field(ge=1)] = 120
    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None

    @property
    def settle(self) -> Instant:
        """How long after a deadline facts may still come in before it is enforced."""
        return round(self.settle_seconds * SECOND)

    @property
    def group(self) -> str:
        """The consumer group of the ingest workers."""
        return f"{self.topic_prefix}standing"
