import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from conftest import PASSWORD, make_signing_key
from websocket_client import CHANNEL, client_of

from nexus_testkit import ServiceProcess

ARGUMENTS = ("-m", "nexus_gateway")
WRONG_KEY = (
    "not reloaded: The file {} holds no Ed25519 private key in PKCS#8 PEM form. "
    "Make one with: openssl genpkey -algorithm ed25519 -out FILE, and point NEXUS_SIGNING_KEY_FILE at it."
)


@pytest.fixture
def process(environment: pytest.MonkeyPatch) -> Iterator[ServiceProcess]:
    environment.chdir(Path(__file__).parent.parent)
    if "WEB_CONCURRENCY" not in os.environ:
        environment.setenv("WEB_CONCURRENCY", "1")
    process = ServiceProcess(ARGUMENTS)
    process.wait_until_it_answers()
    yield process
    process.end()


async def sign_in(process: ServiceProcess, http: aiohttp.ClientSession) -> dict[str, str]:
    """Headers of the administrator's requests."""
    async with http.post(f"{process.url}/v1/sessions", json={"username": "admin", "password": PASSWORD}) as response:
        return {"Authorization": f"Bearer {(await response.json())['access_token']}"}


class TestWorkers:
    @pytest.fixture(autouse=True)
    def three_workers(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("WEB_CONCURRENCY", "3")

    @pytest_asyncio.fixture
    async def fresh(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A client with a connection for each request, so that each worker receives some."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            yield session

    async def test_share_sessions_keys_and_health(self, process: ServiceProcess, fresh: aiohttp.ClientSession) -> None:
        await asyncio.sleep(1)  # until all have opened
        headers = await sign_in(process, fresh)
        answers: dict[str, set[str]] = {}
        for path in ["/v1/me", "/v1/sessions/current", "/.well-known/jwks.json", "/readyz"] * 12:
            async with fresh.get(f"{process.url}{path}", headers=headers) as response:
                answers.setdefault(path, set()).add(await response.text())

        assert {path: len(found) for path, found in answers.items()} == dict.fromkeys(answers, 1)
        assert answers["/readyz"] == {'{"status":"ok"}'}

    async def test_count_wrong_passwords_together(self, process: ServiceProcess, fresh: aiohttp.ClientSession) -> None:
        statuses = []
        for _ in range(12):
            async with fresh.post(
                f"{process.url}/v1/sessions", json={"username": "nobody", "password": "wrong"}
            ) as response:
                statuses.append(response.status)

        assert statuses == [401] * 10 + [429] * 2

    async def test_serve_all_requests_while_they_drain(
        self, environment: pytest.MonkeyPatch, fresh: aiohttp.ClientSession
    ) -> None:
        environment.chdir(Path(__file__).parent.parent)
        process = ServiceProcess(ARGUMENTS, {"NEXUS_DRAIN_SECONDS": "2"})
        process.wait_until_it_answers()
        await asyncio.sleep(1)  # until all have opened
        process.process.terminate()
        statuses, over = set(), time.monotonic() + 1.5
        while time.monotonic() < over:
            async with fresh.get(f"{process.url}/.well-known/jwks.json") as response:
                statuses.add(response.status)
        status, log, err = await asyncio.to_thread(process.outcome)

        assert statuses == {200}
        assert (status, [entry for entry in log if entry["level"] != "info"], err) == (0, [], "")

    async def test_have_their_metrics_added_up(self, process: ServiceProcess, fresh: aiohttp.ClientSession) -> None:
        headers = await sign_in(process, fresh)
        for _ in range(30):
            async with fresh.get(f"{process.url}/v1/me", headers=headers) as response:
                assert response.status == 200
        await asyncio.sleep(1.5)
        metrics = await asyncio.to_thread(process.get, "/metrics", process.admin_port)

        assert 'http_requests_total{method="GET",route="/v1/me",status="200"} 30.0' in metrics
        (created,) = re.findall(
            r'^gateway_signing_key_created_timestamp_seconds\{state="current"\} (\S+)$', metrics, re.MULTILINE
        )
        (read,) = re.findall(r"^gateway_signing_keys_read_timestamp_seconds (\S+)$", metrics, re.MULTILINE)
        assert time.time() - 60 < float(created) <= float(read) <= time.time()


class TestSighup:
    async def test_takes_a_new_secret_file_over_and_keeps_connections_and_tokens(
        self, process: ServiceProcess, http: aiohttp.ClientSession, secret_files: dict[str, Path]
    ) -> None:
        headers = await sign_in(process, http)
        before = await published(process, http)
        async with client_of(process.url, headers) as client:
            secret_files["NEXUS_SIGNING_KEY_FILE"].write_text(make_signing_key())
            process.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(1)
            assert (await client.ask(op="ping"))["op"] == "pong"
        after = await published(process, http)
        async with http.get(f"{process.url}/v1/me", headers=headers) as response:
            assert response.status == 200
        assert (len(after), after[2], set(after[:2]) & set(before)) == (3, before[0], set())

    @pytest.fixture
    def routes_file(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        path = tmp_path / "routes"
        path.write_text("pricing=http://127.0.0.1:9\n")
        environment.setenv("NEXUS_ROUTES_FILE", str(path))
        return path

    async def test_serves_the_routes_that_the_file_has_now(
        self, routes_file: Path, process: ServiceProcess, http: aiohttp.ClientSession
    ) -> None:
        async def statuses() -> list[int]:
            found = []
            for path in ("/v1/pricing/x", "/v1/stock/x"):
                async with http.get(f"{process.url}{path}") as response:
                    found.append(response.status)
            return found

        assert await statuses() == [401, 404]
        write(routes_file, "stock=http://127.0.0.1:9\n")
        process.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(1)
        assert await statuses() == [404, 401]

    async def test_keeps_the_keys_when_the_new_file_is_wrong(
        self, process: ServiceProcess, http: aiohttp.ClientSession, secret_files: dict[str, Path]
    ) -> None:
        before = await published(process, http)
        path = secret_files["NEXUS_SIGNING_KEY_FILE"]
        path.write_text("garbled")
        process.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(1.5)
        assert await published(process, http) == before

        _, log, _ = await asyncio.to_thread(process.stop)
        assert [entry["message"] for entry in log if entry["level"] == "error"] == [WRONG_KEY.format(path)]


def write(path: Path, text: str) -> None:
    path.write_text(text)


async def published(process: ServiceProcess, http: aiohttp.ClientSession) -> list[str]:
    """The ids of the published keys, the current one first."""
    async with http.get(f"{process.url}/.well-known/jwks.json") as response:
        return [key["kid"] for key in (await response.json())["keys"]]


async def test_sigterm_with_an_open_websocket_exits_0_at_once(
    process: ServiceProcess, http: aiohttp.ClientSession
) -> None:
    async with client_of(process.url, await sign_in(process, http)) as client:
        await client.ask(op="subscribe", channel=CHANNEL)
        process.process.terminate()
        assert await client.close_code() == 1012
        async with asyncio.timeout(20):
            status, log, err = await asyncio.to_thread(process.outcome)

    assert (status, [entry for entry in log if entry["level"] != "info"], err) == (0, [], "")


def test_missing_secrets_are_reported_together(environment: pytest.MonkeyPatch, secret_files: dict[str, Path]) -> None:
    environment.chdir(Path(__file__).parent.parent)
    missing = secret_files["NEXUS_SIGNING_KEY_FILE"]
    missing.unlink()
    empty = secret_files["NEXUS_ADMIN_PASSWORD_FILE"]
    empty.write_text("")

    assert ServiceProcess(ARGUMENTS).outcome() == (
        78,
        [],
        (
            "Invalid configuration:\n"
            f"  NEXUS_ADMIN_PASSWORD_FILE  The secret file {empty} is empty. "
            "Write the secret to that file, or point this setting at the file that holds it.\n"
            f"  NEXUS_SIGNING_KEY_FILE     The secret file {missing} does not exist. "
            "Write the secret to that file, or point this setting at the file that holds it.\n"
        ),
    )


def test_a_wrong_signing_key_is_reported(environment: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parent / "oauth" / "fixtures" / "key-garbled" / "signing_key"
    environment.chdir(path.parents[4])
    environment.setenv("NEXUS_SIGNING_KEY_FILE", str(path))
    status, log, err = ServiceProcess(ARGUMENTS).outcome()

    assert (status, log[0]["message"], err) == (
        78,
        (
            f"The file {path} holds no Ed25519 private key in PKCS#8 PEM form. "
            "Make one with: openssl genpkey -algorithm ed25519 -out FILE, and point NEXUS_SIGNING_KEY_FILE at it."
        ),
        "",
    )
