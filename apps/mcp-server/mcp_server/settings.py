"""Settings of mcp-server."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from mcp_server.upstream.hosts import Allowlist
from mcp_server.upstream.rates import RateClasses
from nexus_chassis.origins import Origins
from nexus_chassis.settings import PostgresSettings, RedisSettings, SecretFile, ServiceSettings, TokenSettings

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
"""The SQL files that make the service's schema."""


class Settings(ServiceSettings, PostgresSettings, RedisSettings, TokenSettings):
    """The configuration of mcp-server."""

    service_name: ClassVar[str] = "mcp-server"

    port: int = Field(3000, validation_alias="PORT", ge=0, le=65535, description="port to listen on")
    public_url: str = Field(
        "http://localhost:3000",
        validation_alias="NEXUS_PUBLIC_URL",
        description="address of this service as its clients know it",
    )
    allowed_origins: str = Field(
        "",
        validation_alias="NEXUS_ALLOWED_ORIGINS",
        description="origins of the web pages that may connect, separated by spaces or commas; others are refused",
    )
    allowed_hosts: str = Field(
        "",
        validation_alias="NEXUS_ALLOWED_HOSTS",
        description="further host names that clients know this service by, separated by spaces or commas; that of "
        "NEXUS_PUBLIC_URL, names without a dot, and addresses are always permitted",
    )
    postgres_url: str = Field(
        "postgresql://mcp@postgres:5432/nexus",
        validation_alias="NEXUS_POSTGRES_URL",
        description="PostgreSQL address with the service's role, without password",
    )
    postgres_password_file: SecretFile = Field(
        Path("/run/secrets/mcp_db_password"),
        validation_alias="NEXUS_POSTGRES_PASSWORD_FILE",
        description="file that holds the password of the role",
    )
    redis_url: str = Field(
        "redis://mcp@redis:6379/0",
        validation_alias="NEXUS_REDIS_URL",
        description="Redis address with the service's user, without password",
    )
    redis_password_file: SecretFile = Field(
        Path("/run/secrets/mcp_redis_password"),
        validation_alias="NEXUS_REDIS_PASSWORD_FILE",
        description="file that holds the password of the Redis user",
    )
    gateway_url: str = Field(
        "http://nexus-gateway:8000", validation_alias="NEXUS_GATEWAY_URL", description="address of nexus-gateway"
    )
    classification_url: str = Field(
        "http://classification-service:8002",
        validation_alias="NEXUS_CLASSIFICATION_URL",
        description="address of classification-service",
    )
    dataflow_url: str = Field(
        "http://dataflow-service:8001", validation_alias="NEXUS_DATAFLOW_URL", description="address of dataflow-service"
    )
    client_id: str = Field(
        "mcp-server",
        validation_alias="NEXUS_CLIENT_ID",
        description="name by which this service exchanges tokens at the gateway",
    )
    client_secret_file: SecretFile = Field(
        Path("/run/secrets/mcp_client_secret"),
        validation_alias="NEXUS_CLIENT_SECRET_FILE",
        description="file that holds the secret of NEXUS_CLIENT_ID",
    )

    tool_hosts: str = Field(
        "",
        validation_alias="NEXUS_TOOL_HOSTS",
        description="hosts that registered tools may call, separated by spaces: `api.example.com` by HTTPS, "
        "`http://host:8080` without, `host=10.0.0.0/8` with the private addresses that it may have",
    )
    tool_secrets: Path = Field(
        Path("/run/secrets/tools"),
        validation_alias="NEXUS_TOOL_SECRETS",
        description="folder with the secrets of registered tools, each in the file TENANT/HOST/NAME",
    )
    tool_rates: str = Field(
        "",
        validation_alias="NEXUS_TOOL_RATES",
        description="calls of one registered tool that one user may make, by rate class, such as "
        "`standard=600/60 heavy=30/60`, which are the defaults: COUNT/SECONDS",
    )

    redis_pool_size: int = Field(
        64,
        validation_alias="NEXUS_REDIS_POOL_SIZE",
        ge=1,
        description="maximum number of Redis connections of one worker process, apart from those of its health check and of "
        "notices",
    )
    http_pool_size: int = Field(
        256,
        validation_alias="NEXUS_HTTP_POOL_SIZE",
        ge=1,
        description="maximum number of connections of one worker process to one other service, or to one host of tools",
    )

    runner_url: str = Field(
        "tcp://workflow-runner:3100",
        validation_alias="NEXUS_RUNNER_URL",
        pattern=r"^tcp://[A-Za-z0-9.-]+:[0-9]{1,5}$",
        description="address of workflow-runner, or of several behind one name",
    )
    runs: int = Field(
        8,
        validation_alias="NEXUS_RUNS",
        ge=1,
        le=1000,
        description="runs of workflows that one worker process has at once; others wait in PostgreSQL",
    )

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: str) -> str:
        Origins.parse(value)
        return value

    @field_validator("tool_hosts")
    @classmethod
    def _check_tool_hosts(cls, value: str) -> str:
        Allowlist.parse(value)
        return value

    @field_validator("tool_rates")
    @classmethod
    def _check_tool_rates(cls, value: str) -> str:
        RateClasses.parse(value)
        return value
