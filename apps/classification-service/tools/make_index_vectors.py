"""Writes the vectors of the starter taxonomies' texts, as half precision, beside their CSV files.

They spare the service about three seconds of computing at each start. A test compares them with new ones.

Run: python -m tools.make_index_vectors (after a change of a starter CSV file, or of the encoder).
"""

import numpy as np

from classification_service.classify.index import compute_vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.taxonomies.service import load_starters
from classification_service.taxonomies.starters import vectors_file


def main() -> None:
    """Writes one file per starter taxonomy."""
    encoder, multilingual = SentenceEncoder(), MultilingualEncoder()
    for taxonomy in load_starters():
        np.save(vectors_file(taxonomy.name), compute_vectors(taxonomy, encoder).astype(np.float16))
        vectors = compute_vectors(taxonomy, multilingual).astype(np.float16)
        np.save(vectors_file(taxonomy.name, multilingual=True), vectors)


if __name__ == "__main__":
    main()
