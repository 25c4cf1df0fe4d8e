"""What is answered for an item that is not valid."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from classification_service.classify.schemas import MAX_ID, ItemError
from nexus_chassis.limits import MAX_FAULTS

_MAX_NAME = 100


def id_of(raw: object) -> str | None:
    """The id of an item as it was sent, as far as it has one."""
    name = raw.get("id") if isinstance(raw, dict) else None
    return name[:MAX_ID] if isinstance(name, str) else None


def invalid_item(error: ValidationError) -> ItemError:
    """The error of an item, with its first faults."""
    return ItemError(type="urn:nexus:problem:invalid-item", title="The item is not valid", detail=_faults(error))


def _faults(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [f"{_place(fault)}: {fault['msg'].removeprefix('Value error, ')}" for fault in found[:MAX_FAULTS]]
    if (more := len(found) - MAX_FAULTS) > 0:
        faults.append(f"{more} more faults like these")
    return "; ".join(faults)


def _place(fault: ErrorDetails) -> str:
    return ".".join(str(part)[:_MAX_NAME] for part in fault["loc"]) or "item"
