"""PyPI's advisories on Python distributions, queried with pip-audit: https://pypi.org/project/pip-audit/."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from nexusctl.audit.answer import Answer, Finding, Service, Silence, Subject

_SECONDS = 600
# Some errors end pip-audit; the message is the last line of this form.
_ERROR = re.compile(r"^(?:ERROR:[\w.]+:|[\w.]+(?:Error|Timeout|Exception): ).+$", re.MULTILINE)


@dataclass(frozen=True)
class _Vulnerability:
    id: str
    fix_versions: list[str]
    aliases: list[str]

    @property
    def identifier(self) -> str:
        """The CVE, if there is one."""
        return next((alias for alias in self.aliases if alias.startswith("CVE-")), self.id)


@dataclass(frozen=True)
class _Dependency:
    name: str
    vulns: tuple[_Vulnerability, ...] = ()
    skip_reason: str = ""


@dataclass(frozen=True)
class _Report:
    dependencies: list[_Dependency]


_READER = TypeAdapter(_Report)


def ask(distributions: Sequence[Subject]) -> Answer:
    """Return the known vulnerabilities of these distributions; names are normalized (PEP 503)."""
    findings: list[Finding] = []
    silent: dict[Subject, str] = {}
    batches = _batches(distributions)
    for number, batch in enumerate(batches):
        report = _pip_audit(batch)
        if isinstance(report, str):
            silent |= {subject: report for batch in batches[number:] for subject in batch}
            break
        dependencies = {dependency.name: dependency for dependency in report.dependencies}
        for subject in batch:
            dependency = dependencies.get(subject.name, _Dependency(subject.name, skip_reason="pip-audit left it out"))
            if dependency.skip_reason:
                silent[subject] = dependency.skip_reason.partition(":")[0]
            findings += [_finding(subject, vulnerability) for vulnerability in dependency.vulns]
    silence = Silence(tuple(silent), "; ".join(dict.fromkeys(silent.values())))
    return Answer(tuple(findings), silence if silent else None)


def _pip_audit(batch: Sequence[Subject]) -> _Report | str:
    """Return what pip-audit reports, or why it has no report."""
    # A fresh cache: yesterday's answer may be outdated.
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text("".join(f"{subject.name}=={subject.version}\n" for subject in batch))
        command = [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(requirements), "--no-deps", "--disable-pip"),
            *("--format", "json", "--desc", "off", "--aliases", "on", "--progress-spinner", "off"),
            *("--cache-dir", folder),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return f"no answer within {_SECONDS} s"
    try:
        return _READER.validate_json(done.stdout)
    except ValidationError:
        errors = _ERROR.findall(done.stderr) or done.stderr.splitlines() or ["pip-audit printed nothing"]
        return str(errors[-1])


def _finding(subject: Subject, vulnerability: _Vulnerability) -> Finding:
    return Finding(subject, vulnerability.identifier, ", ".join(vulnerability.fix_versions), "")


def _batches(distributions: Sequence[Subject]) -> list[list[Subject]]:
    """Return lists without duplicate names: pip-audit accepts one version of each."""
    batches: list[list[Subject]] = []
    for _, versions in groupby(sorted(distributions), key=lambda item: item.name):
        for index, subject in enumerate(versions):
            if index == len(batches):
                batches.append([])
            batches[index].append(subject)
    return batches


SERVICE = Service(
    name="PyPI's advisories",
    address="https://pypi.org/pypi/NAME/VERSION/json",
    remedy="ask for a fixed version in the app's pyproject.toml, then `make lock` and `make build`",
    ask=ask,
)
