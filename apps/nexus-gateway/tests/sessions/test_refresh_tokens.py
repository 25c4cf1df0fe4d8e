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
        "",
        "session",
        "session.",
        "session.x",
        "session.€",
        f"{TOKEN} ",
        f"{TOKEN}=",
        TOKEN[:-1],
        f"other.{TOKEN.partition('.')[2]}",
        f"session.A{TOKEN.partition('.')[2][1:]}" if TOKEN[8] != "A" else f"session.B{TOKEN.partition('.')[2][1:]}",
        first_token("session", new_key()),
    ],
)
def test_what_was_not_issued_for_the_session_is_not_genuine(token: str) -> None:
    assert is_genuine(TOKEN, KEY)
    assert not is_genuine(token, KEY)
