"""Advisory services and their answers."""

from collections.abc import Callable, Sequence
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
    """One known vulnerability. `fixed_in` is "" if there is no fix, `rating` is the service's severity."""

    subject: Subject
    identifier: str
    fixed_in: str
    rating: str


@dataclass(frozen=True)
class Silence:
    """The subjects that a service did not answer for, and what it sent instead."""

    subjects: tuple[Subject, ...]
    found: str


@dataclass(frozen=True)
class Answer:
    """What was found, and `silence` if some subjects could not be checked."""

    findings: tuple[Finding, ...] = ()
    silence: Silence | None = None


@dataclass(frozen=True)
class Service:
    """An advisory service; `remedy` is what to do about a vulnerability."""

    name: str
    address: str
    remedy: str
    ask: Callable[[Sequence[Subject]], Answer]
