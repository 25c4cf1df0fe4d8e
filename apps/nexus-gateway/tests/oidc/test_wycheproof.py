"""The signature part of the ID token verifier, against every JWS of Project Wycheproof."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus_gateway.oidc.errors import InvalidIdTokenError
from nexus_gateway.oidc.keys import ALGORITHMS, read_keys
from nexus_gateway.oidc.signatures import read_token

FOLDER = Path(__file__).parent / "fixtures" / "wycheproof"

OTHER_ALGORITHM = "0 keys: the key names another algorithm than the token"
UNKNOWN_ALGORITHM = "0 keys: the key names ES521, which is no algorithm"
STRAY_CHARACTER = "base64url with a character that is none of its alphabet"
REFUSED_VALID = {
    "json_web_signature": {
        346: OTHER_ALGORITHM,
        347: UNKNOWN_ALGORITHM,
        350: OTHER_ALGORITHM,
        351: UNKNOWN_ALGORITHM,
        372: STRAY_CHARACTER,
        373: STRAY_CHARACTER,
    },
    "json_web_key": {},
    "json_web_crypto": {},
}
"""Valid cases that are refused, by id, with the reason."""

STRAY_REASON = "it is not a signed JWT in compact form"
REASONS = {
    OTHER_ALGORITHM: "no key of the provider fits its algorithm 'PS384' and key id",
    UNKNOWN_ALGORITHM: "no key of the provider fits its algorithm 'ES512' and key id",
    STRAY_CHARACTER: STRAY_REASON,
}


def cases(name: str) -> Iterator[tuple[int, str, str, object]]:
    """Id, expected result, token and key set of each JWS."""
    for group in json.loads((FOLDER / f"{name}_test.json").read_text())["testGroups"]:
        keys = group.get("public", group["private"])
        key_set = keys if "keys" in keys else {"keys": [keys]}
        for case in group["tests"]:
            if (token := case.get("jws")) is not None:
                yield case["tcId"], case["result"], as_text(token), key_set


def as_text(token: Any) -> str:  # noqa: ANN401  a JSON value
    return token if isinstance(token, str) else json.dumps(token)


def verdict(token: str, key_set: object) -> str:
    """`valid`, or the reason why the token is refused."""
    try:
        read_token(token).verify(read_keys(key_set, ALGORITHMS))
    except InvalidIdTokenError as error:
        return str(error)
    except ValueError as error:
        return f"key set: {error}"
    return "valid"


MISLABELLED = {367: 357, 370: 357}
"""Cases called invalid that are, byte for byte, the valid case named here (https://github.com/C2SP/wycheproof/issues/236)."""


@pytest.mark.parametrize(
    ("name", "count", "mislabelled"),
    [("json_web_signature", 401, MISLABELLED), ("json_web_key", 26, {}), ("json_web_crypto", 49, {})],
)
def test_every_case_is_decided_rightly(name: str, count: int, mislabelled: dict[int, int]) -> None:
    verdicts = {case: (expected, verdict(token, keys)) for case, expected, token, keys in cases(name)}
    accepted = {case for case, (_, reason) in verdicts.items() if reason == "valid"}
    invalid = {case for case, (expected, _) in verdicts.items() if expected == "invalid"}
    refused = {case: verdicts[case][1] for case in verdicts.keys() - accepted - invalid}

    assert accepted & invalid == mislabelled.keys()
    assert refused == {case: REASONS[reason] for case, reason in REFUSED_VALID[name].items()}
    assert len(verdicts) == count


def test_the_mislabelled_cases_are_a_valid_one() -> None:
    found = {case: (token, keys) for case, _, token, keys in cases("json_web_signature")}

    assert {case: found[case] for case in MISLABELLED} == {case: found[twin] for case, twin in MISLABELLED.items()}


@pytest.mark.parametrize("part", [0, 1, 2])
def test_padding_which_the_mislabelled_cases_are_named_for_is_refused(part: int) -> None:
    (found,) = [(token, keys) for case, _, token, keys in cases("json_web_signature") if case == 357]
    token, keys = found
    parts = token.split(".")
    parts[part] += "=" * (-len(parts[part]) % 4) or "===="

    assert verdict(token, keys) == "valid"
    assert verdict(".".join(parts), keys) == STRAY_REASON


FIGURES = {346: "PS384", 347: "ES512", 350: "PS384", 351: "ES512"}
"""RFC 7520 figures 20 and 27; the RFC's own keys name no algorithm, and Wycheproof's name another one."""


@pytest.mark.parametrize("case", FIGURES)
def test_the_cookbook_is_accepted_with_the_keys_as_the_rfc_has_them(case: int) -> None:
    (found,) = [(token, keys) for number, _, token, keys in cases("json_web_signature") if number == case]
    token, keys = found
    (key,) = keys["keys"]  # type: ignore[index]
    del key["alg"]

    assert (
        read_token(token).verify(read_keys(keys, [FIGURES[case]])).startswith(b"It\xe2\x80\x99s a dangerous business")
    )
