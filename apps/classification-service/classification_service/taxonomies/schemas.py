"""What the endpoints of taxonomies take and answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, Field

from classification_service.taxonomies.models import (
    Changes,
    ClassFeature,
    CodeChange,
    CodeDetails,
    FoundCode,
    Node,
    StoredVersion,
    Taxonomy,
    Term,
)
from classification_service.taxonomies.search import PLACE
from classification_service.taxonomies.starter_features import starter_features
from nexus_chassis.schemas import RequestModel

FILE_TYPES = (
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/zip",
    "application/gzip",
    "application/xml",
    "text/xml",
    "text/csv",
    "application/octet-stream",
)
FILE_BODY = {
    "requestBody": {
        "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in FILE_TYPES},
        "description": "the file as it was downloaded: UNSPSC as XLSX or CSV, ETIM as the zip archive of its CSV export or "
        "as IXF; its format is found by its content",
        "required": True,
    }
}
MAX_LIMIT = 1000

_VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"
_CODE = r"^[A-Za-z0-9]{1,20}$"

TaxonomyName = Annotated[Literal["unspsc", "etim"], Query(alias="taxonomy", description="what the file is of")]
NewVersionName = Annotated[
    str, Query(alias="version", pattern=_VERSION, description="what to call it, such as 26.0801")
]
Language = Annotated[
    str,
    Query(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length=35, description="of the titles: a BCP 47 tag"),
]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
ParentCode = Annotated[str, Query(pattern=_CODE)]
AfterCode = Annotated[str, Query(pattern=_CODE, description="the `next` of the page before")]
AfterPlace = Annotated[str, Query(pattern=PLACE, description="the `next` of the page before")]
SinceVersion = Annotated[str, Query(pattern=_VERSION, description="the version to compare with")]
NamePart = Annotated[str, Path(pattern=r"^[a-z]{1,40}$")]
VersionPart = Annotated[str, Path(pattern=_VERSION)]
CodePart = Annotated[str, Path(pattern=_CODE)]
SearchText = Annotated[str, Query(min_length=1, max_length=200, description="the beginning of a code, or of words")]


class TaxonomyOut(BaseModel):
    """A taxonomy; `levels` has the number of codes at each level.

    `state` is `ready` once texts can be classified against it, `default` whether that is so for requests that name no
    version. `source` is the format of the file that it was imported from.
    """

    name: str
    version: str
    title: str
    codes: int
    levels: dict[str, int]
    state: Literal["ready", "embedding"]
    default: bool
    language: str
    source: str
    imported_at: datetime | None
    embedded: int = Field(description="codes that have their vectors")
    multilingual: int = Field(
        description="codes that have the vectors which texts of other languages are compared with"
    )

    @classmethod
    def of(cls, taxonomy: Taxonomy, *, default: bool) -> "TaxonomyOut":
        """What is answered of a starter taxonomy."""
        return cls(
            name=taxonomy.name,
            version=taxonomy.version,
            title=taxonomy.title,
            codes=len(taxonomy.nodes),
            levels=taxonomy.levels(),
            state="ready",
            default=default,
            language="en",
            source="starter",
            imported_at=None,
            embedded=len(taxonomy.nodes),
            multilingual=len(taxonomy.nodes),
        )

    @classmethod
    def of_stored(cls, stored: StoredVersion, *, ready: bool, default: bool) -> "TaxonomyOut":
        """What is answered of an imported version."""
        return cls(
            name=stored.name,
            version=stored.version,
            title=f"{stored.name.upper()} {stored.version}",
            codes=stored.codes,
            levels=dict(stored.levels),
            state="ready" if ready else "embedding",
            default=default,
            language=stored.language,
            source=stored.source,
            imported_at=stored.imported_at,
            embedded=stored.embedded,
            multilingual=stored.multilingual,
        )


class TaxonomyList(BaseModel):
    """The taxonomies that are there."""

    taxonomies: list[TaxonomyOut]


class DefaultVersion(RequestModel):
    """The version that requests get which name none."""

    version: Annotated[str, Field(pattern=_VERSION)]


class CodeRef(BaseModel):
    """A code and what it means."""

    code: str
    level: str
    title: str

    @classmethod
    def of(cls, node: Node | FoundCode) -> "CodeRef":
        """Names a node."""
        return cls(code=node.code, level=node.level, title=node.title)


class TermOut(BaseModel):
    """A value or a unit of ETIM."""

    code: str
    title: str

    @classmethod
    def of(cls, term: Term) -> "TermOut":
        """Names a term."""
        return cls(code=term.code, title=term.title)


class FeatureOut(BaseModel):
    """A feature of an ETIM class: numbers and ranges have a unit, alphanumeric ones the values that are permitted."""

    code: str
    title: str
    kind: str | None
    unit: TermOut | None
    values: list[TermOut]

    @classmethod
    def of(cls, feature: ClassFeature) -> "FeatureOut":
        """What is answered of a feature."""
        return cls(
            code=feature.code,
            title=feature.title,
            kind=feature.kind,
            unit=None if feature.unit is None else TermOut.of(feature.unit),
            values=[TermOut.of(value) for value in feature.values],
        )


class CodeOut(CodeRef):
    """A code with its place in the tree: `path` from the root down to it, and the first 1000 codes right below it.

    `examples` are names of things that belong to it: the synonyms of an imported taxonomy.
    """

    definition: str | None
    examples: list[str]
    path: list[CodeRef]
    children: list[CodeRef]
    features: list[FeatureOut]

    @classmethod
    def at(cls, taxonomy: Taxonomy, position: int) -> "CodeOut":
        """Tells of the node at a position."""
        node = taxonomy.nodes[position]
        return cls(
            code=node.code,
            level=node.level,
            title=node.title,
            definition=None,
            examples=list(node.examples),
            path=[CodeRef.of(above) for above in taxonomy.path(position)],
            children=[CodeRef.of(taxonomy.nodes[child]) for child in taxonomy.children[position]],
            features=[FeatureOut.of(feature) for feature in starter_features(node.code)],
        )

    @classmethod
    def of_details(cls, details: CodeDetails) -> "CodeOut":
        """What is answered of a code of an imported version."""
        return cls(
            code=details.code,
            level=details.level,
            title=details.title,
            definition=details.definition or None,
            examples=list(details.synonyms),
            path=[CodeRef.of(above) for above in details.path],
            children=[CodeRef.of(below) for below in details.children],
            features=[FeatureOut.of(feature) for feature in details.features],
        )


class CodePage(BaseModel):
    """A page of codes; `next` is the `after` of the one after it, null on the last."""

    items: list[CodeRef]
    next: str | None


class CodeVersion(BaseModel):
    """A code as one version has it."""

    level: str
    title: str
    parent: str | None


class ChangeOut(BaseModel):
    """What became of a code. `other_code` is that which a moved code has in the other version, where it is another."""

    code: str
    changes: list[Literal["added", "retired", "moved", "retitled"]]
    before: CodeVersion | None
    after: CodeVersion | None
    other_code: str | None

    @classmethod
    def of(cls, change: CodeChange) -> "ChangeOut":
        """What is answered of a change."""
        return cls.model_validate(
            {
                "code": change.code,
                "changes": change.kinds,
                "before": _version(change.before, change.before_parent),
                "after": _version(change.after, change.after_parent),
                "other_code": change.other,
            }
        )


def _version(code: FoundCode | None, parent: str | None) -> Mapping[str, str | None] | None:
    return None if code is None else {"level": code.level, "title": code.title, "parent": parent}


class ChangesOut(BaseModel):
    """What changed between two versions, by code; `counts` are those of all pages."""

    taxonomy: str
    version: str
    since: str
    counts: dict[str, int]
    items: list[ChangeOut]
    next: str | None

    @classmethod
    def of(cls, name: str, version: str, since: str, changes: Changes) -> "ChangesOut":
        """What is answered of a page of changes."""
        return cls(
            taxonomy=name,
            version=version,
            since=since,
            counts=dict(changes.counts),
            items=[ChangeOut.of(change) for change in changes.items],
            next=changes.following,
        )
