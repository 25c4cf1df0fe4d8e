from pathlib import Path
from typing import Any

import pytest
from llm_setup import settings_with_llm, write_secret

from classification_service.app import create_app
from classification_service.settings import Settings
from nexus_chassis.errors import ConfigurationError


def test_a_key_needs_a_model_and_prices(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="OPENAI_API_KEY_FILE is set, and NEXUS_LLM_MODEL, NEXUS_LLM_PRICE_INPUT, "
    ) as e:
        Settings(openai_api_key_file=write_secret(tmp_path, "key", "sk-1"))
    assert "NEXUS_LLM_PRICE_CACHED, NEXUS_LLM_PRICE_OUTPUT not. Set them too." in str(e.value)


def test_prices_may_be_nothing(tmp_path: Path) -> None:
    options: dict[str, Any] = settings_with_llm(tmp_path, "http://127.0.0.1:9/v1") | {
        f"llm_price_{kind}": 0 for kind in ("input", "cached", "output")
    }
    assert Settings(**options).llm_prices.made == 0


@pytest.mark.parametrize("name", ["redis_url", "openai"])
async def test_cache_and_language_model_need_a_database(tmp_path: Path, name: str) -> None:
    redis: dict[str, Any] = {
        "redis_url": "redis://127.0.0.1:9/0",
        "redis_password_file": write_secret(tmp_path, "redis", "unused"),
    }
    options = redis if name == "redis_url" else settings_with_llm(tmp_path, "http://127.0.0.1:9/v1")
    app = create_app(Settings(**options))
    with pytest.raises(ConfigurationError, match="needs NEXUS_POSTGRES_URL"):
        async with app.router.lifespan_context(app):
            pass


def test_redis_needs_its_password_file() -> None:
    with pytest.raises(ValueError, match="NEXUS_REDIS_URL and NEXUS_REDIS_PASSWORD_FILE belong together"):
        Settings(redis_url="redis://127.0.0.1:9/0")
