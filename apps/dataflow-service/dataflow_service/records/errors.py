"""What can be wrong with a request for rows."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_FAULTS = 10
"""Faults in one answer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `place` begins with the part of the request (body, query); `text` continues a sentence about it.

    `line` is that of a body whose rows are lines.
    """

    place: tuple[str | int, ...]
    text: str
    line: int | None = None


class InvalidRowError(Exception):
    """What was sent is no row of the model; `faults` has at most `MAX_FAULTS` of the reasons."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{'/'.join(map(str, fault.place))} {fault.text}" for fault in faults))
        self.faults = tuple(faults)


class InvalidQueryError(Exception):
    """What was asked for cannot be asked of the model; `faults` has at most `MAX_FAULTS` of the reasons."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{'/'.join(map(str, fault.place))} {fault.text}" for fault in faults))
        self.faults = tuple(faults)


class NoSuchRelationError(Exception):
    """A model has no relation of a field. `known` are the fields that have one."""

    def __init__(self, model: str, field: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{model} has no relation of the field {field[:100]!r} to expand. There are: {', '.join(known) or 'none'}."
        )
        self.known = tuple(known)


class QueryTimeoutError(Exception):
    """PostgreSQL ended a query, which may run for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"PostgreSQL ended the query: it may run for {seconds:g} s. Narrow it with a filter on an indexed field, "
            "order it by such a field, or try again when there is less to do."
        )
        self.seconds = seconds


class NotComputableError(Exception):
    """A sum or an average has no value."""

    def __init__(self) -> None:
        super().__init__(
            "A sum or an average is beyond the range of its type, double precision. Leave it out, or narrow the query "
            "with a filter."
        )


class TooManyRowsError(Exception):
    """One request has more rows than it may have."""

    def __init__(self, found: int, limit: int) -> None:
        super().__init__(f"There are {found} rows in the array; one request takes {limit}. Send the array in parts.")
        self.found = found
        self.limit = limit


class TooManyMatchesError(Exception):
    """A filter selects more rows than one request may change; none was changed."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The filter selects more than {limit} rows; one request changes {limit}. Narrow the filter.")
        self.limit = limit


class TenantsMixedError(Exception):
    """The table of a multi-tenant model does not keep tenants apart."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The table of {model} does not keep the rows of tenants apart yet, or the service's role bypasses row-level "
            "security. Plan and apply the migration of the models."
        )


class RefusalError(Exception):
    """The database does not write a row, for a reason that is in its values or in other rows."""


class NoSuchRowError(RefusalError):
    """No row of the model at `path` has the id; `deleted`: none that is deleted and could be restored."""

    def __init__(self, path: str, row_id: str, *, deleted: bool = False) -> None:
        super().__init__(f"There is no {'deleted ' if deleted else ''}{path} with the id {row_id}.")
        self.path = path
        self.row_id = row_id


class VersionMismatchError(Exception):
    """A row has another version than the caller has seen; `version` is the one that it has."""

    def __init__(self, path: str, row_id: str, version: int) -> None:
        super().__init__(
            f"The {path} with the id {row_id} has another version than If-Match names: it was changed since it was read. "
            "Read it again, and decide whether the change still applies."
        )
        self.path = path
        self.row_id = row_id
        self.version = version


class NoVersionError(Exception):
    """A version is named, and there is no row that could have it."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"If-Match names a version, and there is no such {path}. Nothing was done. Send the request without If-Match to "
            "create the row."
        )
        self.path = path


class VersionRequiredError(Exception):
    """A model demands that the caller names the version that it changes."""

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} is changed only with If-Match. Read the row, and send its ETag as If-Match.")
        self.model = model


class InvalidEntityTagsError(Exception):
    """A header field with entity tags is malformed."""

    def __init__(self, header: str) -> None:
        super().__init__(
            f'{header} should be a list of entity tags such as "1", with their quotes, or *. Send the ETag of an answer '
            "unchanged."
        )
        self.header = header


class NotUniqueError(RefusalError):
    """Another row has a value that must be unique. `fields` share it; `value` is the caller's own, where one row was sent.

    `restorable`: the row may be a deleted one.
    """

    def __init__(self, path: str, fields: Sequence[str], value: str | None, *, restorable: bool = False) -> None:
        names = " and ".join(fields) or "unique value"
        sent = "" if value is None else f", {value}"
        super().__init__(
            f"Another {path} has the same {names}{sent}. Send another value, or change the row that has it"
            f"{'; if it is deleted, restore it first' if restorable else ''}."
        )
        self.path = path
        self.fields = tuple(fields)


class NoRelatedRowError(RefusalError):
    """A row refers by `field` to a row of the model at `target` that is not there; `restorable`: it may be a deleted one."""

    def __init__(self, path: str, field: str, target: str, *, restorable: bool = False) -> None:
        super().__init__(
            f"The {field} of a {path} should be the id of a {target}, and there is none with the id sent. Send the id of one "
            f"that is there, or {'create or restore' if restorable else 'create'} the {target} first."
        )
        self.field = field
        self.target = target


class ReferencedError(RefusalError):
    """A row is not deleted, because rows of the model `referrer` refer to it, or to one that would go with it, by `field`.

    `restorable`: they may be deleted ones, which keep from being deleted what is not restored with them.
    """

    def __init__(self, path: str, referrer: str, field: str, *, restorable: bool = False) -> None:
        super().__init__(
            f"Rows of {referrer} refer by {field} to the {path} or to rows that would be deleted with it. Delete or change "
            f"those rows first{'; deleted ones that could be restored count too' if restorable else ''}."
        )
        self.referrer = referrer
        self.field = field


class TooManyRelatedError(Exception):
    """Too many rows would be deleted or changed together with a row that they refer to; none was."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"More than {limit} rows that refer to what is deleted would be deleted or changed with it. Nothing was done. "
            "Delete or change those rows first."
        )
        self.limit = limit


class NotStorableError(RefusalError):
    """The database refuses a value for a reason that the model does not state."""
