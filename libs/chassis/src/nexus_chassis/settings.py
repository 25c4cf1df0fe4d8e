"""Settings of a service, from environment variables and secret files."""

import sys
from os import EX_CONFIG
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.worker_count import AUTO, WorkerCount, automatic_workers

_WHITE_SPACE = " \t\n\v\f\r"  # what docker/postgres and docker/redis cut off the same files


def read_secret(path: Path, setting: str) -> str:
    """The secret in the file that `setting` names, without ASCII white space at its ends (POSIX class `space`).

    Raises ConfigurationError when the file is missing, unreadable or empty.
    """
    remedy = f"Write the secret to that file, or point {setting} at the file that holds it."
    try:
        secret = path.read_text(encoding="utf-8").strip(_WHITE_SPACE)
    except FileNotFoundError:
        raise ConfigurationError(f"The secret file {path} does not exist. {remedy}") from None
    except OSError as error:
        raise ConfigurationError(f"The secret file {path} cannot be read: {error.strerror}. {remedy}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"The secret file {path} is not UTF-8 text. {remedy}") from None
    if not secret:
        raise ConfigurationError(f"The secret file {path} is empty. {remedy}")
    return secret


def _holds_a_secret(path: Path) -> Path:
    try:
        read_secret(path, "this setting")
    except ConfigurationError as error:
        raise ValueError(str(error)) from None
    return path


SecretFile = Annotated[Path, AfterValidator(_holds_a_secret)]
"""A path whose file must hold a secret when the settings are loaded."""


class _Settings(BaseSettings):
    # An empty variable is one that compose passes on without a value.
    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, validate_default=True, env_ignore_empty=True
    )


