import pytest

from nexus_gateway.auth.limit import Limit
from nexus_gateway.auth.limit_rules import DEFAULTS, parse_limits


def test_without_a_setting_the_defaults_are_in_force() -> None:
    assert parse_limits("") == {limit.name: limit for limit in DEFAULTS}


def test_a_setting_changes_the_limits_that_it_names() -> None:
    assert parse_limits(" principal=600/60  sign-in=1/86400") == {
        **{limit.name: limit for limit in DEFAULTS},
        "principal": Limit("principal", 600, 60),
        "sign-in": Limit("sign-in", 1, 86400),
    }


@pytest.mark.parametrize("text", ["principal", "principal=0/60", "principal=6/0", "principal=-1/60", "principal=1/60s"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^{text!r} is not NAME=COUNT/SECONDS, such as principal=600/60\.$"):
        parse_limits(text)


def test_an_unknown_limit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"There is no limit 'other'\. The limits are principal, client, address,"):
        parse_limits("other=1/1")


@pytest.mark.parametrize("limit", [*DEFAULTS, Limit("odd", 7, 60), Limit("many", 1_000_000, 1)], ids=str)
def test_as_many_intervals_as_the_limit_has_requests_are_a_window(limit: Limit) -> None:
    interval, window = map(int, limit.arguments)

    assert window == interval * limit.count
    assert interval >= 1
    assert window == pytest.approx(limit.seconds * 1_000_000, rel=0.01)
