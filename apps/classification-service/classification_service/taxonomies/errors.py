"""What can be wrong with the name of a taxonomy or a code."""

from collections.abc import Sequence


class UnknownTaxonomyError(Exception):
    """No taxonomy of that name and version is loaded; `loaded` has (name, version) of those that are."""

    def __init__(self, name: str, version: str | None, loaded: Sequence[tuple[str, str]]) -> None:
        wanted = repr(name) if version is None else f"{name!r} in version {version!r}"
        names = ", ".join(f"{known} ({known_version})" for known, known_version in loaded)
        super().__init__(f"The taxonomy {wanted} is not loaded. Loaded are: {names}.")


class UnknownCodeError(Exception):
    """The taxonomy has no such code; `codes` is how many it has."""

    def __init__(self, name: str, version: str, code: str, codes: int) -> None:
        super().__init__(f"{name} {version} has no code {code!r}. It is a starter taxonomy with {codes} codes.")
