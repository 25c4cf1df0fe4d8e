"""Settings of the gateway."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from nexus_chassis.settings import PostgresSettings, RedisSettings, SecretFile, ServiceSettings


class Settings(ServiceSettings, PostgresSettings, RedisSettings):
    """What the gateway can be told."""

    service_name: ClassVar[str] = "nexus-gateway"

    port: int = Field(default=8000, validation_alias="PORT", ge=0, le=65535, description="port to listen on")
    postgres_url: str = Field(
        default="postgresql://gateway@postgres:5432/nexus",
        validation_alias="NEXUS_POSTGRES_URL",
        description="PostgreSQL address with the service's role, without password",
    )
    postgres_password_file: SecretFile = Field(
        default=Path("/run/secrets/gateway_db_password"),
        validation_alias="NEXUS_POSTGRES_PASSWORD_FILE",
        description="file that holds the password of the role",
    )
    issuer: str = Field(
        default="http://localhost:8000",
        validation_alias="NEXUS_ISSUER",
        description="issuer (`iss`) of the access tokens: the address by which clients reach the gateway",
    )
    admin_password_file: SecretFile = Field(
        default=Path("/run/secrets/admin_password"),
        validation_alias="NEXUS_ADMIN_PASSWORD_FILE",
        description="file that holds the password of the user `admin`; a new password counts from the next start",
    )
    signing_key_file: SecretFile = Field(
        default=Path("/run/secrets/signing_key"),
        validation_alias="NEXUS_SIGNING_KEY_FILE",
        description="file that holds the Ed25519 private key (PKCS#8 PEM) that signs the access tokens",
    )
    client_id: str = Field(
        default="mcp-server",
        validation_alias="NEXUS_CLIENT_ID",
        description="the service that may exchange its callers' tokens for tokens of the services it calls",
    )
    client_secret_file: SecretFile = Field(
        default=Path("/run/secrets/mcp_client_secret"),
        validation_alias="NEXUS_CLIENT_SECRET_FILE",
        description="file that holds that service's client secret",
    )
    dataflow_url: str = Field(
        default="http://dataflow-service:8001",
        validation_alias="NEXUS_DATAFLOW_URL",
        description="address of dataflow-service",
    )
    classification_url: str = Field(
        default="http://classification-service:8002",
        validation_alias="NEXUS_CLASSIFICATION_URL",
        description="address of classification-service",
    )
    mcp_url: str = Field(
        default="http://mcp-server:3000", validation_alias="NEXUS_MCP_URL", description="address of mcp-server"
    )
