"""Numbers as people read them."""

import pytest

from classification_service.pages.wording import duration, share


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (9.4, "9 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (9000, "2.5 h")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_share_has_both_numbers() -> None:
    assert (share(1234, 2000), share(0, 0)) == ("1,234 of 2,000 (62 %)", "nothing yet")
