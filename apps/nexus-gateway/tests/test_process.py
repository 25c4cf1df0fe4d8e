import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from conftest import PASSWORD
from websocket_client import CHANNEL, client_of

from nexus_testkit import ServiceProcess

ARGUMENTS = ("-m", "nexus_gateway")


@pytest.fixture
def process(environment: pytest.MonkeyPatch) -> Iterator[ServiceProcess]:
    environment.chdir(Path(__file__).parent.parent)
    process = ServiceProcess(ARGUMENTS)
    process.wait_until_it_answers()
    yield process
    if process.process.poll() is None:
        process.stop()


async def test_sigterm_with_an_open_websocket_exits_0_at_once(
    process: ServiceProcess, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{process.url}/v1/sessions", json={"username": "admin", "password": PASSWORD}) as response:
        headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
    async with client_of(process.url, headers) as client:
        await client.ask(op="subscribe", channel=CHANNEL)
        process.process.terminate()
        assert await client.close_code() == 1012
        async with asyncio.timeout(5):
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
