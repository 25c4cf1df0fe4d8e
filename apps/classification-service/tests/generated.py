"""Labelled names made of the starter taxonomy's titles, for models that are trained in seconds."""

import random

from classification_service.taxonomies.models import Taxonomy
from classification_service.training.dataset import Example

_WORDS = ("blue", "industrial", "used", "small", "set of", "spare", "heavy duty", "portable", "new", "cheap")


def examples_of(taxonomy: Taxonomy, level: str, *, each: int, seed: int = 1) -> list[Example]:
    """So many names for each code of a level that has examples of its own."""
    chosen = random.Random(seed)  # noqa: S311  no secret
    found = []
    for node in taxonomy.nodes:
        if node.level != level:
            continue
        for number in range(each):
            text = chosen.choice(node.texts)
            found.append(Example(f"{chosen.choice(_WORDS)} {text} {number}", node.code))
    return found
