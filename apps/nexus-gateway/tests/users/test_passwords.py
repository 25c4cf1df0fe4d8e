import asyncio
import time

import pytest

from nexus_gateway.auth.errors import PasswordQueueFullError
from nexus_gateway.users.passwords import MAX_WAITING, Passwords


def make_passwords() -> Passwords:
    return Passwords(time_cost=2, memory_cost=19456, parallelism=1)


async def test_a_hash_matches_its_own_password_only() -> None:
    passwords = make_passwords()
    password_hash = await passwords.hash("correct")

    assert [await passwords.matches(text, password_hash) for text in ("correct", "wrong")] == [True, False]
    assert not passwords.is_outdated(password_hash)


@pytest.mark.parametrize("password_hash", [None, "", "x", "$argon2id$v=19$m=19456,t=2,p=1$damaged"])
async def test_a_missing_or_damaged_hash_matches_nothing(password_hash: str | None) -> None:
    assert not await make_passwords().matches("", password_hash)


async def test_400_passwords_at_once_are_refused_but_for_those_that_can_be_checked_soon() -> None:
    passwords = make_passwords()
    password_hash = await passwords.hash("correct")
    started = time.perf_counter()
    outcomes = await asyncio.gather(
        *(passwords.matches("wrong", password_hash) for _ in range(400)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, PasswordQueueFullError)]

    assert (len(outcomes) - len(refused), refused[0].retry_after) == (MAX_WAITING + 2, 1)
    assert time.perf_counter() - started < 3


async def test_400_strangers_delay_no_known_client() -> None:
    passwords = make_passwords()
    password_hash = await passwords.hash("correct")
    strangers = [asyncio.create_task(passwords.matches("wrong", password_hash)) for _ in range(400)]
    await asyncio.sleep(0)
    matches = await passwords.matches("correct", password_hash, is_known=True)
    waiting = sum(not stranger.done() for stranger in strangers)
    outcomes = await asyncio.gather(*strangers, return_exceptions=True)

    assert (matches, outcomes.count(False)) == (True, MAX_WAITING + 2)
    assert waiting >= MAX_WAITING // 2


async def test_a_check_that_is_cancelled_leaves_its_place() -> None:
    passwords = make_passwords()
    for _ in range(MAX_WAITING + 3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await passwords.hash("x")

    assert await passwords.hash("x")


async def test_a_hash_of_other_parameters_matches_and_is_outdated() -> None:
    password_hash = await Passwords(time_cost=1, memory_cost=8192, parallelism=2).hash("correct")

    assert await make_passwords().matches("correct", password_hash)
    assert make_passwords().is_outdated(password_hash)
