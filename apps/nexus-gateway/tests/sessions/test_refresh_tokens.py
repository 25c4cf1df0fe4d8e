import pytest

from nexus_gateway.sessions.refresh_tokens import first_token, is_genuine, new_key, session_of, successor

KEY, NONCE = new_key(), new_key()
TOKEN = first_token("session", KEY)


def test_a_successor_is_always_the_same_and_genuine() -> None:
    follower = successor(TOKEN, NONCE, KEY)

    assert follower == successor(TOKEN, NONCE, KEY)
    assert len({TOKEN, follower, successor(TOKEN, new_key(), KEY), successor(follower, NONCE, KEY)}) == 4
    assert (session_of(follower), is_genuine(follower, KEY)) == ("session", True)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="nothing"),
        pytest.param("session", id="the session alone"),
        pytest.param("session.", id="nothing behind the session"),
        pytest.param("session.x", id="too short"),
        pytest.param("session.€", id="not ASCII"),
        pytest.param(f"{TOKEN} ", id="space behind it"),
        pytest.param(f"{TOKEN}=", id="padding"),
        pytest.param(TOKEN[:-1], id="the last character missing"),
        pytest.param(f"other.{TOKEN.partition('.')[2]}", id="another session"),
        pytest.param(f"session.{'B' if TOKEN[8] == 'A' else 'A'}{TOKEN[9:]}", id="another first character"),
        pytest.param(first_token("session", new_key()), id="another key"),
    ],
)
def test_what_was_not_issued_for_the_session_is_not_genuine(token: str) -> None:
    assert is_genuine(TOKEN, KEY)
    assert not is_genuine(token, KEY)
