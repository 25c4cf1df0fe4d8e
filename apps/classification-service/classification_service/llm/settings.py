"""Settings of the language model."""

from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from classification_service.llm.amounts import Limit, Prices
from nexus_chassis.settings import SecretFile, ServiceSettings

_PER_MILLION = "price of a million {} tokens, in any currency; needed together with OPENAI_API_KEY_FILE, 0 for a server of your own"


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

    @property
    def llm_prices(self) -> Prices:
        """The prices that are set."""
        zero = Decimal(0)
        return Prices(
            given=self.llm_price_input or zero,
            cached=self.llm_price_cached or zero,
            made=self.llm_price_output or zero,
            batch=self.llm_price_batch,
        )

    @property
    def llm_limits(self) -> dict[str, Limit]:
        """The budget by period."""
        return {
            "day": Limit(requests=self.llm_day_requests, tokens=self.llm_day_tokens, cost=self.llm_day_cost),
            "month": Limit(requests=self.llm_month_requests, tokens=self.llm_month_tokens, cost=self.llm_month_cost),
        }
