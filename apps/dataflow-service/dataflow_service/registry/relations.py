"""Relations between models, which a class declares in `__relations__`: Kailash finds relations in a database only, and declares none."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from dataflow_service.registry.model import Model, OnDelete, Relation
from nexus_chassis.errors import ConfigurationError

_NEEDED = ("field", "model", "on_delete")
_ACTIONS = get_args(OnDelete.__value__)
_EXAMPLE = '{"field": "supplier_id", "model": "Supplier", "on_delete": "restrict"}'


def relate(models: Mapping[str, Model], declarations: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Make the relations that models declare, and let each model know those that lead to it. Both are by class name.

    Raises:
        ConfigurationError: A declaration is not one of a relation.
    """
    for name, declared in declarations.items():
        for declaration in declared:
            relation = _relation(models[name], declaration, models)
            _refuse_names(relation)
            relation.model.relations.append(relation)
            relation.target.referrers.append(relation)


def _relation(model: Model, declaration: Mapping[str, Any], models: Mapping[str, Model]) -> Relation:
    if unknown := sorted(declaration.keys() - {*_NEEDED, "name"}):
        raise _unusable(model, declaration, f"has the unknown key {', '.join(unknown)}")
    if missing := [key for key in _NEEDED if key not in declaration]:
        raise _unusable(model, declaration, f"lacks {', '.join(missing)}")
    field = next((field for field in model.written if field.name == declaration["field"]), None)
    if field is None:
        raise _unusable(model, declaration, f"names the field {declaration['field']}, which the model has not")
    if declaration["model"] not in models:
        raise _unusable(model, declaration, f"names the model {declaration['model']}, which the package has not")
    if declaration["on_delete"] not in _ACTIONS:
        raise _unusable(model, declaration, f"has an on_delete that is none of {', '.join(_ACTIONS)}")
    name = declaration.get("name", field.name.removesuffix("_id"))
    found = Relation(name, model, field, models[declaration["model"]], declaration["on_delete"])
    if why := _why_unfit(found):
        raise _unusable(model, declaration, why)
    return found


def _why_unfit(relation: Relation) -> str | None:
    field, wanted = relation.field, next(field for field in relation.target.fields if field.name == "id")
    if field.sql_type != wanted.sql_type:
        return f"has a field of the type {field.sql_type}, but the ids of {relation.target.name} are {wanted.sql_type}"
    if relation.target.multi_tenant and not relation.model.multi_tenant:
        return "leads from rows that tenants share to those of one"
    if relation.on_delete == "set null" and not field.nullable:
        return "sets a field to null that may not be null"
    return _why_unfit_for_deletions(relation)


def _why_unfit_for_deletions(relation: Relation) -> str | None:
    """A row with soft delete stays when it is deleted, and its foreign keys hold; so do those that lead to it."""
    model, target = relation.model, relation.target
    if model.soft_delete and not target.soft_delete and relation.on_delete == "cascade":
        return f"deletes rows that are kept together with one that is not: {model.name} has soft delete, {target.name} has not"
    if target.soft_delete and model.multi_tenant and not target.multi_tenant:
        return "leads to rows with soft delete that tenants share, and no tenant sees all rows that refer to one"
    return None


def _refuse_names(relation: Relation) -> None:
    """A related row is answered beside the fields, under a name of its own."""
    model, others = relation.model, relation.model.relations
    if relation.field in [other.field for other in others]:
        raise ConfigurationError(f"The model {model.name} has two relations of the field {relation.field.name}.")
    taken = {*(field.name for field in model.fields), *(other.name for other in others)}
    if relation.name in taken or not relation.name.isidentifier():
        raise ConfigurationError(
            f"The relation of {model.name}.{relation.field.name} would be called {relation.name!r}, which is taken or no name. "
            'Declare another, such as "name": "supplied_by".'
        )


def _unusable(model: Model, declaration: Mapping[str, Any], reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"The relation {dict(declaration)} of the model {model.name} {reason}. Write it like {_EXAMPLE}."
    )
