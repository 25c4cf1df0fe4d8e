"""Settings of dataflow-service."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from nexus_chassis.settings import PostgresSettings, RedisSettings, SecretFile, ServiceSettings, TokenSettings

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
"""The SQL files that make the service's schema."""


class Settings(ServiceSettings, PostgresSettings, RedisSettings, TokenSettings):
    """The settings of dataflow-service."""

    service_name: ClassVar[str] = "dataflow-service"

    port: int = Field(8001, validation_alias="PORT", ge=0, le=65535, description="port to listen on")
    postgres_url: str = Field(
        "postgresql://dataflow@postgres:5432/nexus",
        validation_alias="NEXUS_POSTGRES_URL",
        description="PostgreSQL address with the service's role, without password",
    )
    postgres_password_file: SecretFile = Field(
        Path("/run/secrets/dataflow_db_password"),
        validation_alias="NEXUS_POSTGRES_PASSWORD_FILE",
        description="file that holds the password of the role",
    )
    redis_url: str = Field(
        default="redis://dataflow@redis:6379/0",
        validation_alias="NEXUS_REDIS_URL",
        description="Redis address with the service's user, without password",
    )
    redis_password_file: SecretFile = Field(
        default=Path("/run/secrets/dataflow_redis_password"),
        validation_alias="NEXUS_REDIS_PASSWORD_FILE",
        description="file that holds the password of the Redis user",
    )
    models: str = Field(
        "dataflow_service.models",
        validation_alias="DATAFLOW_MODELS",
        description="package whose modules hold the models",
    )
    read_seconds: float = Field(
        10.0,
        validation_alias="DATAFLOW_READ_SECONDS",
        ge=0.1,
        le=25,
        description="seconds that PostgreSQL may work on one list, count or aggregate",
    )
    changes_days: float = Field(
        7.0,
        validation_alias="DATAFLOW_CHANGES_DAYS",
        gt=0,
        le=3650,
        description="days that the feed keeps changes",
    )
    bulk_rows: int = Field(
        5_000_000,
        validation_alias="DATAFLOW_BULK_ROWS",
        ge=1,
        description="rows in one stream of NDJSON or CSV",
    )
    bulk_bytes: int = Field(
        1024**3,
        validation_alias="DATAFLOW_BULK_BYTES",
        ge=1,
        description="bytes in one stream of NDJSON or CSV",
    )
    bulk_seconds: float = Field(
        600.0,
        validation_alias="DATAFLOW_BULK_SECONDS",
        gt=0,
        le=86400,
        description="seconds that one stream of rows, sent or exported, may take",
    )
