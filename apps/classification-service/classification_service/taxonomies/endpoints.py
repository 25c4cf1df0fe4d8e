"""GET /v1/taxonomies and the codes in them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from classification_service.taxonomies.schemas import CodeOut, TaxonomyList, TaxonomyOut
from classification_service.taxonomies.service import Taxonomies
from nexus_chassis.tokens import require

router = APIRouter(prefix="/v1/taxonomies", tags=["taxonomies"], dependencies=[Depends(require("classify"))])


def taxonomies(request: Request) -> Taxonomies:
    """The taxonomies that are loaded."""
    loaded: Taxonomies = request.app.state.taxonomies
    return loaded


Loaded = Annotated[Taxonomies, Depends(taxonomies)]


@router.get("", summary="Taxonomies that are loaded")
async def list_taxonomies(loaded: Loaded) -> TaxonomyList:
    """Each taxonomy with its version and its number of codes per level."""
    return TaxonomyList(taxonomies=[TaxonomyOut.of(taxonomy) for taxonomy in loaded])


@router.get("/{name}/{version}/codes/{code}", summary="One code of a taxonomy")
async def get_code(name: str, version: str, code: str, loaded: Loaded) -> CodeOut:
    """The code with its title, its path from the root and the codes right below it."""
    taxonomy = loaded.get(name, version)
    return CodeOut.at(taxonomy, taxonomy.get(code))
