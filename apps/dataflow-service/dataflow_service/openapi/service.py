"""The OpenAPI document of an application and its models."""

from dataclasses import dataclass
from functools import cached_property

from fastapi import FastAPI
from pydantic_core import to_json

from dataflow_service.openapi.models import with_models
from dataflow_service.registry.model import Registry


@dataclass(frozen=True)
class Document:
    """The document, which is made when it is first asked for."""

    app: FastAPI
    registry: Registry

    @cached_property
    def content(self) -> bytes:
        """The document as JSON."""
        return to_json(with_models(self.app.openapi(), self.registry.models))
