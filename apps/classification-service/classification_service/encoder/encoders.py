"""The encoders of a process: one for English, one for texts of other languages."""

from collections.abc import Sequence
from dataclasses import dataclass

from classification_service.encoder.backend import Vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.languages import is_english
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.encoder.text_encoder import TextEncoder


@dataclass(frozen=True, slots=True)
class EncoderNames:
    """The names of both, by which their vectors are kept."""

    english: str
    multilingual: str

    def of(self, language: str) -> str:
        """The name of the encoder for a language, a BCP 47 tag."""
        return self.english if is_english(language) else self.multilingual


@dataclass(frozen=True, slots=True)
class Embedded:
    """Texts with their vectors [text, dimension] by both encoders."""

    texts: Sequence[str]
    english: Vectors
    multilingual: Vectors


@dataclass(frozen=True, slots=True)
class Encoders:
    """Both encoders."""

    english: SentenceEncoder
    multilingual: MultilingualEncoder

    @property
    def names(self) -> EncoderNames:
        """Their names."""
        return EncoderNames(self.english.name, self.multilingual.name)

    def of(self, language: str) -> TextEncoder:
        """The encoder for a language, a BCP 47 tag."""
        return self.english if is_english(language) else self.multilingual

    def embed(self, texts: Sequence[str]) -> Embedded:
        """The texts with their vectors by both."""
        return Embedded(texts, self.english.encode(texts), self.multilingual.encode(texts))

    def all(self) -> tuple[TextEncoder, TextEncoder]:
        """Both, the one for English first."""
        return self.english, self.multilingual
