"""Prompts for the people who keep product data."""

from mcp_server.prompts.registry import Argument, Message, Prompt, user_message
from mcp_server.tools.request import Request

_TAXONOMIES = ("etim", "unspsc")


async def _taxonomies(begin: str, _request: Request) -> list[str]:
    return [name for name in _TAXONOMIES if name.startswith(begin)]


_TAXONOMY = Argument(name="taxonomy", description="unspsc or etim; unspsc when it is left out.", complete=_taxonomies)


def stack_prompts(data_scope: str, classify_scope: str) -> list[Prompt]:
    """Return the prompts; the scopes are those of the tools that they have the agent use."""
    return [
        Prompt(
            name="classify_price_list",
            title="Classify a price list",
            description="Classify the lines of a price list and show which of them need a person's decision.",
            arguments=(
                Argument(name="lines", description="The lines, each with the name of a product.", required=True),
                _TAXONOMY,
            ),
            make=_classify_price_list,
            scopes=frozenset({classify_scope}),
        ),
        Prompt(
            name="review_products_without_code",
            title="Review products without a code",
            description="Find stored products without a code, and propose one for each with its confidence.",
            arguments=(_TAXONOMY,),
            make=_review_products,
            scopes=frozenset({data_scope, classify_scope}),
        ),
    ]


async def _classify_price_list(arguments: dict[str, str], _request: Request) -> list[Message]:
    return [
        user_message(
            f"Classify each line of this price list by {arguments.get('taxonomy', 'unspsc')} with the tool "
            "classify_products, at most 1000 lines a call. Answer with a table: line, code, title, confidence. List the "
            "lines without a code, or with a confidence below 0.7, again below it, with their candidates.\n\n"
            f"{arguments['lines']}"
        )
    ]


async def _review_products(arguments: dict[str, str], _request: Request) -> list[Message]:
    taxonomy = arguments.get("taxonomy", "unspsc")
    column = "etim_class" if taxonomy == "etim" else "unspsc_code"
    return [
        user_message(
            f"Read the stored products page by page with list_products, and keep those without {column}. Classify them by "
            f"{taxonomy} with classify_products. Answer with a table: id, name, proposed code, title, confidence, the least "
            "certain first. Change nothing."
        )
    ]
