"""Services that know of vulnerabilities, and what they answer."""

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
    """One known vulnerability. `fixed_in` is "" where there is no fix, `rating` what the service says of its weight."""

    subject: Subject
    identifier: str
    fixed_in: str
    rating: str


@dataclass(frozen=True)
class Silence:
    """Of which subjects a service said nothing, and what came back instead."""

    subjects: tuple[Subject, ...]
    found: str


@dataclass(frozen=True)
class Answer:
    """What was found; and `silence`, where some subjects could not be asked about."""

    findings: tuple[Finding, ...] = ()
    silence: Silence | None = None


@dataclass(frozen=True)
class Service:
    """A service that knows of vulnerabilities; `remedy` is what to do about one."""

    name: str
    address: str
    remedy: str
    ask: Callable[[Sequence[Subject]], Answer]
