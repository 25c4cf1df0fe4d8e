"""The error that users see: what happened, what was found, what to do."""

from dataclasses import dataclass


@dataclass
class NexusError(Exception):
    """A failure with its remedy. `what` and `found` are sentences, `remedy` is a command or an instruction."""

    what: str
    found: str
    remedy: str

    def __str__(self) -> str:
        """Return the three parts, a line each."""
        return f"{self.what}\n  found: {self.found}\n  to do: {self.remedy}"


def disk_full(found: str) -> NexusError:
    """Return the error for a write that found no space."""
    return NexusError(
        "the disk is full",
        found,
        "free some space (`docker system df` shows what images hold), then run the same command again",
    )
