"""Image labels from BP_IMAGE_LABELS: `key=value "other key"="other value"`, quoted as in a shell."""

import shlex

from nexus_python import errors


def parse_labels(text: str) -> dict[str, str]:
    """Return the labels that `text` names, in the order of their keys.

    Raises:
        BuildError: the quoting is not complete, or a word is not of the form `key=value`.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise errors.malformed_labels(text, f"the quoting is not complete ({error})") from error
    labels: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise errors.malformed_labels(text, f"`{word}` is not of the form key=value")
        labels[key] = value
    return dict(sorted(labels.items()))
