"""A batch as the server describes it."""

from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from classification_service.llm.errors import CallError
from classification_service.llm.models import Outcome

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


class _Batch(BaseModel):
    id: str
    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: object = None


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """State of a batch at the server, and the files with its results, once there are some."""

    id: str
    status: str
    files: tuple[str, ...]
    errors: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.status in ENDED

    @classmethod
    def of(cls, document: object) -> "RemoteBatch":
        """The batch in a document of the server; raises CallError where it is none."""
        try:
            batch = _Batch.model_validate(document)
        except ValidationError:
            raise CallError(Outcome.INVALID, "The server's description of the batch cannot be read.") from None
        files = tuple(file for file in (batch.output_file_id, batch.error_file_id) if file)
        return cls(batch.id, batch.status, files, str(batch.errors)[:500] if batch.errors else None)
