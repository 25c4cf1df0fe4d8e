"""Where the files of the tree name each service: a new one is named behind the one that is last in project.toml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from nexusctl.errors import NexusError
from nexusctl.workspace import COMPOSE_FILE, ROOT


@dataclass(frozen=True)
class Insertion:
    """`text` goes behind what `behind`, a regular expression, finds. Both may have the values of the two services."""

    file: str
    behind: str
    text: str


_NEEDED = (
    Insertion(
        "project.toml",
        r"^\[nexus\.services\.${last}\]\n(?:\S.*\n)+",
        '\n[nexus.services.${name}]\nkind = "app"\nport = ${port}\nbudget-mb = 110\nstart-seconds = 1.5\n'
        'memory = "512m"\ncpus = 1\npids = 100\n',
    ),
    Insertion(
        COMPOSE_FILE.name,
        r"^  ${last}:\n(?: {4}.*\n)+",
        """
  ${name}:
    <<: *service
    image: ${name}:$${NEXUS_TAG:-latest}
    build: {context: ., dockerfile: docker/Dockerfile.${name}}
    networks: [backend]
    environment:
      <<: *settings
      PORT: "${port}"
    mem_limit: 512m
    cpus: 1
    pids_limit: 100
""",
    ),
)
_DOCUMENTS = (
    Insertion(
        "README.md",
        r"^ *\w+ --> \w+\[${last} :${last_port}\]\n",
        "        gateway --> app_${module}[${name} :${port}]\n",
    ),
    Insertion("README.md", r"\[${last}\]\(apps/${last}/README\.md\)", ",\n[${name}](apps/${name}/README.md)"),
    Insertion("docs/concepts/architecture.md", r"${last} \(${last_port}\b[^)]*\)", ", ${name} (${port}, internal)"),
    Insertion(
        "docs/concepts/build-pipeline.md",
        r"^pack build ${last} --path apps/${last}\n",
        "pack build ${name} --path apps/${name}\n",
    ),
    Insertion("docs/concepts/build-pipeline.md", r"^\| `${last}` \|.*\n", "| `${name}` | 95 | 110 |\n"),
    Insertion(
        "docs/guides/run-in-production.md", r"^\| ${last} \|(?: [\w.]+ \|){3}\n", "| ${name} | 512m | 1 | 100 |\n"
    ),
    Insertion("pyproject.toml", r'^  "${last}",\n', '  "${name}",\n'),
    Insertion(
        "pyproject.toml",
        r"^${last} = \{ path = .*\n",
        '${name} = { path = "apps/${name}", package = false }\n',
    ),
)
_ROUTES = re.compile(r'^( +NEXUS_ROUTES:) "([^"\n]*)"$', re.MULTILINE)


def into_tree(values: Mapping[str, str]) -> tuple[dict[Path, str], list[str]]:
    """Return the new text of each file, and a line for each text that has found no place in the documents.

    Raises NexusError where project.toml or the compose file has no place for it.
    """
    texts: dict[Path, str] = {}
    by_hand = []
    for insertion in (*_NEEDED, *_DOCUMENTS):
        path = ROOT / insertion.file
        text = texts.get(path) or (path.read_text() if path.exists() else "")
        behind = _filled(insertion.behind, {name: re.escape(value) for name, value in values.items()})
        added = _filled(insertion.text, values)
        if match := re.search(behind, text, re.MULTILINE):
            texts[path] = text[: match.end()] + added + text[match.end() :]
        elif insertion in _NEEDED:
            raise _no_place(insertion.file, f"no part for {values['last']} in the form that the others have")
        else:
            by_hand.append(f"{insertion.file}: " + added.strip(", \n"))
    texts[COMPOSE_FILE] = _with_route(texts[COMPOSE_FILE], values)
    return texts, by_hand


def _with_route(compose: str, values: Mapping[str, str]) -> str:
    match = _ROUTES.search(compose)
    if match is None:
        raise _no_place(COMPOSE_FILE.name, 'no line `NEXUS_ROUTES: "..."` among the settings of nexus-gateway')
    routes = " ".join([*match[2].split(), _filled("${name}=http://${name}:${port}", values)])
    return compose[: match.start()] + f'{match[1]} "{routes}"' + compose[match.end() :]


def _no_place(file: str, found: str) -> NexusError:
    return NexusError(
        f"{file} has no place for another service",
        found,
        "put it back as it was (`git diff` shows what has changed), then run the same command again",
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    return Template(text).substitute(values)
