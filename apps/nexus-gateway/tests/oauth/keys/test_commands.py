"""The commands `keys`, with a database of its own."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from nexus_gateway.oauth.keys.models import PUBLISHED_BEFORE
from nexus_gateway.oauth.keys.signing_key import SigningKey

APP = Path(__file__).parent.parent.parent.parent
INSTEAD = "if the current key leaked, withdraw it instead."
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


class Commands:
    """Runs `python -m nexus_gateway keys` as an operator does."""

    def __init__(self, postgres_url: str) -> None:
        self._postgres_url = postgres_url

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output, and what is on standard error besides the log."""
        command = [sys.executable, "-m", "nexus_gateway", "keys", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=APP, env=os.environ)
        return done.returncode, done.stdout, done.stderr

    def kid(self, state: str) -> str:
        _, listed, _ = self.run("list")
        (kid,) = re.findall(rf"^(\S+) +{state} ", listed, re.MULTILINE)
        return str(kid)

    def make_ready(self) -> None:
        """Let the next key be published for long enough to sign."""

        async def age() -> None:
            connection = await asyncpg.connect(self._postgres_url)
            await connection.execute("UPDATE signing_keys SET created_at = created_at - $1::interval", PUBLISHED_BEFORE)
            await connection.close()

        asyncio.run(age())


@pytest.fixture
def keys(environment: pytest.MonkeyPatch, postgres_url: str) -> Commands:
    environment.delenv("NEXUS_ROUTES", raising=False)
    return Commands(postgres_url)


def test_list_shows_each_key_with_its_state_and_times(keys: Commands, secret_files: dict[str, Path]) -> None:
    first = SigningKey.load(secret_files["NEXUS_SIGNING_KEY_FILE"]).kid
    upcoming = keys.kid("next")
    status, out, err = keys.run("list")
    lines = sorted(re.sub(TIME, "TIME", line) for line in out.splitlines())

    assert (status, err) == (0, "")
    assert lines == sorted(
        [
            f"{'KEY':43}  STATE    CREATED               SIGNED FROM           SIGNED UNTIL",
            f"{first}  current  TIME  TIME",
            f"{upcoming}  next     TIME",
        ]
    )


def test_rotate_lets_the_next_key_sign(keys: Commands) -> None:
    before, upcoming = keys.kid("current"), keys.kid("next")
    keys.make_ready()

    assert keys.run("rotate") == (0, f"The key {upcoming} signs from now on.\n", "")
    assert (keys.kid("current"), keys.kid("previous")) == (upcoming, before)


def test_rotate_refuses_a_key_that_was_just_published(keys: Commands) -> None:
    upcoming = keys.kid("next")
    status, out, err = keys.run("rotate")

    expected = f"The next key {upcoming} is not known everywhere yet. Rotate in N s; {INSTEAD}\n"
    assert (status, out, re.sub(r"\d+ s;", "N s;", err)) == (1, "", expected)


def test_withdraw_ends_a_key(keys: Commands) -> None:
    upcoming = keys.kid("next")

    assert keys.run("withdraw", upcoming) == (
        0,
        f"The key {upcoming} was withdrawn. Its tokens are refused from now on.\n",
        "",
    )
    assert keys.kid("withdrawn") == upcoming


def test_withdraw_refuses_what_is_no_key(keys: Commands) -> None:
    assert keys.run("withdraw", "none") == (
        1,
        "",
        "There is no signing key none. `keys list` shows those in use.\n",
    )
