"""Loads the models and tells about them."""

from typing import Any, get_type_hints

from dataflow_service import framework
from dataflow_service.catalogue import validation
from dataflow_service.catalogue.schemas import KEPT_BY_SERVICE, Catalogue, Field, Model
from nexus_chassis.errors import ConfigurationError
from nexus_chassis.problems import Problem

_RESERVED = frozenset({"models", "nodes"})


def load(package: str) -> Catalogue:
    """Register the models of a package with Kailash and make what the service needs of each.

    Raises:
        ConfigurationError: The package is missing or a model in it cannot be served.
    """
    try:
        found = framework.discover(package)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The models in {package!r} cannot be imported: {error}. Set DATAFLOW_MODELS to an installed package."
        ) from error
    if not found:
        raise ConfigurationError(
            f"The package {package!r} has no model. Put a file with a class decorated by @db.model into it."
        )
    return Catalogue([_model(model) for model in found])


def _model(model: type) -> Model:
    hints = get_type_hints(model, include_extras=True)
    annotations = {name: hints[name] for name in framework.fields_of(model)}
    _refuse_unservable(model, annotations)
    written = [name for name in annotations if name not in KEPT_BY_SERVICE]
    create = validation.creation(model, annotations, written)
    return Model(
        name=model.__name__,
        path=model.__name__.lower(),
        table=framework.table_of(model),
        summary=(model.__doc__ or "").strip(),
        fields=[_field(model, name, annotation, create) for name, annotation in annotations.items()],
        indexes=framework.indexes_of(model),
        nodes=framework.nodes_of(model),
        identifier=validation.identifier(annotations["id"]),
        create=create,
        change=validation.modification(model, annotations, written),
    )


def _refuse_unservable(model: type, annotations: dict[str, Any]) -> None:
    if missing := KEPT_BY_SERVICE - annotations.keys():
        raise ConfigurationError(
            f"The model {model.__name__} lacks {', '.join(sorted(missing))}. Each model has id, created_at and updated_at."
        )
    if model.__name__.lower() in _RESERVED:
        raise ConfigurationError(
            f"The model {model.__name__} would hide /v1/{model.__name__.lower()}. Rename the class."
        )


def _field(model: type, name: str, annotation: Any, create: Any) -> Field:  # noqa: ANN401 - an annotation is any object
    made = create.model_fields.get(name)
    return Field(
        name=name,
        sql_type=validation.sql_type(model.__name__, name, annotation),
        required=made is not None and made.is_required(),
        nullable=validation.is_nullable(annotation),
    )


def find(catalogue: Catalogue, name: str) -> Model:
    """Give a model by class name.

    Raises:
        Problem: 404, there is no such model.
    """
    return _one(catalogue.by_name, name)


def at_path(catalogue: Catalogue, path: str) -> Model:
    """Give a model by its name in row addresses.

    Raises:
        Problem: 404, there is no such model.
    """
    return _one(catalogue.by_path, path)


def _one(models: dict[str, Model], name: str) -> Model:
    if name not in models:
        known = ", ".join(sorted(models))
        raise Problem(
            404, "no-such-model", "There is no such model", f"There is no model {name!r}. There are: {known}."
        )
    return models[name]


def summary(model: Model) -> dict[str, Any]:
    """Tell what a model is and where its rows are."""
    return {
        "model": model.name,
        "summary": model.summary,
        "table": model.table,
        "rows": f"/v1/{model.path}",
        "fields": [field.name for field in model.fields],
        "nodes": [node.name for node in model.nodes],
    }


def description(model: Model) -> dict[str, Any]:
    """Tell all about a model: each field's type, indexes, nodes, and the JSON Schema of a new row."""
    fields = [
        {
            "name": field.name,
            "type": field.sql_type,
            "required": field.required,
            "nullable": field.nullable,
            "read_only": field.name in KEPT_BY_SERVICE,
        }
        for field in model.fields
    ]
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.create.model_json_schema()}
    return {**summary(model), "fields": fields, "indexes": list(model.indexes), "schema": schema}


def nodes(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Tell the nodes that Kailash generated, of all models."""
    return [
        {"node": node.name, "model": node.model, "operation": node.operation, "parameters": node.parameters}
        for model in catalogue.models
        for node in model.nodes
    ]
