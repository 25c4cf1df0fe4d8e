"""What all encoders have in common."""

from collections.abc import Sequence
from typing import Protocol, Self

from classification_service.encoder.backend import Vectors


class TextEncoder(Protocol):
    """Turns texts into vectors of length 1 whose dot product says how near two texts are in meaning."""

    name: str
    """Changes with its weights: vectors of different names are not comparable."""

    @property
    def dimension(self) -> int:
        """Numbers of one vector."""
        ...

    @property
    def device(self) -> str:
        """What it computes on: cpu or cuda."""
        ...

    @property
    def threads(self) -> int:
        """Threads that it computes with."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in the order of `texts`."""
        ...

    def for_titles(self) -> Self:
        """This encoder for very many texts, which several threads may use at once."""
        ...