class ServiceSettings(_Settings):
    """Settings of every service. A subclass sets `service_name` and its own default port."""

    service_name: ClassVar[str]

    host: str = Field(default="0.0.0.0", validation_alias="HOST", description="address to listen on")
    port: int = Field(default=8000, validation_alias="PORT", ge=0, le=65535, description="port to listen on")
    admin_host: str | None = Field(
        default=None,
        validation_alias="NEXUS_ADMIN_HOST",
        description="address that the admin listener listens on; `None` means that of HOST",
    )
    admin_port: int = Field(
        default=9090,
        validation_alias="NEXUS_ADMIN_PORT",
        ge=0,
        le=65535,
        description="port of the admin listener: Prometheus metrics at /metrics",
    )
    web_concurrency: WorkerCount = Field(
        default=1,
        validation_alias="WEB_CONCURRENCY",
        description="number of worker processes; `auto` means one for each CPU that the container may use, and at most "
        "one for each 256 MiB of its memory",
    )
    log_level: str = Field(
        default="info",
        validation_alias="NEXUS_LOG_LEVEL",
        pattern="^(debug|info|warning|error)$",
        description="least severe log lines to write: debug, info, warning or error",
    )
    shutdown_seconds: int = Field(
        default=20,
        validation_alias="NEXUS_SHUTDOWN_SECONDS",
        ge=1,
        description="seconds that work in flight may take to finish once the process no longer accepts requests",
    )
    drain_seconds: int = Field(
        default=5,
        validation_alias="NEXUS_DRAIN_SECONDS",
        ge=0,
        description="seconds that the service goes on serving after SIGTERM, with /readyz at 503, so that load balancers "
        "stop sending to it first",
    )
    tls_cert_file: Path | None = Field(
        default=None,
        validation_alias="NEXUS_TLS_CERT_FILE",
        description="PEM file with a certificate chain: the service then also serves HTTPS, on NEXUS_TLS_PORT; read again "
        "on SIGHUP",
    )
    tls_key_file: Path | None = Field(
        default=None, validation_alias="NEXUS_TLS_KEY_FILE", description="PEM file with the key of that certificate"
    )
    tls_port: int = Field(
        default=8443, validation_alias="NEXUS_TLS_PORT", ge=0, le=65535, description="port to serve HTTPS on"
    )

    @property
    def workers(self) -> int:
        """The number of worker processes."""
        return automatic_workers() if self.web_concurrency == AUTO else int(self.web_concurrency)

    @model_validator(mode="after")
    def _has_certificate_and_key(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("NEXUS_TLS_CERT_FILE and NEXUS_TLS_KEY_FILE belong together. Set both or none.")
        return self


class PostgresSettings(_Settings):
    """Where the service's PostgreSQL schema is. A subclass sets its own default role in the URL."""

    postgres_url: str = Field(
        validation_alias="NEXUS_POSTGRES_URL",
        description="PostgreSQL address with the service's role, without password",
    )
    postgres_password_file: SecretFile = Field(
        validation_alias="NEXUS_POSTGRES_PASSWORD_FILE", description="file that holds the password of the role"
    )
    postgres_pool_size: int = Field(
        default=10,
        validation_alias="NEXUS_POSTGRES_POOL_SIZE",
        ge=1,
        description="maximum number of PostgreSQL connections of one worker process, apart from that of its health check",
    )
    postgres_owner_url: str | None = Field(
        default=None,
        validation_alias="NEXUS_POSTGRES_OWNER_URL",
        description="PostgreSQL address with the role that owns the schema and applies the migrations, "
        "without password; `None` means the service's role",
    )
    postgres_owner_password_file: SecretFile | None = Field(
        default=None,
        validation_alias="NEXUS_POSTGRES_OWNER_PASSWORD_FILE",
        description="file that holds the password of the owner role; set it together with NEXUS_POSTGRES_OWNER_URL",
    )

    @model_validator(mode="after")
    def _owner_is_whole(self) -> Self:
        if (self.postgres_owner_url is None) != (self.postgres_owner_password_file is None):
            raise ValueError(
                "NEXUS_POSTGRES_OWNER_URL and NEXUS_POSTGRES_OWNER_PASSWORD_FILE belong together. Set both or none."
            )
        return self


class RedisSettings(_Settings):
    """Where Redis is. A subclass sets its own default user in the URL."""

    redis_url: str = Field(
        validation_alias="NEXUS_REDIS_URL", description="Redis address with the service's user, without password"
    )
    redis_password_file: SecretFile = Field(
        validation_alias="NEXUS_REDIS_PASSWORD_FILE", description="file that holds the password of the Redis user"
    )


class TokenSettings(_Settings):
    """Whose access tokens the service accepts."""

    issuer: str = Field(
        default="http://localhost:8000",
        validation_alias="NEXUS_ISSUER",
        description="issuer (`iss`) of the access tokens",
    )
    jwks_url: str = Field(
        default="http://nexus-gateway:8000/.well-known/jwks.json",
        validation_alias="NEXUS_JWKS_URL",
        description="address of the issuer's public keys",
    )
    revocations_url: str = Field(
        default="http://nexus-gateway:8000/oauth/revocations",
        validation_alias="NEXUS_REVOCATIONS_URL",
        description="address of the sessions that were ended before their tokens expire",
    )


def load[T: BaseSettings](cls: type[T]) -> T:
    """Settings of class `cls` from the environment.

    When something is wrong, writes every fault to stderr as one table and ends the process with exit status 78.
    """
    try:
        return cls()
    except ValidationError as error:
        sys.stderr.write(_fault_table(cls, error))
        raise SystemExit(EX_CONFIG) from None


def _fault_table(cls: type[BaseSettings], error: ValidationError) -> str:
    faults = [(_variable(cls, item["loc"]), _explain(item["type"], item)) for item in error.errors()]
    width = max(len(name) for name, _ in faults)
    lines = [f"  {name:<{width}}  {fault}" for name, fault in faults]
    return "\n".join(["Invalid configuration:", *lines, ""])


def _variable(cls: type[BaseSettings], place: tuple[int | str, ...]) -> str:
    """The environment variable of a fault; pydantic names the field instead where its default is at fault."""
    name = str(place[0]) if place else "(all)"
    field = cls.model_fields.get(name)
    return str(field.validation_alias) if field else name


def _explain(kind: str, item: object) -> str:
    fault = dict(item)  # type: ignore[call-overload]
    if kind == "missing":
        return "is not set. Set this environment variable."
    if kind == "value_error":
        return str(fault["ctx"]["error"])
    return f"{fault['msg']}; found {fault['input']!r}."
