"""Makes the registry from a package of model files."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_type_hints

from pydantic import BaseModel

from dataflow_service.registry import kailash_adapter, validation
from dataflow_service.registry.annotations import is_nullable, plain_type
from dataflow_service.registry.declarations import DELETED_AT, computed_of, has_soft_delete, never_sent
from dataflow_service.registry.field_types import FieldType, field_type
from dataflow_service.registry.identifiers import RESERVED, identifier, new_id
from dataflow_service.registry.model import ROW_VERSION, SERVICE_FIELDS, TENANT, Field, Model, Registry
from dataflow_service.registry.relations import relate
from dataflow_service.registry.search import search
from nexus_chassis.errors import ConfigurationError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def load(package: str) -> Registry:
    """Register the models of a package with Kailash and return what the service needs of each.

    Raises:
        ConfigurationError: The package is missing or a model in it cannot be served.
    """
    try:
        found = kailash_adapter.discover(package)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The models in {package!r} cannot be imported: {error}. Set DATAFLOW_MODELS to an installed package."
        ) from error
    if not found:
        raise ConfigurationError(
            f"The package {package!r} has no model. Put a file with a class decorated by @db.model into it."
        )
    nodes = kailash_adapter.nodes_by_model()
    models = [_model(model, nodes.get(model.__name__, [])) for model in found]
    _refuse_shared_paths(models)
    declarations = {model.__name__: kailash_adapter.relations_of(model) for model in found}
    relate({model.name: model for model in models}, declarations)
    return Registry(models)


def _model(model: type, nodes: list[kailash_adapter.GeneratedNode]) -> Model:
    hints = get_type_hints(model, include_extras=True)
    annotations = {name: hints[name] for name in kailash_adapter.fields_of(model)}
    if has_soft_delete(model):
        annotations.setdefault(DELETED_AT, datetime | None)
    _refuse_unservable(model, annotations)
    _refuse_unfit_declarations(model, annotations)
    types = {name: field_type(f"{model.__name__}.{name}", annotation) for name, annotation in annotations.items()}
    written = [name for name in annotations if name not in SERVICE_FIELDS | never_sent(model)]
    create = validation.creation(model, types, written, new_id(annotations["id"], types["id"].rules))
    fields = [
        _field(name, types[name], create, computed_of(model).get(name), nullable=is_nullable(annotations[name]))
        for name in annotations
    ]
    return Model(
        name=model.__name__,
        path=model.__name__.lower(),
        table=kailash_adapter.table_of(model),
        summary=(model.__doc__ or "").strip(),
        fields=fields,
        indexes=kailash_adapter.indexes_of(model),
        nodes=nodes,
        identifier=identifier(model.__name__, annotations["id"]),
        create=create,
        change=validation.modification(model, types, written),
        requires_if_match=kailash_adapter.requires_if_match(model),
        multi_tenant=kailash_adapter.is_multi_tenant(model),
        soft_delete=has_soft_delete(model),
        search=search(model.__name__, kailash_adapter.search_of(model), fields),
    )


def _refuse_unservable(model: type, annotations: dict[str, Any]) -> None:
    if missing := SERVICE_FIELDS - annotations.keys():
        raise ConfigurationError(
            f"The model {model.__name__} lacks {', '.join(sorted(missing))}. Each model has id, created_at and updated_at."
        )
    if taken := {ROW_VERSION, TENANT} & annotations.keys():
        raise ConfigurationError(
            f"The model {model.__name__} has a field {min(taken)}, which is a column of the service. Rename the field."
        )
    if not _NAME.fullmatch(model.__name__):
        raise ConfigurationError(
            f"The model {model.__name__} has a name that cannot be part of an address and a channel. "
            "Use up to 64 letters A-Z and a-z, digits and underscores, and begin with a letter."
        )
    if model.__name__.lower() in RESERVED:
        raise ConfigurationError(
            f"The model {model.__name__} would hide /v1/{model.__name__.lower()}. Rename the class."
        )


def _refuse_unfit_declarations(model: type, annotations: dict[str, Any]) -> None:
    for name, expression in computed_of(model).items():
        if reason := _why_not_computed(model, annotations, name, expression):
            raise ConfigurationError(
                f"The model {model.__name__} computes {name!r}, {reason}. "
                """Write it like __computed__: ClassVar = {"full_name": "first || ' ' || last"}."""
            )
    if has_soft_delete(model):
        annotation = annotations[DELETED_AT]
        if plain_type(annotation) is not datetime or not is_nullable(annotation):
            raise ConfigurationError(
                f"The model {model.__name__} has soft delete, and its field {DELETED_AT} is annotated {annotation}. "
                "Annotate it datetime | None, or leave it out."
            )


def _why_not_computed(model: type, annotations: dict[str, Any], name: str, expression: object) -> str | None:
    if name not in annotations:
        return "which is no field"
    if name in SERVICE_FIELDS or (name == DELETED_AT and has_soft_delete(model)):
        return "which the service sets"
    if hasattr(model, name):
        return "which has a default"
    if not isinstance(expression, str) or not expression.strip():
        return "whose expression is no SQL text"
    return None


def _refuse_shared_paths(models: Sequence[Model]) -> None:
    by_path: dict[str, str] = {}
    for model in models:
        if (other := by_path.setdefault(model.path, model.name)) != model.name:
            raise ConfigurationError(
                f"The models {other} and {model.name} would both be at /v1/{model.path}. Rename one of the classes."
            )


def _field(name: str, kind: FieldType, create: type[BaseModel], expression: str | None, *, nullable: bool) -> Field:
    made = create.model_fields.get(name)
    required = made is not None and made.is_required()
    return Field(name, kind.sql_type, required, nullable, kind.texts, expression)
