"""Rows of the package computed_fields."""

from typing import Any

SENT = {"code": "b-8", "quantity": 3, "price": "0.10", "details": {"size": {"d": 1.50}}}
COMPUTED: dict[str, Any] = {
    "label": "b-8 x 3",
    "total": "0.30",
    "share": "33.3333333333333333",
    "size": {"d": 1.50},
    "codes": ["b-8", "B-8"],
    "kind": "small",
}
