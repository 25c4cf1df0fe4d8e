"""The multilingual encoder."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from sentencepiece import SentencePieceProcessor

from classification_service.encoder.backend import Vectors
from classification_service.encoder.batches import by_length, padded
from classification_service.encoder.multilingual import layout
from classification_service.encoder.multilingual.text import plain
from classification_service.encoder.multilingual.unpacking import resources, unpacked
from classification_service.encoder.onnx_backend import plain_options

MAX_TOKENS = 128
"""Tokens read of a text, as many as of English ones."""

_MAX_CHARACTERS = 4096
_BATCH = 32
_GRAPH = Path(__file__).with_name("multilingual.onnx")


@dataclass(frozen=True, slots=True)
class _Opened:
    tokenizer: SentencePieceProcessor
    session: onnxruntime.InferenceSession


class MultilingualEncoder:
    """A TextEncoder for the languages of `languages.NAMES`, on one thread of the CPU; several may use it at once.

    It is opened when the first text is encoded, which takes a second or two and 50 MB: who has English texts alone needs none.
    """

    name = "use-multilingual-v3"
    dimension = layout.DIMENSION
    device = "cpu"
    threads = 1

    def __init__(self) -> None:
        """Look for the package; raises EncoderFolderError."""
        self._resources = resources()
        self._opening = threading.Lock()
        self._opened: _Opened | None = None

    def for_titles(self) -> Self:
        """See TextEncoder."""
        return self

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See TextEncoder; raises EncoderFolderError."""
        opened = self._open()
        vectors = np.empty((len(texts), self.dimension), np.float32)
        tokens = _tokens(opened.tokenizer, [plain(text[:_MAX_CHARACTERS]) for text in texts])
        for rows in by_length(tokens, _BATCH, _BATCH * MAX_TOKENS):
            vectors[rows] = _embed(opened.session, [tokens[row] for row in rows])
        return vectors

    def _open(self) -> _Opened:
        with self._opening:
            if self._opened is None:
                tokenizer = SentencePieceProcessor(model_file=str(self._resources / "sp.model"))
                options = plain_options(self.threads, unpacked())
                session = onnxruntime.InferenceSession(_GRAPH, options, providers=["CPUExecutionProvider"])
                self._opened = _Opened(tokenizer, session)
        return self._opened


def _tokens(tokenizer: SentencePieceProcessor, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of each text, between marks of its beginning and end."""
    found: list[list[int]] = tokenizer.encode(list(texts), out_type=int, num_threads=1)
    first, last, unknown = tokenizer.bos_id(), tokenizer.eos_id(), tokenizer.unk_id()
    return [[first, *(tokens[: MAX_TOKENS - 2] or [unknown]), last] for tokens in found]


def _embed(session: onnxruntime.InferenceSession, tokens: list[list[int]]) -> Vectors:
    ids, mask = padded(tokens)
    vectors: Vectors = session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0]
    return vectors
