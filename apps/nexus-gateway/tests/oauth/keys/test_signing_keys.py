import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from conftest import make_signing_key
from key_store import PERIOD, Replica

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.postgres import open_database
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import InvalidTokenError
from nexus_chassis.unit_of_work import Database
from nexus_gateway.oauth.keys.encryption import KeyEncryption
from nexus_gateway.oauth.keys.errors import (
    ForeignKeyError,
    KeyTooFreshError,
    SigningKeysUnavailableError,
    UnannouncedError,
    UnknownKeyError,
)
from nexus_gateway.oauth.keys.models import LEASE_SECONDS, PUBLISHED_AFTER, PUBLISHED_BEFORE
from nexus_gateway.oauth.keys.signing_key import SigningKey
from nexus_gateway.opening import MIGRATIONS
from nexus_gateway.settings import Settings

SECOND = timedelta(seconds=1)


@pytest_asyncio.fixture
async def database(environment: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    environment.delenv("NEXUS_ROUTES", raising=False)
    async with open_database(Settings(), MIGRATIONS) as opened:
        yield opened


@pytest.fixture
def file_key() -> SigningKey:
    return SigningKey.generate()


@pytest_asyncio.fixture
async def replica(database: Database, file_key: SigningKey) -> Replica:
    """A gateway that has started."""
    replica = Replica(database, file_key)
    await replica.service.prepare()
    return replica


@pytest_asyncio.fixture
async def ready(replica: Replica) -> Replica:
    """A gateway whose next key was published long enough ago to sign."""
    await replica.age(PUBLISHED_BEFORE)
    return replica


class TestFirstStart:
    async def test_the_secret_files_key_signs_and_a_next_one_is_published(
        self, replica: Replica, file_key: SigningKey
    ) -> None:
        upcoming = await replica.kid("next")

        assert await replica.states() == {file_key.kid: "current", upcoming: "next"}
        assert [key["kid"] for key in replica.ring.jwks["keys"]] == [file_key.kid, upcoming]
        assert replica.ring.signing_kid == file_key.kid

    async def test_replicas_that_start_at_once_have_the_same_keys(
        self, database: Database, file_key: SigningKey
    ) -> None:
        replicas = [Replica(database, file_key) for _ in range(5)]
        await asyncio.gather(*(replica.service.prepare() for replica in replicas))

        assert len(await replicas[0].states()) == 2
        assert len({json.dumps(replica.ring.jwks) for replica in replicas}) == 1

    async def test_a_later_start_changes_nothing(self, replica: Replica, file_key: SigningKey) -> None:
        before = (await replica.keys()).keys
        await Replica(replica.database, file_key).service.prepare()

        assert (await replica.keys()).keys == before

    async def test_private_keys_are_encrypted_by_a_key_that_only_the_file_has(
        self, replica: Replica, file_key: SigningKey
    ) -> None:
        row = await replica.row(file_key.kid)
        header = row["private_key"].split(".")[0]

        assert json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))) == {
            "alg": "dir",
            "enc": "A256GCM",
            "kid": file_key.kid,
        }
        assert KeyEncryption(file_key).decrypt(file_key.kid, row["private_key"]).secret == file_key.secret
        with pytest.raises(ForeignKeyError):
            KeyEncryption(SigningKey.generate()).decrypt(file_key.kid, row["private_key"])


class TestRotation:
    async def test_the_next_key_signs_and_the_former_one_verifies(self, ready: Replica) -> None:
        before, upcoming, token = await ready.kid("current"), await ready.kid("next"), ready.sign()

        assert await ready.service.rotate() == upcoming
        fresh = await ready.kid("next")
        assert await ready.states() == {before: "previous", upcoming: "current", fresh: "next"}
        assert [key["kid"] for key in ready.ring.jwks["keys"]] == [upcoming, fresh, before]
        assert ready.ring.signing_kid == upcoming
        assert await ready.audited() == [("key.rotate", upcoming, {"from": before})]
        assert [await ready.accepts(token), await ready.accepts(ready.sign())] == ["alice", "alice"]

    async def test_the_private_part_of_a_key_that_signs_no_more_is_gone(self, ready: Replica) -> None:
        before = await ready.kid("current")
        await ready.service.rotate()

        assert (await ready.row(before))["private_key"] is None

    async def test_a_key_that_was_just_published_does_not_sign(self, replica: Replica) -> None:
        before, upcoming = await replica.states(), await replica.kid("next")
        await replica.age(timedelta(seconds=600))
        with pytest.raises(KeyTooFreshError) as refused:
            await replica.service.rotate()

        assert str(refused.value) == (
            f"The next key {upcoming} is not known everywhere yet. Rotate in 60 s; "
            "if the current key leaked, withdraw it instead."
        )
        assert await replica.states() == before

    async def test_of_two_rotations_at_once_one_is_refused(self, ready: Replica, file_key: SigningKey) -> None:
        other = Replica(ready.database, file_key)
        outcomes = await asyncio.gather(ready.service.rotate(), other.service.rotate(), return_exceptions=True)

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["KeyTooFreshError", "str"]
        assert sorted((await ready.states()).values()) == ["current", "next", "previous"]


class TestSchedule:
    async def test_a_key_signs_for_its_whole_period(self, replica: Replica) -> None:
        await replica.age(PERIOD - 5 * SECOND)
        before = await replica.states()
        await replica.service.maintain()

        assert await replica.states() == before

    async def test_then_replicas_rotate_once_and_know_it(self, ready: Replica, file_key: SigningKey) -> None:
        await ready.age(PERIOD)
        upcoming = await ready.kid("next")
        replicas = [ready, *(Replica(ready.database, file_key) for _ in range(4))]
        await asyncio.gather(*(replica.service.maintain() for replica in replicas))
        for replica in replicas:
            await replica.service.maintain()

        assert sorted((await ready.states()).values()) == ["current", "next", "previous"]
        assert {replica.ring.signing_kid for replica in replicas} == {upcoming}

    async def test_a_previous_key_is_retired_when_no_token_of_it_can_live(self, ready: Replica) -> None:
        before, token = await ready.kid("current"), ready.sign()
        await ready.service.rotate()
        await ready.age(PUBLISHED_AFTER - 5 * SECOND)
        await ready.service.maintain()
        assert await ready.accepts(token) == "alice"

        await ready.age(5 * SECOND)
        await ready.service.maintain()
        assert (await ready.states())[before] == "retired"
        assert before not in {key["kid"] for key in ready.ring.jwks["keys"]}
        with pytest.raises(InvalidTokenError, match="a key that the issuer does not publish"):
            await ready.accepts(token)


class TestWithdrawal:
    async def test_a_worker_that_is_told_signs_with_the_next_key_before_it_reads_the_keys(
        self, replica: Replica
    ) -> None:
        current, upcoming = await replica.kid("current"), await replica.kid("next")
        replica.ring.withdraw(current)

        assert replica.ring.signing_kid == upcoming
        assert await replica.accepts(replica.sign()) == "alice"

    async def test_of_the_current_key_ends_its_tokens_at_once_and_the_next_one_signs(self, replica: Replica) -> None:
        current, upcoming, token = await replica.kid("current"), await replica.kid("next"), replica.sign()
        assert await replica.accepts(token) == "alice"
        await replica.service.withdraw(current)

        fresh = await replica.kid("next")
        assert await replica.states() == {current: "withdrawn", upcoming: "current", fresh: "next"}
        assert (replica.published, replica.ring.signing_kid) == ([current], upcoming)
        assert await replica.audited() == [("key.withdraw", current, {"was": "current"})]
        with pytest.raises(InvalidTokenError, match="a key that the issuer does not publish"):
            await replica.accepts(token)

    async def test_another_replica_refuses_its_tokens_when_it_reads_the_keys(
        self, replica: Replica, file_key: SigningKey
    ) -> None:
        other = Replica(replica.database, file_key)
        await other.service.maintain()
        token = other.sign()
        await other.accepts(token)
        await replica.service.withdraw(file_key.kid)
        await other.service.maintain()

        with pytest.raises(InvalidTokenError):
            await other.accepts(token)
        assert other.ring.signing_kid == replica.ring.signing_kid

    async def test_of_the_next_key_makes_another(self, replica: Replica) -> None:
        current, upcoming = await replica.kid("current"), await replica.kid("next")
        await replica.service.withdraw(upcoming)

        assert await replica.states() == {
            current: "current",
            upcoming: "withdrawn",
            await replica.kid("next"): "next",
        }

    async def test_of_a_previous_key_leaves_the_others(self, ready: Replica) -> None:
        before = await ready.kid("current")
        await ready.service.rotate()
        rest = {kid: state for kid, state in (await ready.states()).items() if kid != before}
        await ready.service.withdraw(before)

        assert await ready.states() == {before: "withdrawn", **rest}

    async def test_is_made_known_again_when_it_is_repeated(self, replica: Replica) -> None:
        current = await replica.kid("current")
        await replica.service.withdraw(current)
        states = await replica.states()
        await replica.service.withdraw(current)

        assert (replica.published, await replica.states()) == ([current, current], states)

    async def test_says_so_when_the_services_cannot_be_told(self, replica: Replica) -> None:
        current = await replica.kid("current")
        replica.redis_is_away = True
        with pytest.raises(UnannouncedError) as unannounced:
            await replica.service.withdraw(current)

        assert (await replica.states())[current] == "withdrawn"
        assert str(unannounced.value) == (
            f"The signing key {current} was withdrawn, but Redis does not answer, so that services may accept its tokens "
            "for five minutes more. Repeat the command once Redis answers: they refuse them at once then."
        )

    async def test_of_a_retired_key_is_refused(self, ready: Replica) -> None:
        before = await ready.kid("current")
        await ready.service.rotate()
        await ready.age(PUBLISHED_AFTER)
        await ready.service.maintain()
        with pytest.raises(UnknownKeyError) as refused:
            await ready.service.withdraw(before)

        assert str(refused.value) == (
            f"Its tokens have ended: the retired signing key {before}. `keys list` shows those in use."
        )

    async def test_of_no_key_is_refused(self, replica: Replica) -> None:
        with pytest.raises(UnknownKeyError) as refused:
            await replica.service.withdraw("none")

        assert str(refused.value) == "There is no signing key none. `keys list` shows those in use."


class TestReplacedSecretFile:
    async def test_a_gateway_that_starts_with_it_signs_with_a_new_key_and_ends_no_token(
        self, replica: Replica, caplog: pytest.LogCaptureFixture
    ) -> None:
        current, upcoming, token = await replica.kid("current"), await replica.kid("next"), replica.sign()
        restarted = Replica(replica.database, SigningKey.generate())
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            await restarted.service.prepare()

        assert await restarted.states() == {
            current: "previous",
            upcoming: "retired",
            await restarted.kid("current"): "current",
            await restarted.kid("next"): "next",
        }
        assert [record.getMessage() for record in caplog.records] == [
            f"the secret file was replaced: the current signing key {current} is now previous",
            f"the secret file was replaced: the next signing key {upcoming} is now retired",
        ]
        assert [await restarted.accepts(token), await restarted.accepts(restarted.sign())] == ["alice", "alice"]

    async def test_the_replicas_that_still_have_the_former_file_go_on_and_say_so(
        self, replica: Replica, file_key: SigningKey
    ) -> None:
        await Replica(replica.database, SigningKey.generate()).service.prepare()
        await replica.service.maintain()

        assert replica.ring.signing_kid == file_key.kid
        assert await replica.accepts(replica.sign()) == "alice"
        with pytest.raises(SigningKeysUnavailableError) as unwell:
            await replica.ring.check()
        assert str(unwell.value) == (
            f"The signing key {await replica.kid('current')} was encrypted with another secret file than this one, whose "
            f"key is {file_key.kid}. Use the same NEXUS_SIGNING_KEY_FILE everywhere; a gateway that starts takes the new "
            "file over."
        )

    async def test_but_do_not_sign_with_a_withdrawn_key(self, replica: Replica, file_key: SigningKey) -> None:
        restarted = Replica(replica.database, SigningKey.generate())
        await restarted.service.prepare()
        await restarted.service.withdraw(file_key.kid)
        await replica.service.maintain()

        with pytest.raises(SigningKeysUnavailableError):
            replica.sign()

    async def test_nor_rotate(self, ready: Replica) -> None:
        restarted = Replica(ready.database, SigningKey.generate())
        await restarted.service.prepare()
        await restarted.age(PERIOD)
        states = await restarted.states()
        with pytest.raises(ForeignKeyError):
            await ready.service.maintain()

        assert await restarted.states() == states

    async def test_it_is_taken_over_while_the_gateway_runs(self, replica: Replica, tmp_path: Path) -> None:
        path = tmp_path / "signing_key"
        path.write_text(make_signing_key())
        before, token = replica.ring.signing_kid, replica.sign()
        await replica.service.reload(path)

        assert replica.ring.signing_kid == await replica.kid("current") != before
        assert await replica.accepts(token) == "alice"

    async def test_a_wrong_one_changes_nothing_while_the_gateway_runs(self, replica: Replica) -> None:
        path = Path(__file__).parent.parent / "fixtures" / "key-garbled" / "signing_key"
        states = await replica.states()
        with pytest.raises(ConfigurationError):
            await replica.service.reload(path)
        await replica.service.maintain()

        assert (await replica.states(), await replica.ring.check()) == (states, None)


class TestWhatAProcessKnows:
    async def test_nothing_is_signed_or_verified_before_the_keys_are_read(
        self, database: Database, replica: Replica, file_key: SigningKey
    ) -> None:
        token = replica.sign()
        starting = Replica(database, file_key)

        with pytest.raises(SigningKeysUnavailableError, match=r"^The signing keys were not read yet\.$"):
            starting.sign()
        with pytest.raises(Problem) as refused:
            await starting.accepts(token)
        assert (refused.value.status, refused.value.type) == (503, "urn:nexus:problem:token-keys-unavailable")

    async def test_it_stops_signing_when_it_cannot_read_the_keys_for_an_hour(
        self, database: Database, replica: Replica, file_key: SigningKey
    ) -> None:
        cut_off = Replica(database, file_key)
        keys = await replica.service.read()
        cut_off.ring.take(keys, time.monotonic() - LEASE_SECONDS + 5)
        token = cut_off.sign()
        cut_off = Replica(database, file_key)
        cut_off.ring.take(keys, time.monotonic() - LEASE_SECONDS - 1)

        with pytest.raises(SigningKeysUnavailableError, match=r"were not read for 3600 s"):
            cut_off.sign()
        assert await cut_off.accepts(token) == "alice"

    async def test_an_answer_that_comes_late_does_not_bring_back_former_keys(self, ready: Replica) -> None:
        asked, former = time.monotonic(), (await ready.service.read())
        await ready.service.rotate()
        ready.ring.take(former, asked)

        assert ready.ring.signing_kid == await ready.kid("current")

    async def test_a_private_key_in_the_wrong_row_is_refused(self, replica: Replica) -> None:
        upcoming = await replica.row(await replica.kid("next"))

        with pytest.raises(ForeignKeyError):
            KeyEncryption(SigningKey.generate()).decrypt("other", upcoming["private_key"])
        with pytest.raises(ForeignKeyError):
            replica.ring.encryption.decrypt("other", upcoming["private_key"])
