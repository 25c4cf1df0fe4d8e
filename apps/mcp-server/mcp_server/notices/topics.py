"""The topics of notices that clients may want to hear of."""

from collections.abc import Mapping

from nexus_chassis.channels import DEFAULT_TENANT
from nexus_chassis.principal import Principal

TOOLS, PROMPTS, RESOURCES = "list:tools", "list:prompts", "list:resources"
"""The list has changed."""

LIST_CHANGED = {
    TOOLS: "notifications/tools/list_changed",
    PROMPTS: "notifications/prompts/list_changed",
    RESOURCES: "notifications/resources/list_changed",
}

_RESOURCE, _TASK = "resource:", "task:"


def concerns(principal: Principal, fields: Mapping[str, str]) -> bool:
    """Whether a notice is of the principal's tenant, or of all."""
    own = principal.tenant or DEFAULT_TENANT
    return fields.get("tenant", own) == own


def resource(uri: str) -> str:
    """Return the topic of changes of one resource."""
    return _RESOURCE + uri


def task(task_id: str) -> str:
    """Return the topic of changes of one task."""
    return _TASK + task_id


def uri_of(topic: str) -> str | None:
    """Return the URI where the topic is of a resource."""
    return topic.removeprefix(_RESOURCE) if topic.startswith(_RESOURCE) else None


def task_of(topic: str) -> str | None:
    """Return the id where the topic is of a task."""
    return topic.removeprefix(_TASK) if topic.startswith(_TASK) else None
