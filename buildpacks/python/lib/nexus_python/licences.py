"""The licence of a distribution, from its core metadata, as CycloneDX writes it.

https://packaging.python.org/en/latest/specifications/core-metadata/ and https://cyclonedx.org/docs/1.5/json/
"""

from email.message import Message

Licences = list[dict[str, object]]
"""`licenses` of a CycloneDX component: one SPDX expression, or licences by SPDX id, or by name where the id isn't known."""

_CLASSIFIER = "License :: "
# How authors write a licence in the old field License and in classifiers, by its SPDX id. "BSD" could be one of several.
_SPELLINGS = {
    "Apache-2.0": (
        "Apache 2",
        "Apache 2.0",
        "Apache License 2.0",
        "Apache License, Version 2.0",
        "Apache Software License",
    ),
    "BSD-2-Clause": ("BSD 2-Clause", "BSD 2-Clause License"),
    "BSD-3-Clause": ("BSD 3-Clause", "BSD 3-Clause License", "New BSD", "New BSD License"),
    "ISC": ("ISC License", "ISC License (ISCL)"),
    "MIT": ("MIT License", "The MIT License"),
    "MPL-2.0": ("Mozilla Public License 2.0", "Mozilla Public License 2.0 (MPL 2.0)"),
    "PSF-2.0": ("Python Software Foundation License",),
    "Unlicense": ("The Unlicense", "The Unlicense (Unlicense)"),
}
_IDS = {name.lower(): spdx for spdx, names in _SPELLINGS.items() for name in (spdx, *names)}
_SAYS_NOTHING = {"", "OSI Approved", "UNKNOWN"}


def licences(metadata: Message) -> Licences:
    """Return what `metadata` says of the licence; an empty list where it names no more than files.

    An expression takes precedence. Otherwise it is the field or the classifiers, whichever names a known licence, the field first.
    """
    if expression := metadata["License-Expression"]:
        return [{"expression": str(expression).strip()}]
    # The field of some distributions holds the whole text; if there is nothing else, its first line has to do.
    field = [line.strip() for line in str(metadata["License"] or "").strip().splitlines()]
    lines = [str(line) for line in metadata.get_all("Classifier", []) if str(line).startswith(_CLASSIFIER)]
    classifiers = [line.rpartition(" :: ")[2] for line in lines]
    choices = [_telling(names) for names in (field if len(field) == 1 else [], classifiers, field[:1])]
    known = [names for names in choices if any(name.lower() in _IDS for name in names)]
    chosen = next(iter([*known, *filter(None, choices)]), [])
    return [{"license": _named(name)} for name in chosen]


def _telling(names: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name not in _SAYS_NOTHING]


def _named(name: str) -> dict[str, str]:
    spdx = _IDS.get(name.lower())
    return {"id": spdx} if spdx else {"name": name}
