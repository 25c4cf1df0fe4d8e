"""Settings of the cache."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from nexus_chassis.settings import RedisSettings, SecretFile, ServiceSettings


class CacheSettings(BaseSettings):
    """Where answers are kept."""

    model_config = ServiceSettings.model_config

    redis_url: str | None = Field(
        None,
        validation_alias="NEXUS_REDIS_URL",
        description="Redis address with the service's user, without password; `None` means that no answers are kept",
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
