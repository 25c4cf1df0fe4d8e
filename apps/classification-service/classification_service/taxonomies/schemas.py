"""What the endpoints of taxonomies answer."""

from pydantic import BaseModel

from classification_service.taxonomies.models import Node, Taxonomy


class TaxonomyOut(BaseModel):
    """A taxonomy that is loaded; `levels` gives the number of codes at each level."""

    name: str
    version: str
    title: str
    codes: int
    levels: dict[str, int]

    @classmethod
    def of(cls, taxonomy: Taxonomy) -> "TaxonomyOut":
        """Tells of a taxonomy."""
        return cls(
            name=taxonomy.name,
            version=taxonomy.version,
            title=taxonomy.title,
            codes=len(taxonomy.nodes),
            levels=taxonomy.levels(),
        )


class TaxonomyList(BaseModel):
    """The taxonomies that are loaded."""

    taxonomies: list[TaxonomyOut]


class CodeRef(BaseModel):
    """A code and what it means."""

    code: str
    level: str
    title: str

    @classmethod
    def of(cls, node: Node) -> "CodeRef":
        """Names a node."""
        return cls(code=node.code, level=node.level, title=node.title)


class CodeOut(CodeRef):
    """A code with its place in the tree: `path` from the root down to it, and the codes right below it."""

    examples: list[str]
    path: list[CodeRef]
    children: list[CodeRef]

    @classmethod
    def at(cls, taxonomy: Taxonomy, position: int) -> "CodeOut":
        """Tells of the node at a position."""
        node = taxonomy.nodes[position]
        return cls(
            code=node.code,
            level=node.level,
            title=node.title,
            examples=list(node.examples),
            path=[CodeRef.of(above) for above in taxonomy.path(position)],
            children=[CodeRef.of(taxonomy.nodes[child]) for child in taxonomy.children[position]],
        )
