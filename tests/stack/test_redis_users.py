"""Each service has a Redis user of its own, which reaches its own keys only."""

import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from harness import engine
from harness.clone import run

from nexusctl import secrets
from nexusctl.workspace import ROOT, load

pytestmark = pytest.mark.usefixtures("stores")

IMAGE = next(service.image for service in load().stores if service.name == "redis")
END = "end-of-answer"
USERS = ("gateway", "dataflow", "mcp", "classification")
KEYS = {
    "gateway": "gateway:session:1",
    "dataflow": "dataflow:1",
    "mcp": "mcp:1",
    "classification": "classification:1",
    "event": "nexus:channel:default:data:product",
    "index": "nexus:channels:default:data",
    "other": "other",
}
# What the client library sends on its own, then what services do.
ALLOWED = (
    "HELLO 3",
    "CLIENT SETINFO LIB-NAME redis-py",
    "CLIENT SETNAME {user}",
    "PING",
    "INFO server",
    "SELECT 0",
    "TIME",
    "HSET {user}:1 a 1",
    "EXPIRE {user}:1 60",
    "EXISTS {user}:1",
    "DEL {user}:1",
    "XADD {user}:2 MAXLEN ~ 1000 * data x",
    "XREAD COUNT 1 STREAMS {user}:2 0-0",
    "SCRIPT LOAD return(1)",
    "EVAL return(redis.call('TIME')) 0",
    "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
)
REFUSED = (
    "ACL LIST",
    "BGSAVE",
    "CLIENT KILL TYPE normal",
    "CLIENT LIST",
    "CLIENT TRACKING ON",
    "CONFIG GET maxmemory",
    "DBSIZE",
    "FLUSHALL",
    "FLUSHDB",
    "FUNCTION LIST",
    "KEYS x",
    "MONITOR",
    "PUBLISH channel x",
    "RANDOMKEY",
    "REPLICAOF NO ONE",
    "SAVE",
    "SCAN 0",
    "SCRIPT FLUSH",
    "SHUTDOWN",
    "SLOWLOG GET",
    "SORT {user}:2",
    "SWAPDB 0 1",
)


class Redis:
    """A running Redis with the users that `make up` creates."""

    def __init__(self, container: str) -> None:
        self.container = container

    def __call__(self, user: str, command: str) -> str:
        """Return the first line of the answer to a user's command."""
        return redis_cli(self.container, *credentials(user), *command.split(" "))

    def answers(self, user: str, commands: Iterable[str]) -> list[str]:
        """Return the first line of each answer to a user's commands, all on one connection."""
        done = subprocess.run(
            ["docker", "exec", "--interactive", self.container, "redis-cli", *credentials(user)],
            input="".join(f"{command}\nECHO {END}\n" for command in commands),
            capture_output=True,
            text=True,
            check=True,
        )
        return [(answer.splitlines() or [""])[0] for answer in done.stdout.split(f"{END}\n")[:-1]]


def credentials(user: str) -> tuple[str, ...]:
    password = "none" if user == "health" else secrets.read(f"{user}_redis_password")
    return ("--user", user, "--pass", password, "--no-auth-warning")


def redis_cli(container: str, *arguments: str) -> str:
    outcome = run(["docker", "exec", container, "redis-cli", *arguments], ROOT)
    return (outcome.out.splitlines() or [""])[0]


def start(users: Path) -> str:
    """Start the image with a list of users, and wait until it answers or has ended."""
    container = engine.docker("run", "--detach", "--volume", f"{users}:/run/secrets/redis_acl:ro", IMAGE)
    deadline = time.monotonic() + 30
    while engine.inspect(container)["State"]["Running"] and not redis_cli(container, "ping"):
        assert time.monotonic() < deadline, engine.last_log(container)
        time.sleep(0.1)
    return container


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "FOLDER", tmp_path_factory.mktemp("state") / "secrets")
        secrets.ensure()
        container = start(secrets.FOLDER / secrets.REDIS_ACL)
        yield Redis(container)
    engine.docker("rm", "--force", "--volumes", container)


def may(answer: str) -> bool:
    """Whether a command was let through; the key may be of another type or not be there."""
    return not answer.startswith("NOPERM")


def allowed(redis: Redis, user: str, command: str) -> set[str]:
    """Return on which keys a user may run a command."""
    answers = redis.answers(user, [command.format(key) for key in KEYS.values()])
    return {name for name, answer in zip(KEYS, answers, strict=True) if may(answer)}


