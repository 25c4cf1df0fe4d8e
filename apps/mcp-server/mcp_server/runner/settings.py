"""Settings of workflow-runner."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The configuration of workflow-runner."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True, validate_default=True, env_ignore_empty=True)

    host: str = Field(default="0.0.0.0", validation_alias="HOST", description="address to listen on")
    port: int = Field(default=3100, validation_alias="PORT", ge=0, le=65535, description="port to listen on")
    processes: int = Field(
        default=4,
        validation_alias="NEXUS_RUNNER_PROCESSES",
        ge=1,
        description="runs at once; others wait. Each may use 512 MiB of address space",
    )
    log_level: str = Field(
        default="info",
        validation_alias="NEXUS_LOG_LEVEL",
        pattern="^(debug|info|warning|error)$",
        description="least severe log lines to write: debug, info, warning or error",
    )
