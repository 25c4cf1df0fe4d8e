"""Errors of the OpenAPI documents of services."""


class UnusableDocumentError(Exception):
    """A service's document could not be had, or cannot be merged; the text says why."""
