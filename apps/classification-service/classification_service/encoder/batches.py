"""Texts as tokens, in batches of which little is padding."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from classification_service.encoder.backend import Tokens


def by_length(tokens: Sequence[Sequence[int]], batch: int, batch_tokens: int) -> Iterator[list[int]]:
    """Rows in batches of about the same number of tokens, so that little is computed for padding."""
    rows: list[int] = []
    for row in sorted(range(len(tokens)), key=lambda row: len(tokens[row])):
        if rows and (len(rows) == batch or (len(rows) + 1) * len(tokens[row]) > batch_tokens):
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def padded(tokens: Sequence[Sequence[int]]) -> tuple[Tokens, Tokens]:
    """Token ids [texts, tokens], and 1 where there is one."""
    lengths = np.array([len(one) for one in tokens])
    is_token = np.arange(lengths.max()) < lengths[:, None]
    ids = np.zeros(is_token.shape, np.int64)
    ids[is_token] = np.fromiter(chain.from_iterable(tokens), np.int64, lengths.sum())
    return ids, is_token.astype(np.int64)
