"""`nexusctl audit`: known vulnerabilities of the contents of images, and which services could not be reached."""

from collections.abc import Iterable, Sequence

from packaging.utils import canonicalize_name
from rich.markup import escape

from nexusctl import chassis, docker
from nexusctl.audit import advisories, tracker
from nexusctl.audit.answer import Answer, Service, Silence, Subject
from nexusctl.console import out, table
from nexusctl.sbom.command import inventories
from nexusctl.sbom.inventory import Inventory

NOTHING_FOUND, FOUND, INCOMPLETE = 0, 1, 3
"""Exit statuses; 2 is a usage error."""


def run(references: Sequence[str]) -> int:
    """Check the contents of these images (all built ones if none is named); print the result, return the exit status."""
    docker.require_engine()
    found = list(inventories(references))
    answers = []
    for what, subjects, service in (
        ("Python distributions", _distributions(found), advisories.SERVICE),
        ("Debian source packages", _packages(found), tracker.SERVICE),
    ):
        if not subjects:
            continue
        out.print(f"… {len(subjects)} {what}: asking {service.name}")
        answer = service.ask(subjects)
        _report(len(subjects), what, service, answer, len(found))
        answers.append(answer)
    if any(answer.findings for answer in answers):
        return FOUND
    return INCOMPLETE if any(answer.silence for answer in answers) else NOTHING_FOUND


def _distributions(found: Sequence[Inventory]) -> list[Subject]:
    held = (
        (canonicalize_name(item["name"]), item["version"], "", inventory.reference)
        for inventory in found
        for item in inventory.distributions
    )
    # PyPI doesn't know the chassis, and need not learn of it.
    return _subjects(item for item in held if item[0] != chassis.NAME)


def _packages(found: Sequence[Inventory]) -> list[Subject]:
    return _subjects(
        (package.source, str(package.source_version), inventory.release.codename, inventory.reference)
        for inventory in found
        for package in inventory.packages
    )


def _subjects(held: Iterable[tuple[str, str, str, str]]) -> list[Subject]:
    """Group (name, version, release, image) into one subject per version, with its images."""
    images: dict[tuple[str, str, str], dict[str, None]] = {}
    for name, version, release, image in held:
        images.setdefault((name, version, release), {})[image] = None
    return sorted(Subject(name, version, tuple(where), release) for (name, version, release), where in images.items())


def _report(total: int, what: str, service: Service, answer: Answer, images: int) -> None:
    if answer.findings:
        out.print(f"[red]✗[/] {total} {what}: {service.name}: {len(answer.findings)} known vulnerabilities")
        rows = [
            (
                finding.subject.name,
                finding.subject.version,
                finding.identifier,
                finding.fixed_in or "no version yet",
                finding.rating or "none given",
                "all" if len(finding.subject.images) == images else ", ".join(finding.subject.images),
            )
            for finding in answer.findings
        ]
        table(service.name, ("package", "version", "vulnerability", "fixed in", "rating", "images"), rows)
        out.print(f"  to do: {service.remedy}", soft_wrap=True)
    if answer.silence:
        _report_silence(total, what, service, answer.silence)
    elif not answer.findings:
        out.print(f"[green]✓[/] {total} {what}: {service.name}: nothing known")


def _report_silence(total: int, what: str, service: Service, silence: Silence) -> None:
    silent = len(silence.subjects)
    names = ", ".join(f"{subject.name} {subject.version}" for subject in silence.subjects)
    out.print(
        f"[red]✗[/] not reachable: {service.name}, for {silent} of {total} {what}\n"
        f"    tried: {service.address}\n"
        f"    found: {escape(silence.found)}\n"
        f"    so nothing is known, neither good nor bad, of {'any of them' if silent == total else escape(names)}",
        soft_wrap=True,
    )
