"""What a service answers when it is asked for known vulnerabilities."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Subject:
    """A version of a distribution or of a source package in the Debian `release`, and the images that hold it."""

    name: str
    version: str
    images: tuple[str, ...]
    release: str = ""


@dataclass(frozen=True, order=True)
class Finding:
    """One known vulnerability. `fixed_in` is "" where there is no fix, `rating` what the service says of its weight."""

    subject: Subject
    identifier: str
    fixed_in: str
    rating: str


@dataclass(frozen=True)
class Silence:
    """Why the service said nothing of some subjects: which address was tried, and what came back."""

    subjects: tuple[Subject, ...]
    tried: str
    found: str


@dataclass(frozen=True)
class Answer:
    """What was found; and `silence`, where some subjects could not be asked about."""

    findings: tuple[Finding, ...] = ()
    silence: Silence | None = None