@pytest.mark.parametrize("user", USERS)
def test_user_writes_its_own_keys_and_nobody_elses(redis: Redis, user: str) -> None:
    channels = {"event", "index"} if user == "dataflow" else set()
    assert allowed(redis, user, "SET {} x") == {user} | channels


@pytest.mark.parametrize("user", USERS)
def test_user_reads_its_own_keys_and_nobody_elses(redis: Redis, user: str) -> None:
    channels = {"gateway": {"event"}, "dataflow": {"event", "index"}}.get(user, set())
    assert allowed(redis, user, "GET {}") == {user} | channels


def test_gateway_follows_what_dataflow_publishes(redis: Redis) -> None:
    key = "nexus:channel:default:data:supplier"
    place = redis("dataflow", f"XADD {key} MAXLEN ~ 1000 5-1 data x")
    assert place == "5-1"
    assert redis("gateway", f"XRANGE {key} - +") == "5-1"
    assert may(redis("gateway", f"XINFO STREAM {key}"))
    assert redis("gateway", f"XREAD BLOCK 1 STREAMS {key} 0-0") == key
    assert not may(redis("gateway", f"XADD {key} * data x"))
    assert not may(redis("gateway", f"DEL {key}"))


@pytest.mark.parametrize(
    ("user", "kind"), [("classification", "jobs"), ("dataflow", "data"), ("gateway", "app"), ("gateway", "user")]
)
def test_each_kind_of_channel_is_written_by_one_user(redis: Redis, user: str, kind: str) -> None:
    keys = f"nexus:channel:acme:{kind}:x", f"nexus:channels:acme:{kind}", f"nexus:channels:acme:{kind}:bytes"
    commands = [f"XADD {keys[0]} MAXLEN ~ 1000 * data x", *(f"EXPIRE {key} 60" for key in keys)]
    may_write = {name for name in USERS if all(map(may, redis.answers(name, commands)))}
    assert may_write == {user}


def test_script_reaches_no_more_keys_than_its_user(redis: Redis) -> None:
    assert redis("dataflow", "EVAL return(redis.call('GET',KEYS[1])) 1 gateway:session:1").startswith("NOPERM")
    assert "No permissions to access a key" in redis("dataflow", "EVAL return(redis.call('GET','gateway:session:1')) 0")


@pytest.mark.parametrize("user", USERS)
def test_commands_of_a_user(redis: Redis, user: str) -> None:
    commands = [*ALLOWED, *REFUSED]
    answers = dict(zip(commands, redis.answers(user, [item.format(user=user) for item in commands]), strict=True))
    assert {command: answer for command, answer in answers.items() if answer.startswith("ERR")} == {}
    assert [command for command, answer in answers.items() if not may(answer)] == list(REFUSED)


def test_health_check_needs_no_password_and_reads_nothing(redis: Redis) -> None:
    assert redis("health", "PING") == "PONG"
    assert {may(redis("health", command)) for command in ("GET health:1", "INFO", "TIME", "SELECT 0")} == {False}


def test_nobody_is_the_default_user(redis: Redis) -> None:
    assert redis_cli(redis.container, "get", "key") == "NOAUTH Authentication required."


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return tmp_path / "redis_acl"


def test_empty_list_of_users_lets_nobody_in(users: Path) -> None:
    users.write_text("")
    users.chmod(0o444)
    container = start(users)
    try:
        address = engine.inspect(container)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        outcome = run(["docker", "run", "--rm", IMAGE, "redis-cli", "-e", "-h", address, "get", "key"], ROOT)
        assert outcome.status == 1
        assert outcome.err.startswith("DENIED Redis is running in protected mode"), outcome
    finally:
        engine.docker("rm", "--force", "--volumes", container)


def test_list_of_users_that_cannot_be_read_stops_the_start(users: Path) -> None:
    users.write_text("user default on nopass ~* &* +@all\n")
    users.chmod(0o600)
    container = start(users)
    try:
        log = run(["docker", "logs", container], ROOT)
        assert engine.inspect(container)["State"]["ExitCode"] == 1
        assert "Error loading ACLs, opening file '/run/secrets/redis_acl': Permission denied" in log.out + log.err
    finally:
        engine.docker("rm", "--force", "--volumes", container)
