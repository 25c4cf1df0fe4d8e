"""What is wrong with the files of migrations, or with a database that has applied some of them."""

from collections.abc import Sequence
from pathlib import Path

from dataflow_service.schema.errors import MigrationError
from dataflow_service.schema.steps import Steps, text

_RESTORE = "Restore it from version control, or make it again by `migrate make`."


class NoFilesError(MigrationError):
    """There is nothing to apply from."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"The package {package} has no files in `migrations`. Write the first by `migrate make initial`, "
            "or apply a plan by its checksum: `migrate apply CHECKSUM`."
        )


class NoFolderError(MigrationError):
    """The models are not in a folder of their own."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is no folder, so it cannot have migrations. Put the models into a package.")


class UnreadableFileError(MigrationError):
    """A file is not what the tool writes."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read: {reason}. {_RESTORE}")


class UnwritableFileError(MigrationError):
    """A file cannot be written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be written: {reason}. Nothing was changed. Run this where the package can be written, "
            "in a working copy of it for example; it needs no database."
        )


class InvalidNameError(MigrationError):
    """A name cannot be that of a file."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A file cannot be called {name!r}. Use 1 to 50 lower-case letters a-z, digits and underscores, as in add_weight."
        )


class OtherNameError(MigrationError):
    """A file was copied or renamed."""

    def __init__(self, path: Path, name: str) -> None:
        super().__init__(
            f"{path} says that its name is {name!r}. A file keeps the name that it was made with: rename it."
        )


class EqualNamesError(MigrationError):
    """The names of two files differ in their case only."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"The files {' and '.join(names)} have one name where case does not count. Remove one of them."
        )


class EditedFileError(MigrationError):
    """A file is not what its checksum says."""

    def __init__(self, path: Path, written: str, found: str) -> None:
        super().__init__(
            f"{path} was edited: its checksum is {found}, not {written}. Restore it from version control; or, where "
            f"the change is intended and no database has applied the file, run `migrate hash {path.stem}`."
        )


class ForbiddenStatementError(MigrationError):
    """A statement is none that a file may have."""

    def __init__(self, name: str, statement: str, reason: str) -> None:
        super().__init__(
            f"The file {name} has a statement that {reason}: `{statement}`. A file changes the tables of the models, "
            "which are in the service's own schema, by one statement for each step. Remove that step."
        )


class UnknownParentError(MigrationError):
    """A file builds on one that is not there, or not as it was."""

    def __init__(self, name: str, parent: str, found: str | None) -> None:
        state = "is not there" if found is None else f"has another checksum now, {found}"
        super().__init__(
            f"The file {name} builds on {parent}, which {state}. Restore {parent} from version control, or make "
            f"{name} again from the models: `migrate merge {name}`."
        )


class CyclicFilesError(MigrationError):
    """Files build on each other."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"These files build on each other in a circle: {', '.join(names)}. Restore them from version control."
        )


class ConflictError(MigrationError):
    """Two files that were made beside each other cannot both be applied."""

    def __init__(self, one: str, other: str, places: Sequence[str]) -> None:
        super().__init__(
            f"The files {one} and {other} were made beside each other, and both concern {', '.join(places)}. Keep one, and make "
            f"the other again behind it from the models as they are now: `migrate merge {other}`, or `migrate merge {one}`."
        )


class NoSuchFileError(MigrationError):
    """No file has a name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"There is no file {name}. There are: {', '.join(known) or 'none'}.")


class ModelsDifferError(MigrationError):
    """The models declare what no file does."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(
            f"The models differ from the files:\n{text(steps)}\nWrite the difference into a file: `migrate make NAME`."
        )


class DatabaseDiffersError(MigrationError):
    """The database is not as the files declare."""

    def __init__(self, differences: Sequence[str]) -> None:
        lines = "\n".join(differences)
        super().__init__(
            f"The database differs from the files:\n{lines}\nApply what is pending: `migrate apply`. Repair what was "
            "changed by hand; `migrate plan` has the statements for it."
        )


class NotAdoptableError(MigrationError):
    """The tables are not as the files declare, so that these cannot count as applied."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(
            f"The tables lack some of what the files declare:\n{text(steps)}\nNo file was marked as applied. Run `migrate apply` "
            "without --adopt where the tables are not there yet; or plan, apply that by its checksum, and adopt then."
        )


class AppliedFileChangedError(MigrationError):
    """The database applied a file when it was another."""

    def __init__(self, name: str, applied: str, found: str) -> None:
        super().__init__(
            f"The file {name} has the checksum {found}, but this database has applied it with {applied}. "
            "Restore that file; or roll it back with `migrate rollback`, and apply the new one."
        )


class AppliedFileMissingError(MigrationError):
    """The database has applied a file that is not there."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"This database has applied the file {name}, which is not there. Take the version of the package "
            "that has it, or roll it back with `migrate rollback`."
        )


class PartlyReplacedError(MigrationError):
    """The database has applied some of the files that a squashed one replaces."""

    def __init__(self, name: str, applied: Sequence[str], missing: Sequence[str]) -> None:
        super().__init__(
            f"The file {name} replaces {len(applied) + len(missing)} files, of which this database has applied some "
            f"({', '.join(applied)}) and not the others ({', '.join(missing)}). Apply those first, "
            "with the version of the package that has them."
        )


class UnfinishedPlanError(MigrationError):
    """A plan that is of no file, or of another, was interrupted."""

    def __init__(self, checksum: str) -> None:
        super().__init__(
            f"The plan {checksum}, which is of no file, was interrupted. Finish it with `migrate apply {checksum}`, "
            "or roll it back with `migrate rollback`."
        )
