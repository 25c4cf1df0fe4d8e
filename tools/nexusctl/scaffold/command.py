"""Makes the files, all or none."""

import itertools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from nexusctl import locks
from nexusctl.console import Steps, out
from nexusctl.scaffold.insertions import into_tree
from nexusctl.scaffold.service import NewService, checked
from nexusctl.workspace import ROOT, STATE, load

_TEMPLATES = Path(__file__).with_name("templates")
_STAGING = STATE / "new"


def run(steps: Steps, name: str, port: int | None) -> None:
    """Make a service, on the first free port if none is given; raise NexusError and change nothing if that is not possible."""
    service = checked(name, port)
    values = _values(service)
    texts, by_hand = into_tree(values)
    texts[ROOT / "docker" / f"Dockerfile.{name}"] = _like_first(f"docker/Dockerfile.{load().apps[0].name}", service)
    shutil.rmtree(_STAGING, ignore_errors=True)
    folder = _STAGING / name
    try:
        _render(folder, service, values)
        locks.lock_app(steps, folder)
        _publish(folder, service, texts)
    finally:
        shutil.rmtree(_STAGING, ignore_errors=True)
    _report(service, list(texts), by_hand)


def _values(service: NewService) -> dict[str, str]:
    last = load().apps[-1]
    return {
        "name": service.name,
        "module": service.module,
        "port": str(service.port),
        "last": last.name,
        "last_port": str(last.port),
        "version": load().version,
        "chassis": f"{load().version.rpartition('.')[0]}.*",
        "python": load().python,
        "target": f"py{load().python.replace('.', '')}",
    }


def _like_first(file: str, service: NewService) -> str:
    """Return a file of the first app with the new one's name, package and port in place of its own."""
    first = load().apps[0]
    text = (ROOT / file).read_text()
    for own, new in (
        (first.name, service.name),
        (first.name.replace("-", "_"), service.module),
        (str(first.port), str(service.port)),
    ):
        text = text.replace(own, new)
    return text


def _render(folder: Path, service: NewService, values: Mapping[str, str]) -> None:
    """Write the app's folder."""
    first = load().apps[0].name
    texts = {Path(name): _like_first(f"apps/{first}/{name}", service) for name in ("Procfile", "project.toml")}
    for template in _TEMPLATES.rglob("*.tmpl"):
        parts = template.relative_to(_TEMPLATES).with_suffix("").parts
        path = Path(*(service.module if part == "module" else part for part in parts))
        text = Template(template.read_text()).substitute(values)
        texts[path] = _with_sorted_imports(text) if path.suffix == ".py" else text
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    # What its packages are locked to, the new app's are too, as far as it has them.
    shutil.copyfile(ROOT / "apps" / first / "requirements.txt", folder / "requirements.txt")


def _with_sorted_imports(text: str) -> str:
    # Where the app's own package belongs among the imports depends on its name.
    groups = itertools.groupby(text.splitlines(keepends=True), key=lambda line: line.startswith("from "))
    return "".join(line for are_imports, lines in groups for line in (sorted(lines) if are_imports else lines))


def _publish(folder: Path, service: NewService, texts: Mapping[Path, str]) -> None:
    # Written aside first: a disk that fills up leaves every file as it was.
    aside = {path: path.with_name(f".{path.name}.new") for path in texts}
    try:
        for path, partial in aside.items():
            partial.write_text(texts[path])
        shutil.move(folder, service.folder)
    except BaseException:
        shutil.rmtree(service.folder, ignore_errors=True)
        for partial in aside.values():
            partial.unlink(missing_ok=True)
        raise
    for path, partial in aside.items():
        partial.replace(path)


def _report(service: NewService, paths: Sequence[Path], by_hand: Sequence[str]) -> None:
    lines = [f"{service.name} listens on port {service.port}. Made and changed:"]
    lines += [f"  {path.relative_to(ROOT)}" for path in (service.folder, *sorted(paths))]
    if by_hand:
        lines += ["These documents have another form than expected; add to them by hand:"]
        lines += [f"  {line}" for line in by_hand]
    lines += [
        f"Next: `make unit SERVICES={service.name}`, then `make up`; it is reached at /v1/{service.name} of the gateway.",
        "See also docs/guides/add-a-service.md.",
    ]
    out.print("\n".join(lines), soft_wrap=True, markup=False)
