"""Base of the models of request bodies."""

from pydantic import BaseModel, ConfigDict


class RequestModel(BaseModel):
    """A request body: no conversion between types, no unknown members, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
