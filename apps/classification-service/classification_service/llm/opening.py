"""Opens the language model and what belongs to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module

from classification_service.llm.batches import Batches
from classification_service.llm.budget import Budget
from classification_service.llm.service import Choices, LanguageModel
from classification_service.llm.settings import LlmSettings
from nexus_chassis.background import in_background
from nexus_chassis.errors import ConfigurationError
from nexus_chassis.health import Health
from nexus_chassis.settings import read_secret
from nexus_chassis.unit_of_work import Database


@dataclass(frozen=True, slots=True)
class Opened:
    """The language model, for single questions and for batches of them."""

    language_model: LanguageModel
    batches: Batches


@asynccontextmanager
async def open_language_model(
    settings: LlmSettings, database: Database | None, kept: Choices | None, health: Health
) -> AsyncIterator[Opened | None]:
    """The language model of the settings, with its health check; None where there is no key. `kept` has earlier choices.

    Raises ConfigurationError where the file with the key cannot be read, or there is no database for the budget.
    """
    if settings.openai_api_key_file is None:
        yield None
        return
    if database is None:
        raise ConfigurationError("OPENAI_API_KEY_FILE needs NEXUS_POSTGRES_URL: the budget is kept there.")
    key = read_secret(settings.openai_api_key_file, "OPENAI_API_KEY_FILE")
    client = (await asyncio.to_thread(import_module, "classification_service.llm.client")).OpenAiClient
    api = client(settings.openai_base_url, key, settings.llm_call_seconds)
    model = settings.llm_model or ""
    budget, prices = Budget(database, settings.llm_limits, model), settings.llm_prices
    tokens = settings.llm_output_tokens
    language_model = LanguageModel(
        api, budget, prices, model, seconds=settings.llm_seconds, output_tokens=tokens, kept=kept
    )
    health.add("language_model", language_model.check, critical=False)
    batches = Batches(api, budget, prices, database, model, output_tokens=tokens)
    try:
        async with in_background(batches.run()):
            yield Opened(language_model, batches)
    finally:
        await api.close()
