"""Settings of the service."""

from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from classification_service.encoder.device import Device
from nexus_chassis.settings import PostgresSettings, RedisSettings, SecretFile, ServiceSettings, TokenSettings

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
"""The SQL files that make the service's schema."""

_PER_MILLION = "price of a million {} tokens, in any currency; needed together with OPENAI_API_KEY_FILE, 0 for a server of your own"


class CacheSettings(BaseSettings):
    """Where answers are kept."""

    model_config = ServiceSettings.model_config

    redis_url: str | None = Field(
        None,
        validation_alias="NEXUS_REDIS_URL",
        description="Redis address with the service's user, without password; "
        "`None` means that no answers are kept and no progress of jobs is published",
    )
    redis_password_file: SecretFile | None = Field(
        None,
        validation_alias="NEXUS_REDIS_PASSWORD_FILE",
        description="file that holds the password of the Redis user; set it together with NEXUS_REDIS_URL",
    )

    @model_validator(mode="after")
    def _redis_is_whole(self) -> Self:
        if (self.redis_url is None) != (self.redis_password_file is None):
            raise ValueError("NEXUS_REDIS_URL and NEXUS_REDIS_PASSWORD_FILE belong together. Set both or none.")
        return self

    @property
    def redis(self) -> RedisSettings | None:
        """Where Redis is, if it is used."""
        if self.redis_url is None or self.redis_password_file is None:
            return None
        return RedisSettings(redis_url=self.redis_url, redis_password_file=self.redis_password_file)


class LlmSettings(BaseSettings):
    """Which language model is asked, and what it may cost."""

    model_config = ServiceSettings.model_config

    openai_api_key_file: SecretFile | None = Field(
        None,
        validation_alias="OPENAI_API_KEY_FILE",
        description="file that holds the API key of the language model; `None` means that there is none",
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        validation_alias="OPENAI_BASE_URL",
        pattern="^https?://",
        description="address of an API like OpenAI's (`/chat/completions`; for batches `/files` and `/batches` too)",
    )
    llm_model: str | None = Field(
        None,
        validation_alias="NEXUS_LLM_MODEL",
        description="name of the language model; needed together with OPENAI_API_KEY_FILE",
    )
    llm_threshold: float = Field(
        0.8,
        validation_alias="NEXUS_LLM_THRESHOLD",
        ge=0,
        le=1,
        description="items with a lower confidence than this are put to the language model",
    )
    llm_reliability: float = Field(
        0.8,
        validation_alias="NEXUS_LLM_RELIABILITY",
        gt=0,
        lt=1,
        description="how often the language model's choice is right; the confidence of its answers follows from it",
    )
    llm_seconds: float = Field(
        20,
        validation_alias="NEXUS_LLM_SECONDS",
        gt=0,
        description="seconds that a request waits for the language model; items that are open then have the local answer",
    )
    llm_call_seconds: float = Field(
        10, validation_alias="NEXUS_LLM_CALL_SECONDS", gt=0, description="seconds that one call may take in all"
    )
    llm_output_tokens: int = Field(
        2000,
        validation_alias="NEXUS_LLM_OUTPUT_TOKENS",
        ge=16,
        description="most tokens that the language model may write for an answer, its reasoning included",
    )
    llm_price_input: Decimal | None = Field(
        None, validation_alias="NEXUS_LLM_PRICE_INPUT", ge=0, description=_PER_MILLION.format("input")
    )
    llm_price_cached: Decimal | None = Field(
        None, validation_alias="NEXUS_LLM_PRICE_CACHED", ge=0, description=_PER_MILLION.format("cached input")
    )
    llm_price_output: Decimal | None = Field(
        None, validation_alias="NEXUS_LLM_PRICE_OUTPUT", ge=0, description=_PER_MILLION.format("output")
    )
    llm_price_batch: Decimal = Field(
        Decimal("0.5"),
        validation_alias="NEXUS_LLM_PRICE_BATCH",
        ge=0,
        description="part of these prices that calls by the Batch API cost",
    )
    llm_day_requests: int = Field(
        10_000, validation_alias="NEXUS_LLM_DAY_REQUESTS", ge=0, description="most calls on one day (UTC)"
    )
    llm_day_tokens: int = Field(
        10_000_000, validation_alias="NEXUS_LLM_DAY_TOKENS", ge=0, description="most tokens on one day"
    )
    llm_day_cost: Decimal = Field(
        Decimal(5), validation_alias="NEXUS_LLM_DAY_COST", ge=0, description="most that the calls of one day may cost"
    )
    llm_month_requests: int = Field(
        100_000, validation_alias="NEXUS_LLM_MONTH_REQUESTS", ge=0, description="most calls in one calendar month"
    )
    llm_month_tokens: int = Field(
        100_000_000, validation_alias="NEXUS_LLM_MONTH_TOKENS", ge=0, description="most tokens in one month"
    )
    llm_month_cost: Decimal = Field(
        Decimal(50),
        validation_alias="NEXUS_LLM_MONTH_COST",
        ge=0,
        description="most that the calls of one month may cost",
    )

    @model_validator(mode="after")
    def _has_model_and_prices(self) -> Self:
        needed = {
            "NEXUS_LLM_MODEL": self.llm_model,
            "NEXUS_LLM_PRICE_INPUT": self.llm_price_input,
            "NEXUS_LLM_PRICE_CACHED": self.llm_price_cached,
            "NEXUS_LLM_PRICE_OUTPUT": self.llm_price_output,
        }
        missing = [name for name, value in needed.items() if value is None]
        if self.openai_api_key_file is not None and missing:
            raise ValueError(f"OPENAI_API_KEY_FILE is set, and {', '.join(missing)} not. Set them too.")
        return self


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

    models: int = Field(
        20,
        validation_alias="CLASSIFICATION_MODELS",
        ge=1,
        le=1000,
        description="trained models that a tenant may have of one version of a taxonomy",
    )
    model_bytes: int = Field(
        128 * 1024**2,
        validation_alias="CLASSIFICATION_MODEL_BYTES",
        ge=1024,
        description="bytes of one trained model; the trainer refuses to keep a larger one",
    )
    serving_bytes: int = Field(
        160 * 1024**2,
        validation_alias="CLASSIFICATION_SERVING_BYTES",
        ge=1024,
        description="bytes of the trained models that serve, of all tenants; each container keeps them under /tmp",
    )
    training_labels: int = Field(
        40_000,
        validation_alias="CLASSIFICATION_TRAINING_LABELS",
        ge=1,
        description="chosen codes that one run of training takes: of more, the newest of each code",
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
