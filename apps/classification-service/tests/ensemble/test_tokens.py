import numpy as np

from classification_service.ensemble.tokens import MAX_CHARACTERS, ngrams, normalised, words
from classification_service.ensemble.words import WordIndex


def test_tokens_do_not_depend_on_case_width_spaces_or_the_texts_beside() -> None:
    found = ngrams(["Cordless  DRILL", "\uff44rill", "", "cordless drill", "drill"])
    assert found.of(0).tolist() == found.of(3).tolist()
    assert found.of(1).tolist() == found.of(4).tolist()
    assert len(found.of(2)) == 1
    assert ngrams(["drill"]).of(0).tolist() == found.of(4).tolist()


def test_tokens_are_the_same_on_every_machine() -> None:
    words_and_pair = [3173954130, 393715790, 3907416894]
    of_characters = [3066136853, 3622308311, 3954065727, 2414490229]
    assert ngrams(["M8 x"]).of(0).tolist() == [14, *words_and_pair, *of_characters]


def test_what_is_behind_the_limit_is_not_read() -> None:
    text = "hammer " * MAX_CHARACTERS
    assert len(normalised(text)) <= MAX_CHARACTERS
    assert ngrams([text]).of(0).tolist() == ngrams([text[:MAX_CHARACTERS]]).of(0).tolist()


def test_words_of_any_script_are_read() -> None:
    texts = ["\ud800 lone", "\U0001f600", "\u0130stanbul \u0130", "線 材", "a\u0301", "\n\t", "x" * 100_000]
    found = ngrams(texts)
    assert len(found.starts) == len(texts)
    assert all(len(found.of(number)) for number in range(len(texts)))


def test_plurals_and_endings_overlap() -> None:
    tokens = words(["hammers", "hammer", "hammering"])
    assert tokens.of(0).tolist() == tokens.of(1).tolist()
    assert set(tokens.of(1).tolist()) & set(tokens.of(2).tolist())


def test_documents_are_found_by_their_rare_words() -> None:
    index = WordIndex.build(["claw hammer", "ball bearing", "roller bearing", ""])
    documents, scores = index.matches(words(["Bearings, ball"]), 0)
    assert documents.tolist() == [1, 2]
    assert scores[0] > scores[1] > 0
    dense = index.dense(words(["hammer", "nothing of it"]), 2)
    assert np.flatnonzero(dense[0]).tolist() == [0]
    assert not dense[1].any()
