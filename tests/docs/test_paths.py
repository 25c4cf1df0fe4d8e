"""What the documents point at is there: paths, links, headings."""

import re
from pathlib import Path

import pytest
from documents import DOCUMENTS, code, headings, links, name

from nexusctl.workspace import ROOT, STATE, load

EACH = pytest.mark.parametrize("path", DOCUMENTS, ids=name)
TOP = ("apps", "buildpacks", "docker", "docs", "libs", "tests", "tools")
IN_TREE = re.compile(
    rf"(?<![\w./-])((?:{'|'.join(TOP)})/[\w./*<>-]*|[A-Z]+\.md|NOTICE|LICENSE|docker-compose[\w.]*\.yml)"
)
DOCUMENT = re.compile(r"(?<![\w./-])docs/[\w/-]+\.md")
METHODS = {"tools/call", "tools/list"}  # of the Model Context Protocol
TEXTS = {"", ".c", ".md", ".py", ".sh", ".tmpl", ".toml", ".yml"}
MADE = re.compile(r"\.nexus/[\w./*-]+")
MADE_BY_US = {"base", "bin", "build-cache", "logs", "pack", "sbom", "secrets", "venv", "wheels"}


def missing(mention: str, base: Path) -> bool:
    """Whether no file has this path from the root, the document's own folder or the app's package; X is each app."""
    places = (ROOT, base, base / base.name.replace("-", "_"))
    patterns = [re.sub(r"\bX\b|<service>", app.name, mention).rstrip("/.") for app in load().apps]
    return not all(any(True for place in places for _ in place.glob(pattern)) for pattern in patterns)


@EACH
def test_paths_in_code_exist(path: Path) -> None:
    mentions = {mention for piece in code(path) for mention in IN_TREE.findall(piece)}
    assert sorted(mention for mention in mentions - METHODS if missing(mention, path.parent)) == []


@EACH
def test_what_is_made_is_made_by_us(path: Path) -> None:
    mentions = {mention for piece in code(path) for mention in MADE.findall(piece)}
    parts = {mention: Path(mention).relative_to(STATE.name).parts for mention in mentions}
    unknown = {mention for mention, names in parts.items() if names[0] not in MADE_BY_US}
    unknown |= {
        mention
        for mention, names in parts.items()
        if names[0] == "secrets" and len(names) > 1 and names[1] != "..." and names[1] not in load().secrets
    }
    assert sorted(unknown) == []


@EACH
def test_links_lead_somewhere(path: Path) -> None:
    assert [link for link in links(path) if "://" not in link and is_broken(link, path)] == []


def is_broken(link: str, path: Path) -> bool:
    target, _, anchor = link.partition("#")
    file = (path.parent / target).resolve() if target else path
    if not file.is_relative_to(ROOT) or not file.exists():
        return True
    return bool(anchor) and anchor not in map(slug, headings(file))


def slug(heading: str) -> str:
    """Return a heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_each_guide_is_linked_from_the_readme() -> None:
    linked = {(ROOT / link.split("#")[0]).resolve() for link in links(ROOT / "README.md") if "://" not in link}
    assert sorted(name(path) for path in (ROOT / "docs").rglob("*.md") if path not in linked) == []
    assert [app.name for app in load().apps if app.folder / "README.md" not in linked] == []


def test_no_file_names_a_document_that_is_not_there() -> None:
    files = (path for path in ROOT.rglob("*") if path.suffix in TEXTS and path.is_file())
    texts = [path for path in files if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]
    named = {document for path in texts for document in DOCUMENT.findall(path.read_text(errors="replace"))}
    assert sorted(document for document in named if not (ROOT / document).exists()) == []
