"""What holds for every taxonomy: codes of the right shape, each once, below one of a higher level."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from classification_service.taxonomies.importers.errors import Fault, TaxonomyFileError
from classification_service.taxonomies.importers.records import (
    MAX_TITLE,
    ClassFeatureRecord,
    NodeRecord,
    Record,
    TermRecord,
)
from nexus_chassis.limits import MAX_FAULTS

MAX_CODES = 1_000_000
MAX_SYNONYMS = 200
MAX_DEFINITION = 20_000

LEVELS = {"unspsc": ("segment", "family", "class", "commodity"), "etim": ("group", "class")}
"""The levels of each taxonomy, the highest first."""

_SHAPES = {
    "segment": r"[0-9]{2}000000",
    "family": r"[0-9]{4}0000",
    "class": r"[0-9]{6}00|EC([0-9]{6}|[A-Z]{2}[0-9]{4})",
    "commodity": r"[0-9]{8}",
    "group": r"EG([0-9]{6}|[A-Z]{2}[0-9]{4})",
}
# Those of one country have its letters, such as EFDE0001.
_TERM = re.compile(r"E[FVU]([0-9]{6}|[A-Z]{2}[0-9]{4})")


class Tree:
    """Checks the records of one file as they pass; `levels` counts the codes of each level.

    Of each code it keeps the level, the parent and the place, some 200 bytes.
    """

    def __init__(self, taxonomy: str) -> None:
        self._order = {level: number for number, level in enumerate(LEVELS[taxonomy])}
        self._nodes: dict[str, tuple[str, str | None, str]] = {}
        self._terms: set[str] = set()
        self._class_features: set[tuple[str, str]] = set()
        self._faults: list[Fault] = []
        self.levels: Counter[str] = Counter()

    def checked(self, records: Iterator[Record]) -> Iterator[Record]:
        """The records; raises TaxonomyFileError at the end, or once there are MAX_FAULTS faults."""
        for record in records:
            match record:
                case NodeRecord():
                    self._check_node(record)
                case TermRecord():
                    self._check_term(record)
                case ClassFeatureRecord():
                    self._check_class_feature(record)
            yield record
        self._check_parents()
        if not self._nodes:
            self._report("", "The file has no codes.")
        if self._faults:
            raise TaxonomyFileError(self._faults)

    def _report(self, place: str, detail: str) -> None:
        self._faults.append(Fault(place, detail))
        if len(self._faults) >= MAX_FAULTS:
            raise TaxonomyFileError(self._faults)

    def _check_node(self, node: NodeRecord) -> None:
        code = node.code[:40]
        if node.level not in self._order or not re.fullmatch(_SHAPES[node.level], node.code):
            self._report(node.place, f"{code!r} has not the shape of a code of the level {node.level}")
        elif (before := self._nodes.get(node.code)) is not None:
            self._report(node.place, f"the code {code} is there a second time; the first is at {before[2]}")
        elif not node.title:
            self._report(node.place, f"the code {code} has no title")
        elif len(node.title) > MAX_TITLE or len(node.definition) > MAX_DEFINITION or len(node.synonyms) > MAX_SYNONYMS:
            limits = f"{MAX_TITLE} characters of title, {MAX_DEFINITION} of definition, {MAX_SYNONYMS} synonyms"
            self._report(node.place, f"the code {code} has more than {limits}")
        elif len(self._nodes) >= MAX_CODES:
            raise TaxonomyFileError([Fault(node.place, f"there are more than {MAX_CODES} codes")])
        else:
            self._nodes[node.code] = (node.level, node.parent, node.place)
            self.levels[node.level] += 1

    def _check_parents(self) -> None:
        """A parent on a lower or the same level would let codes form a circle."""
        for code, (level, parent, place) in self._nodes.items():
            if parent is None:
                if self._order[level] > 0:
                    self._report(place, f"the {level} {code} has no parent")
            elif parent not in self._nodes:
                self._report(place, f"the parent {parent[:40]!r} of {code} is not in the file")
            elif self._order[(above := self._nodes[parent][0])] >= self._order[level]:
                detail = f"the {level} {code} lies below the {above} {parent}, so that codes form a circle or skip back"
                self._report(place, detail)

    def _check_term(self, term: TermRecord) -> None:
        if not _TERM.fullmatch(term.code):
            self._report(term.place, f"{term.code[:40]!r} is not a code of a feature, value or unit, such as EF000001")
        elif term.code in self._terms:
            self._report(term.place, f"the code {term.code} is there a second time")
        elif len(term.title) > MAX_TITLE:
            self._report(term.place, f"the title of {term.code} has more than {MAX_TITLE} characters")
        self._terms.add(term.code)

    def _check_class_feature(self, item: ClassFeatureRecord) -> None:
        key = item.class_code, item.feature
        codes = (item.feature, *([item.unit] if item.unit else []), *item.values)
        if item.class_code not in self._nodes:
            self._report(item.place, f"the class {item.class_code[:40]!r} is not in the file")
        elif missing := next((code for code in codes if code not in self._terms), None):
            self._report(item.place, f"{missing[:40]!r} is not among the features, values and units of the file")
        elif key in self._class_features:
            self._report(item.place, f"the class {item.class_code} has the feature {item.feature} a second time")
        self._class_features.add(key)


def level_counts(tree: Tree, taxonomy: str) -> Mapping[str, int]:
    """Number of codes at each level, the highest first."""
    return {level: tree.levels[level] for level in LEVELS[taxonomy] if tree.levels[level]}
