import re

import aiohttp
import numpy as np
import pytest

from classification_service.classify.index import compute_vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies
from classification_service.taxonomies.starters import vectors_file

LEVELS = {"unspsc": ["segment", "family", "class", "commodity"], "etim": ["group", "class"]}
UNSPSC_CODES = {"segment": r"\d\d000000", "family": r"\d{4}0000", "class": r"\d{6}00", "commodity": r"\d{8}"}
STARTER = {"state": "ready", "default": True, "language": "en", "source": "starter", "imported_at": None}
ETIM_CODES = {"group": r"EG\d{6}", "class": r"EC\d{6}"}


@pytest.fixture(params=["unspsc", "etim"])
def taxonomy(request: pytest.FixtureRequest, taxonomies: Taxonomies) -> Taxonomy:
    return taxonomies.get(request.param)


def test_codes_are_unique_and_lie_below_a_higher_level(taxonomy: Taxonomy) -> None:
    assert len({node.code for node in taxonomy.nodes}) == len(taxonomy.nodes)
    order = LEVELS[taxonomy.name]
    for position, node in enumerate(taxonomy.nodes):
        *above, itself = taxonomy.path(position)
        assert itself is node
        assert [order.index(level.level) for level in above] == sorted({order.index(level.level) for level in above})
        assert (above[0].level if above else node.level) == order[0]


def test_codes_have_the_form_of_their_level(taxonomy: Taxonomy) -> None:
    forms = UNSPSC_CODES if taxonomy.name == "unspsc" else ETIM_CODES
    assert [node.code for node in taxonomy.nodes if not re.fullmatch(forms[node.level], node.code)] == []


def test_unspsc_codes_start_as_their_parents_do(taxonomies: Taxonomies) -> None:
    nodes = taxonomies.get("unspsc").nodes
    assert [node.code for node in nodes if node.parent and not node.code.startswith(node.parent.rstrip("0"))] == []


def test_every_code_has_a_title_and_examples(taxonomy: Taxonomy) -> None:
    assert [
        node.code for node in taxonomy.nodes if not all(text.strip() for text in node.texts) or not node.examples
    ] == []


def test_the_shipped_vectors_are_those_of_the_texts(taxonomy: Taxonomy, encoder: SentenceEncoder) -> None:
    shipped = np.load(vectors_file(taxonomy.name))
    computed = compute_vectors(taxonomy, encoder)
    assert shipped.shape == computed.shape, "run: python -m tools.make_index_vectors"
    assert np.abs(shipped.astype(np.float32) - computed).max() < 5e-4, "run: python -m tools.make_index_vectors"


def test_the_shipped_multilingual_vectors_are_those_of_the_texts(taxonomy: Taxonomy) -> None:
    shipped = np.load(vectors_file(taxonomy.name, multilingual=True))
    computed = compute_vectors(taxonomy, MultilingualEncoder())
    assert shipped.shape == computed.shape, "run: python -m tools.make_index_vectors"
    assert np.abs(shipped.astype(np.float32) - computed).max() < 5e-4, "run: python -m tools.make_index_vectors"


async def test_the_loaded_taxonomies_are_listed(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/taxonomies") as response:
        answer = await response.json()
    assert answer == {
        "taxonomies": [
            {
                "name": "unspsc",
                "version": "starter-1",
                "title": "UNSPSC starter: segments, families and some classes and commodities in own wording",
                "codes": 415,
                "levels": {"segment": 57, "family": 261, "class": 66, "commodity": 31},
                "embedded": 415,
                "multilingual": 415,
                **STARTER,
            },
            {
                "name": "etim",
                "version": "starter-1",
                "title": "ETIM starter: some groups and classes in own wording",
                "codes": 274,
                "levels": {"group": 74, "class": 200},
                "embedded": 274,
                "multilingual": 274,
                **STARTER,
            },
        ]
    }


async def test_a_code_is_shown_with_its_place_in_the_tree(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/taxonomies/unspsc/starter-1/codes/31171500") as response:
        answer = await response.json()
    assert answer == {
        "code": "31171500",
        "level": "class",
        "title": "Bearings",
        "definition": None,
        "features": [],
        "examples": ["roller bearing", "pillow block", "linear bearing", "needle bearing"],
        "path": [
            {"code": "31000000", "level": "segment", "title": "Components and consumables for manufacturing"},
            {"code": "31170000", "level": "family", "title": "Bearings, gears and wheels"},
            {"code": "31171500", "level": "class", "title": "Bearings"},
        ],
        "children": [{"code": "31171504", "level": "commodity", "title": "Ball bearings"}],
    }


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (
            "unspsc/starter-1/codes/99999999",
            {
                "type": "urn:nexus:problem:unknown-code",
                "title": "The taxonomy has no such code",
                "status": 404,
                "detail": "unspsc starter-1 has no code '99999999'. It is a starter taxonomy with 415 codes.",
            },
        ),
        (
            "unspsc/v26/codes/31171500",
            {
                "type": "urn:nexus:problem:unknown-taxonomy",
                "title": "There is no such taxonomy",
                "status": 404,
                "detail": "The taxonomy 'unspsc' in version 'v26' is not loaded. Loaded are: unspsc (starter-1), etim (starter-1).",
            },
        ),
    ],
)
async def test_what_is_not_there_is_said_to_be_missing(
    client: aiohttp.ClientSession, path: str, problem: dict[str, object]
) -> None:
    async with client.get(f"/v1/taxonomies/{path}") as response:
        answer = await response.json()
    assert (response.status, answer) == (404, problem)
