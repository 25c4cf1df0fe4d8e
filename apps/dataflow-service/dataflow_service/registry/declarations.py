"""What model classes declare about fields that callers never send: those that are computed, and when a row was deleted."""

from collections.abc import Mapping

DELETED_AT = "deleted_at"
"""The field of models with soft delete that says when a row was deleted; it is null in all others."""


def has_soft_delete(model: type) -> bool:
    """Whether deleted rows of a model are marked and kept: those that declare Kailash's `__dataflow__ = {"soft_delete": True}`."""
    return bool(getattr(model, "__dataflow__", {}).get("soft_delete", False))


def computed_of(model: type) -> Mapping[str, str]:
    """Return the SQL expressions of the fields in `__computed__`, which is this service's own: Kailash computes none."""
    return dict(getattr(model, "__computed__", {}))


def never_sent(model: type) -> frozenset[str]:
    """Return the fields that a class declares and whose values come from the database alone."""
    return frozenset(computed_of(model)) | ({DELETED_AT} if has_soft_delete(model) else frozenset())
