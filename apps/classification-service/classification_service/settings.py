"""Settings of the service."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from classification_service.cache.settings import CacheSettings
from classification_service.encoder.device import Device
from classification_service.llm.settings import LlmSettings
from nexus_chassis.settings import PostgresSettings, SecretFile, ServiceSettings, TokenSettings

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
"""The SQL files that make the service's schema."""


class Settings(ServiceSettings, TokenSettings, CacheSettings, LlmSettings):
    """What the service can be told."""

    service_name: ClassVar[str] = "classification-service"

    port: int = Field(8002, validation_alias="PORT", ge=0, le=65535, description="port to listen on")
    encoder_dir: Path | None = Field(
        None,
        validation_alias="NEXUS_ENCODER_DIR",
        description="folder with the model.safetensors and tokenizer.json of another encoder of the same shape; "
        "`None` means the one that is shipped",
    )
    encoder_threads: int = Field(
        1,
        validation_alias="NEXUS_ENCODER_THREADS",
        ge=1,
        description="threads that one worker process computes with",
    )
    device: Device = Field(
        "auto",
        validation_alias="NEXUS_DEVICE",
        description="what the encoder computes on: cpu; cuda, the NVIDIA GPU; "
        "or auto, the GPU if torch is there and can use one, else the CPU",
    )
    postgres_url: str | None = Field(
        None,
        validation_alias="NEXUS_POSTGRES_URL",
        description="PostgreSQL address with the service's role, without password; "
        "`None` means no database: only the starter taxonomies are there",
    )
    postgres_password_file: SecretFile | None = Field(
        None,
        validation_alias="NEXUS_POSTGRES_PASSWORD_FILE",
        description="file that holds the password of the role; set it together with NEXUS_POSTGRES_URL",
    )
    postgres_pool_size: int = Field(
        10,
        validation_alias="NEXUS_POSTGRES_POOL_SIZE",
        ge=2,
        description="maximum number of PostgreSQL connections of one worker process, apart from that of its health check",
    )
    postgres_owner_url: str | None = Field(
        None,
        validation_alias="NEXUS_POSTGRES_OWNER_URL",
        description="PostgreSQL address with the role that owns the schema and applies the migrations, "
        "without password; `None` means the service's role",
    )
    postgres_owner_password_file: SecretFile | None = Field(
        None,
        validation_alias="NEXUS_POSTGRES_OWNER_PASSWORD_FILE",
        description="file that holds the password of the owner role; set it together with NEXUS_POSTGRES_OWNER_URL",
    )
    import_bytes: int = Field(
        32 * 1024**2,
        validation_alias="CLASSIFICATION_IMPORT_BYTES",
        ge=1024,
        description="bytes of one file of a taxonomy that is imported by HTTP; it is kept under /tmp while it is read",
    )
    job_bytes: int = Field(
        1024**3,
        validation_alias="CLASSIFICATION_JOB_BYTES",
        ge=1024,
        description="bytes of one file whose rows are classified by a job; it is kept in PostgreSQL until it is read",
    )
    job_days: float = Field(
        7.0,
        validation_alias="CLASSIFICATION_JOB_DAYS",
        gt=0,
        le=3650,
        description="days that a job which has ended is kept with its results",
    )
    review_threshold: float = Field(
        0.8,
        validation_alias="CLASSIFICATION_REVIEW_THRESHOLD",
        ge=0,
        le=1,
        description="items whose likeliest code has a lower confidence than this are put into the review queue, "
        "where a request asks for that",
    )

    @model_validator(mode="after")
    def _postgres_is_whole(self) -> Self:
        for url, file, name in (
            (self.postgres_url, self.postgres_password_file, "NEXUS_POSTGRES"),
            (self.postgres_owner_url, self.postgres_owner_password_file, "NEXUS_POSTGRES_OWNER"),
        ):
            if (url is None) != (file is None):
                raise ValueError(f"{name}_URL and {name}_PASSWORD_FILE belong together. Set both or none.")
        return self

    @property
    def postgres(self) -> PostgresSettings | None:
        """Where the service's schema is; None for a service without a database."""
        if self.postgres_url is None:
            return None
        return PostgresSettings.model_validate({name: getattr(self, name) for name in PostgresSettings.model_fields})
