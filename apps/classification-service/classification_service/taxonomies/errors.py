"""What can be wrong with the name of a taxonomy or a code, and with an import."""

from collections.abc import Sequence

from classification_service.errors import ClassificationServiceError


class UnknownTaxonomyError(Exception):
    """No taxonomy of that name and version is there; `loaded` has (name, version) of those that are."""

    def __init__(self, name: str, version: str | None, loaded: Sequence[tuple[str, str]]) -> None:
        wanted = repr(name) if version is None else f"{name!r} in version {version!r}"
        names = ", ".join(f"{known} ({known_version})" for known, known_version in loaded)
        super().__init__(f"The taxonomy {wanted} is not loaded. Loaded are: {names}.")


class UnknownCodeError(Exception):
    """The taxonomy has no such code; `codes` is how many it has."""

    def __init__(self, name: str, version: str, code: str, codes: int, kind: str = "starter") -> None:
        article = "a starter" if kind == "starter" else "an imported"
        super().__init__(f"{name} {version} has no code {code!r}. It is {article} taxonomy with {codes} codes.")


class NoDatabaseError(ClassificationServiceError):
    """The service has no database, and so nothing but the starter taxonomies."""

    def __init__(self) -> None:
        super().__init__(
            "This service runs without a database, where imported taxonomies, decisions and models are. Set NEXUS_POSTGRES_URL "
            "and NEXUS_POSTGRES_PASSWORD_FILE."
        )


class VersionExistsError(ClassificationServiceError):
    """The version is there already."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(f"{name} {version} is there already. Import the file under another version.")


class ImportRunningError(ClassificationServiceError):
    """Another import runs: they take turns, each needs much of the memory."""

    def __init__(self) -> None:
        super().__init__("Another import is running. Send this one again when it has ended.")


class NotEmbeddedError(Exception):
    """The version cannot be classified against yet: vectors of `left` codes are missing."""

    def __init__(self, name: str, version: str, left: int) -> None:
        super().__init__(f"{name} {version} is not ready: {left} of its codes have no vectors yet. Try again later.")
        self.left = left


class StarterVersionError(Exception):
    """The version is a starter taxonomy, and what is asked for is there for imported ones alone."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(f"{name} {version} is a starter taxonomy. Only imported versions are compared and deleted.")


class DefaultVersionError(Exception):
    """The version is that of requests which name none, and cannot be deleted."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(
            f"{name} {version} is the default: requests that name no version get it. Choose another default first, by "
            f"PUT /v1/taxonomies/{name}/default."
        )


class DeletedVersionError(Exception):
    """The version was deleted while its vectors were read."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(f"{name} {version} was deleted while it was loaded.")
