"""The sentence encoder."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from classification_service.encoder import architecture
from classification_service.encoder.backend import Tokens, Vectors, open_backend
from classification_service.encoder.batches import by_length, padded
from classification_service.encoder.device import Device
from classification_service.encoder.folder import REMEDY, EncoderFolderError, fingerprint, shipped_folder
from classification_service.encoder.int8_backend import Int8Backend

SHIPPED_NAME = "all-minilm-l6-v2"
MAX_TOKENS = 128
"""Tokens read of a text, as many as the encoder was trained with."""


_MAX_CHARACTERS = 4096
"""Characters that are tokenized: far more than MAX_TOKENS words have, and little enough to be quick."""

_WINDOW = 16_384
"""Texts that are tokenized at once: enough for batches of about the same length."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Texts that are computed together: `rows` are their places among all."""

    rows: NDArray[np.int64]
    ids: Tokens
    mask: Tokens


class SentenceEncoder:
    """Turns texts into vectors of length 1 whose dot product says how near two texts are in meaning."""

    dimension = architecture.HIDDEN

    def __init__(self, folder: Path | None = None, threads: int = 1, device: Device = "cpu") -> None:
        """Open the encoder in `folder`, by default the shipped one.

        Raises EncoderFolderError, SafetensorsError, DeviceError.
        """
        self.shipped = folder is None
        self.threads = threads
        self.name = encoder_name(folder)
        self._folder = folder = folder or shipped_folder()
        self.backend = open_backend(folder, threads, device)
        # Beside a GPU all processors tokenize; workers on the CPU have one thread each.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false" if self.backend.device == "cpu" else "true")
        self._tokenizer = _open_tokenizer(folder / architecture.TOKENIZER_FILE)

    @property
    def device(self) -> str:
        """See TextEncoder."""
        return self.backend.device

    def for_titles(self) -> Self:
        """This encoder for very many texts: on the CPU with weights of one byte, at a third of the time.

        Several threads may use it at once.
        """
        other = copy(self)
        if self.backend.device == "cpu":
            other.backend = Int8Backend(self._folder)
        return other

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in the order of `texts`."""
        vectors = np.empty((len(texts), self.dimension), np.float32)
        windows = self._windows(texts)
        # A GPU computes while the processor tokenizes what comes next.
        for batches in windows if self.backend.device == "cpu" else _ahead(windows):
            for batch in batches:
                vectors[batch.rows] = self.backend.embed(batch.ids, batch.mask)
        return vectors

    def _windows(self, texts: Sequence[str]) -> Iterator[list[_Batch]]:
        """The batches of so many texts as are tokenized at once."""
        for start in range(0, len(texts), _WINDOW):
            window = [text[:_MAX_CHARACTERS] for text in texts[start : start + _WINDOW]]
            tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(window)]
            yield [
                _Batch(np.array(rows) + start, *padded([tokens[row] for row in rows]))
                for rows in by_length(tokens, self.backend.batch, self.backend.batch_tokens)
            ]


def encoder_name(folder: Path | None) -> str:
    """What the encoder in `folder` is called, by default the shipped one; raises EncoderFolderError."""
    return SHIPPED_NAME if folder is None else fingerprint(folder)


def _ahead[T](made: Iterator[T]) -> Iterator[T]:
    """The same values, each made by a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, made, None)
        while (value := following.result()) is not None:
            following = pool.submit(next, made, None)
            yield value


def _open_tokenizer(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  the package raises nothing more precise
        raise EncoderFolderError(f"{path} is not a readable tokenizer: {error}. {REMEDY}") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer
