"""The base error of the service."""


class ClassificationServiceError(Exception):
    """Something that the person who runs or calls the service can fix; the text says how."""
