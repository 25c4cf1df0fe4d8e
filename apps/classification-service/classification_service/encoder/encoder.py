"""The sentence encoder."""

import os
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
from tokenizers import Encoding, Tokenizer

from classification_service.encoder import architecture
from classification_service.encoder.backend import Vectors, open_backend
from classification_service.encoder.device import Device
from classification_service.encoder.folder import REMEDY, EncoderFolderError, fingerprint, shipped_folder
from classification_service.encoder.int8_backend import Int8Backend

SHIPPED_NAME = "all-minilm-l6-v2"
MAX_TOKENS = 128
"""Tokens read of a text, as many as the encoder was trained with."""


_MAX_CHARACTERS = 4096
"""Characters that are tokenized: far more than MAX_TOKENS words have, and little enough to be quick."""


class SentenceEncoder:
    """Turns texts into vectors of length 1 whose dot product says how near two texts are in meaning."""

    dimension = architecture.HIDDEN

    def __init__(self, folder: Path | None = None, threads: int = 1, device: Device = "cpu") -> None:
        """Open the encoder in `folder`, by default the shipped one.

        Raises EncoderFolderError, SafetensorsError, DeviceError.
        """
        self.shipped = folder is None
        self.threads = threads
        self._folder = folder = folder or shipped_folder()
        self.name = SHIPPED_NAME if self.shipped else fingerprint(folder)
        self.backend = open_backend(folder, threads, device)
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
        encodings = self._tokenizer.encode_batch_fast([text[:_MAX_CHARACTERS] for text in texts])
        vectors = np.empty((len(texts), self.dimension), np.float32)
        for rows in _by_length(encodings, self.backend.batch):
            vectors[rows] = self._embed([encodings[row] for row in rows])
        return vectors

    def _embed(self, encodings: list[Encoding]) -> Vectors:
        longest = max(len(encoding) for encoding in encodings)
        ids = np.zeros((len(encodings), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : len(encoding)] = 1
        return self.backend.embed(ids, mask)


def _by_length(encodings: list[Encoding], batch: int) -> Iterator[list[int]]:
    """Rows in batches of about the same number of tokens, so that little is computed for padding."""
    order = sorted(range(len(encodings)), key=lambda row: len(encodings[row]))
    for start in range(0, len(order), batch):
        yield order[start : start + batch]


def _open_tokenizer(path: Path) -> Tokenizer:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  the package raises nothing more precise
        raise EncoderFolderError(f"{path} is not a readable tokenizer: {error}. {REMEDY}") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer
