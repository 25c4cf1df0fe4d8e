from collections import Counter

import pytest
from conftest import FIXTURES

from classification_service.errors import ClassificationServiceError
from classification_service.training.dataset import LabelsError, Row, labels, read_rows, split, starter_rows
from classification_service.training.features import BUCKETS, ngram_buckets
from classification_service.training.service import _require_levels

LABELS = FIXTURES / "labels"


def test_a_row_has_the_label_of_each_level_that_its_code_reaches() -> None:
    assert [Row("drill", "27112703").label(level) for level in ("segment", "family")] == ["27000000", "27110000"]
    assert [Row("tools", "27000000").label(level) for level in ("segment", "family")] == ["27000000", None]


def test_the_starter_taxonomy_gives_rows_of_every_segment() -> None:
    rows = starter_rows()
    assert len(labels(rows, "segment")) == 57
    assert min(Counter(row.label("segment") for row in rows).values()) >= 4


def test_a_fifth_of_the_texts_is_kept_for_validation() -> None:
    rows = starter_rows()
    training, validation = split(rows)
    assert len(training) + len(validation) == len(rows)
    assert 0.17 < len(validation) / len(rows) < 0.23
    assert {row.text.lower() for row in training} & {row.text.lower() for row in validation} == set()


def test_ngrams_do_not_depend_on_case_width_or_spaces() -> None:
    assert ngram_buckets("Cordless  DRILL") == ngram_buckets("cordless drill")
    assert ngram_buckets("\uff44rill") == ngram_buckets("drill")
    assert ngram_buckets("M8 x") == [35339, 32944, 59791, 21445, 7014, 49738, 4324]
    assert all(0 <= bucket < BUCKETS for bucket in ngram_buckets("deep groove ball bearing"))


def test_labels_are_read() -> None:
    assert read_rows(LABELS / "good" / "labels.csv")[:2] == [
        Row("cordless drill 0", "27112703"),
        Row("claw hammer 0", "27111602"),
    ]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("absent", "{path} cannot be read: No such file or directory."),
        ("no-code-column", "{path} lacks the column code. It has: text, class."),
        ("no-rows", "{path} cannot be trained on: it has no rows."),
        ("not-utf8", "{path} is not in UTF-8: byte 11 is 0xe4. Save it as UTF-8."),
        (
            "bad-codes",
            (
                "{path} cannot be trained on: line 4: the text is empty; line 3: '2711' is not a UNSPSC code of eight digits; "
                "line 5: '00112703' is not a UNSPSC code of eight digits."
            ),
        ),
    ],
)
def test_labels_that_cannot_be_trained_on_are_refused(failure: str, message: str) -> None:
    path = LABELS / failure / "labels.csv"
    with pytest.raises(ClassificationServiceError) as refused:
        read_rows(path)
    assert str(refused.value) == message.format(path=path)


def test_rows_without_a_family_are_refused() -> None:
    with pytest.raises(LabelsError) as refused:
        _require_levels(read_rows(LABELS / "only-segments" / "labels.csv"))
    assert str(refused.value) == "No training row has a family: 9 rows are left for training. Give more rows."
