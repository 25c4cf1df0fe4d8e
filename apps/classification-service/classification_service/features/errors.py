"""Why an item has no feature values."""

from classification_service.classify.schemas import ItemError


def unknown_class(code: str, version: str) -> ItemError:
    """The taxonomy has no such code."""
    return ItemError(
        type="urn:nexus:problem:unknown-code",
        title="The taxonomy has no such code",
        detail=f"etim {version} has no code {code!r}",
    )


def not_a_class(code: str, level: str) -> ItemError:
    """The code is not that of a class."""
    return ItemError(
        type="urn:nexus:problem:not-a-class",
        title="The code is not that of a class",
        detail=f"{code} is a {level}; classes alone have features. Give the code of a class below it, or none.",
    )


def unclassified() -> ItemError:
    """No class was found for the text."""
    return ItemError(
        type="urn:nexus:problem:no-class",
        title="The item has no class",
        detail="The text fits no class. Give the code of one.",
    )
