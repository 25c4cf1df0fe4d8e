import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from nexus_chassis import revocations as revocations_module
from nexus_chassis.principal import Principal
from nexus_chassis.revocation_stream import revoke_key, revoke_session, revoke_subject
from nexus_chassis.revocations import (
    RevocationFollower,
    RevocationPage,
    Revocations,
    follow_revocations,
    revocation_hash,
)
from nexus_testkit import RevocationServer

URL = "http://issuer/oauth/revocations"
SESSION_ENDED = "its session was ended"
RIGHTS_CHANGED = "its session was ended, or its user's rights were changed"
KEY_WITHDRAWN = "its key was withdrawn"


def principal(session: str | None = "session", *, epoch: int = 0, key_id: str = "key") -> Principal:
    return Principal("alice", "tests", frozenset(), "token", 0, "1", session, epoch, key_id=key_id)


async def known_within(seconds: float, revocations: Revocations, principal: Principal) -> str | None:
    """Why the principal's token ended, as soon as that is known."""
    woken = asyncio.Event()
    with revocations.watching(principal, woken.set):
        async with asyncio.timeout(seconds):
            while revocations.reason(principal) is None:
                woken.clear()
                await woken.wait()
    return revocations.reason(principal)


def test_what_a_page_has_is_refused_and_nothing_else() -> None:
    revocations = Revocations()
    revocations.add(
        RevocationPage(
            "1-0", [revocation_hash("gone")], {revocation_hash("alice"): 7, revocation_hash("bob"): 1}, ["k1"]
        )
    )

    assert [
        revocations.reason(principal("gone", epoch=7)),
        revocations.reason(principal("other", epoch=6)),
        revocations.reason(principal("other", epoch=7)),
        revocations.reason(principal(None, epoch=7)),
        revocations.reason(principal("other", epoch=7, key_id="k1")),
    ] == [SESSION_ENDED, RIGHTS_CHANGED, None, None, KEY_WITHDRAWN]


def test_an_epoch_never_falls() -> None:
    revocations = Revocations()
    for epoch in (7, 3):
        revocations.add(RevocationPage("1-0", subjects={revocation_hash("alice"): epoch}))

    assert revocations.reason(principal(epoch=6)) == RIGHTS_CHANGED


def test_who_watches_is_woken_once_for_what_concerns_them_and_not_after() -> None:
    revocations = Revocations()
    woken: list[str] = []
    with (
        revocations.watching(principal("a"), lambda: woken.append("a")),
        revocations.watching(principal("b"), lambda: woken.append("b")),
    ):
        revocations.add(RevocationPage("1-0", [revocation_hash("a")]))
        revocations.add(RevocationPage("2-0", subjects={revocation_hash("bob"): 1}))
    revocations.add(RevocationPage("3-0", [revocation_hash("a"), revocation_hash("b")]))

    assert woken == ["a"]


@pytest.mark.parametrize(
    ("revoke", "reason"),
    [
        (lambda server: revoke_session(server.redis, "session"), SESSION_ENDED),
        (lambda server: revoke_subject(server.redis, "alice", 1), RIGHTS_CHANGED),
        (lambda server: revoke_key(server.redis, "key"), KEY_WITHDRAWN),
    ],
)
async def test_what_ends_is_known_within_300_ms(
    revoking: RevocationServer, revoke: Callable[[RevocationServer], Awaitable[None]], reason: str
) -> None:
    revocations = Revocations()
    async with follow_revocations(revoking.url, revocations):
        await asyncio.sleep(0.3)  # the first long poll waits
        assert revocations.reason(principal()) is None
        await revoke(revoking)
        assert await known_within(0.3, revocations, principal()) == reason


async def test_what_ended_before_is_known_from_the_start(revoking: RevocationServer) -> None:
    await revoke_session(revoking.redis, "session")
    revocations = Revocations()
    async with follow_revocations(revoking.url, revocations):
        assert revocations.reason(principal()) == SESSION_ENDED


def follower(answers: list[Any]) -> tuple[RevocationFollower, Revocations, list[str]]:
    """A follower that gets these answers, and then none; the addresses that it asked."""
    asked: list[str] = []

    async def fetch(url: str, _seconds: float) -> object:
        asked.append(url)
        if not answers:
            await asyncio.sleep(3600)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer.body() if isinstance(answer, RevocationPage) else answer

    revocations = Revocations()
    return RevocationFollower(URL, revocations, fetch), revocations, asked


BAD_PAGES: list[Any] = [
    None,
    {"sessions": [], "cursor": "0-0"},
    {"sessions": [1], "subjects": {}, "keys": [], "cursor": "0-0"},
    {"sessions": [], "subjects": {"a": "1"}, "keys": [], "cursor": "0-0"},
    {"sessions": [], "subjects": {"a": True}, "keys": [], "cursor": "0-0"},
    {"sessions": [], "subjects": {}, "keys": "k", "cursor": "0-0"},
    {"sessions": [], "subjects": {}, "keys": [], "cursor": 0},
]


async def test_an_issuer_that_is_away_or_odd_leaves_what_is_known_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = RevocationPage("1-0", [revocation_hash("session")])
    following, revocations, _ = follower([known, OSError("away"), TimeoutError(), ValueError("odd"), *BAD_PAGES])
    outcomes = [await following.read(0) for _ in range(4 + len(BAD_PAGES))]

    assert outcomes == [True] + [False] * (3 + len(BAD_PAGES))
    assert revocations.reason(principal()) == SESSION_ENDED
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"cannot read ended sessions at {URL}: OSError('away')"
    ]


async def test_a_follower_asks_on_from_the_last_cursor_and_waits_at_the_issuer() -> None:
    pages = [RevocationPage(cursor) for cursor in ("1-0", "2-0", "2-0")]
    following, _, asked = follower(list(pages))
    await following.catch_up()
    task = asyncio.create_task(following.run())
    await asyncio.sleep(0)
    task.cancel()

    assert asked == [f"{URL}?after={after}" for after in ("0-0&wait=0", "1-0&wait=0", "2-0&wait=0", "2-0&wait=20")]


async def test_answers_that_come_at_once_and_bring_nothing_are_not_asked_for_in_a_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revocations_module, "PAUSE_SECONDS", 0.2)
    following, _, asked = follower([RevocationPage("0-0", [revocation_hash("a")])] * 1000)
    task = asyncio.create_task(following.run())
    await asyncio.sleep(0.5)
    task.cancel()

    assert 2 <= len(asked) <= 6


async def test_followers_that_were_cut_off_come_back_at_different_times_and_soon() -> None:
    cut_off: list[float] = []
    returns: list[float] = []

    async def fetch(_url: str, _seconds: float) -> object:
        if len(cut_off) < 50:
            cut_off.append(time.monotonic())
            raise OSError("cut off")
        returns.append(time.monotonic() - cut_off[0])
        await asyncio.sleep(3600)

    tasks = [asyncio.create_task(RevocationFollower(URL, Revocations(), fetch).run()) for _ in range(50)]
    await asyncio.sleep(0.8)
    for task in tasks:
        task.cancel()

    assert len(returns) == 50
    assert max(returns) - min(returns) > 0.15
