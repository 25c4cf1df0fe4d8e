"""Clients that use the gateway all the time, know what each answer must be, and note what it was."""

import asyncio
import json
import random
import secrets as random_secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

CHANNEL = "app:faults"
LIMIT = {"Request-Timeout": "5"}
REFUSALS = {429, 502, 503, 504}
_PAUSE_SECONDS = 0.2
_PROBLEM = "application/problem+json"
_CUT = b"0123456789" * 100


@dataclass(frozen=True)
class Outcome:
    """What became of something that a client did: a status code, a close code, or the name of an exception."""

    kind: str
    at: float
    result: int | str
    problem: str = ""
    seconds: float = 0

    @property
    def is_success(self) -> bool:
        return isinstance(self.result, int) and 200 <= self.result < 300

    def __str__(self) -> str:
        return f"{self.result} {self.problem.removeprefix('urn:nexus:problem:')}".strip()


@dataclass
class Record:
    """What all clients noted; `wrong` are answers that must not be."""

    outcomes: list[Outcome] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lost_sessions: list[str] = field(default_factory=list)

    def note(self, kind: str, result: int | str, problem: str = "", *, began: float | None = None) -> None:
        now = time.monotonic()
        self.outcomes.append(Outcome(kind, now, result, problem, now - (began or now)))

    def expect(self, kind: str, *, found: object, expected: object) -> None:
        """Note an answer that is not what it must be."""
        if found != expected:
            self.wrong.append(f"{kind}: {found!r:.200}, not {expected!r:.200}")

    def failures(self) -> Counter[str]:
        return Counter(f"{item.kind} {item}" for item in self.outcomes if not item.is_success)


@dataclass
class Writes:
    """What was written under names of their own: what was confirmed, and what may or may not have been done."""

    confirmed: dict[str, Any] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


class Client:
    """One client: a user who has signed in."""

    def __init__(self, http: httpx.AsyncClient, record: Record, name: str, password: str) -> None:
        self.http = http
        self.record = record
        self.name = name
        self.password = password
        self.token = ""
        self.refresh_token = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def ask(self, kind: str, method: str, path: str, *, json: object = None) -> dict[str, Any] | None:
        """The answer's JSON, None where there is no success; a refusal must be a problem."""
        headers = {**(self.headers if self.token else {}), **LIMIT}
        began = time.monotonic()
        try:
            answer = await self.http.request(method, path, headers=headers, json=json)
        except httpx.TransportError as error:
            self.record.note(kind, type(error).__name__)
            return None
        return self._noted(kind, answer, began)

    def _noted(self, kind: str, answer: httpx.Response, began: float) -> dict[str, Any] | None:
        if answer.is_success:
            self.record.note(kind, answer.status_code, began=began)
            body: dict[str, Any] = answer.json()
            return body
        self.record.expect(f"{kind} {answer.status_code}", found=answer.headers["Content-Type"], expected=_PROBLEM)
        problem = answer.json()
        self.record.expect(kind, found=problem["status"], expected=answer.status_code)
        self.record.note(kind, answer.status_code, problem["type"], began=began)
        return None

    async def sign_in(self) -> bool:
        """Begin a session; returns whether that succeeded."""
        self.token = ""
        begun = await self.ask("sign in", "POST", "/v1/sessions", json=self._credentials)
        if begun is not None:
            self.token, self.refresh_token = begun["access_token"], begun["refresh_token"]
        return begun is not None

    @property
    def _credentials(self) -> dict[str, str]:
        return {"username": self.name, "password": self.password}

    async def refresh(self) -> None:
        """Go on in the session, with the same refresh token where the answer was lost."""
        begun = await self.ask("refresh", "POST", "/v1/sessions/refresh", json={"refresh_token": self.refresh_token})
        if begun is not None:
            self.token, self.refresh_token = begun["access_token"], begun["refresh_token"]
        elif self.record.outcomes[-1].result == 401:
            self.record.lost_sessions.append(self.name)

    async def be_known(self) -> None:
        """Ask who one is."""
        me = await self.ask("who am I", "GET", "/v1/me")
        if me is not None:
            self.record.expect("who am I", found=me["username"], expected=self.name)


Step = Callable[[], Awaitable[None]]


async def repeat(step: Step, until: asyncio.Event) -> None:
    """Take the step again and again, with pauses of random length."""
    while not until.is_set():
        await step()
        await asyncio.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 # no secret


class Reader:
    """Reads its own row and its own name."""

    def __init__(self, client: Client, row: int, content: str) -> None:
        self._client = client
        self._row = row
        self._content = content

    async def step(self) -> None:
        await self._client.be_known()
        row = await self._client.ask("read", "GET", f"/v1/data/product/{self._row}")
        if row is not None:
            self._client.record.expect("read", found=row["name"], expected=self._content)


class Writer:
    """Counts in its own row, and creates rows, each of a name of its own."""

    def __init__(self, client: Client, row: int, writes: Writes) -> None:
        self._client = client
        self._row = row
        self._writes = writes
        self._count = 0
        self._confirmed: str | None = None
        self._unknown: set[str] = set()

    async def step(self) -> None:
        await self._change()
        await self._create()
        await self.check()

    async def _change(self) -> None:
        self._count += 1
        text = str(self._count)
        path = f"/v1/data/product/{self._row}"
        row = await self._client.ask("change", "PATCH", path, json={"description": text})
        if row is None:
            self._unknown.add(text)
            return
        self._client.record.expect("change", found=row["description"], expected=text)
        self._confirmed = text

    async def check(self) -> None:
        """Read the row: what was confirmed last, or a change whose answer was lost."""
        row = await self._client.ask("read own", "GET", f"/v1/data/product/{self._row}")
        if row is not None and row["description"] not in self._unknown:
            self._client.record.expect("read own", found=row["description"], expected=self._confirmed)

    async def _create(self) -> None:
        name = f"{self._client.name} {self._count}"
        row = await self._client.ask("create", "POST", "/v1/data/product", json={"name": name})
        if row is None:
            self._writes.unknown.add(name)
            return
        self._client.record.expect("create", found=row["name"], expected=name)
        self._writes.confirmed[name] = row["id"]


class Returning:
    """Refreshes its session all the time, and signs in anew once in a while; keeps all its sessions."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._steps = 0
        self.sessions = [client]

    async def step(self) -> None:
        self._steps += 1
        if self._steps % 20 == 0:
            made = Client(self._client.http, self._client.record, self._client.name, self._client.password)
            if await made.sign_in():
                self.sessions.append(made)
        await self.sessions[-1].refresh()
        await self.sessions[-1].be_known()
        await asyncio.sleep(4 * _PAUSE_SECONDS)


class Publisher:
    """Publishes events, each with a number of its own."""

    def __init__(self, client: Client, writes: Writes) -> None:
        self._client = client
        self._writes = writes
        self._count = 0

    async def step(self) -> None:
        self._count += 1
        name = f"{self._client.name} {self._count}"
        made = await self._client.ask("publish", "POST", f"/v1/channels/{CHANNEL}/messages", json={"data": name})
        if made is None:
            self._writes.unknown.add(name)
        else:
            self._writes.confirmed[name] = (made["epoch"], made["offset"])


class Subscriber:
    """Follows the channel, and resumes where its connection ended."""

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address
        self._place: dict[str, str] = {}
        self.received: list[tuple[str, tuple[str, str]]] = []
        self.resets = 0
        self.connections = 0

    async def step(self) -> None:
        """One connection, for as long as it lasts."""
        record = self._client.record
        try:
            async with connect(self._address, additional_headers=self._client.headers, proxy=None) as socket:
                await self._follow(socket)
        except InvalidStatus as error:
            body = json.loads(error.response.body or b"{}")
            record.note("connect", error.response.status_code, body.get("type", ""))
        except ConnectionClosed as error:
            record.note("connection", error.rcvd.code if error.rcvd else "aborted")
        except (OSError, TimeoutError) as error:
            record.note("connect", type(error).__name__)

    async def _follow(self, socket: ClientConnection) -> None:
        await socket.send(json.dumps({"op": "subscribe", "channel": CHANNEL, **self._place}))
        async for message in socket:
            frame = json.loads(message)
            match frame["op"]:
                case "subscribed":
                    self.connections += 1
                    self._client.record.note("connect", 200)
                    self._place = self._place or {name: frame[name] for name in ("epoch", "offset")}
                case "event":
                    self._place = {name: frame[name] for name in ("epoch", "offset")}
                    self.received.append((frame["data"], (frame["epoch"], frame["offset"])))
                case "reset":
                    self.resets += 1
                case "error":
                    self._client.record.note("subscribe", frame["status"], frame["type"])
                    return
                case "reconnect":
                    await asyncio.sleep(frame["after_ms"] / 1000)
                    return


class Cut:
    """Asks a service that breaks off in the middle of its answers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def step(self) -> None:
        await self._whole()
        answer = await self._client.ask("cut short", "GET", "/v1/cut/short")
        self._client.record.expect("cut short", found=answer, expected=None)
        await self._long()

    async def _whole(self) -> None:
        try:
            answer = await self._client.http.get("/v1/cut/whole", headers=self._client.headers)
        except httpx.TransportError as error:
            self._client.record.note("cut, whole", type(error).__name__)
            return
        if answer.is_success:
            self._client.record.expect("cut, whole", found=answer.content, expected=_CUT)
            self._client.record.note("cut, whole", answer.status_code)
        else:
            self._client.record.note("cut, whole", answer.status_code, answer.json()["type"])

    async def _long(self) -> None:
        """A long answer must not look complete."""
        try:
            answer = await self._client.http.get("/v1/cut/long", headers=self._client.headers)
        except httpx.RemoteProtocolError:
            self._client.record.note("cut long", "incomplete")
        except httpx.TransportError as error:
            self._client.record.note("cut long", type(error).__name__)
        else:
            self._client.record.expect("cut long", found=answer.is_success, expected=False)
            self._client.record.note("cut long", answer.status_code, answer.json()["type"])


@dataclass(frozen=True)
class Window:
    """When a fault was there."""

    name: str
    began: float
    ended: float


def around(window: Window, outcomes: list[Outcome], recovery_seconds: float) -> list[Outcome]:
    """What happened while something failed, and in the time that recovery may take."""
    return [item for item in outcomes if window.began <= item.at <= window.ended + recovery_seconds]


def is_defined(kind: str, result: int | str) -> bool:
    """Whether it is one of the defined refusals, or the end of a WebSocket whose client is to connect again."""
    return result in REFUSALS or (kind == "connection" and result in {1012, 1013})


@asynccontextmanager
async def http_client(url: str, idle_seconds: float) -> AsyncIterator[httpx.AsyncClient]:
    """A client with as many connections as it likes, which it closes when they were idle for a time.

    A worker that ends closes connections which were idle while it drained; a request must not meet that moment.
    """
    limits = httpx.Limits(max_connections=None, keepalive_expiry=idle_seconds)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as http:
        yield http


def sign_up(
    admin: httpx.Client, counts: Mapping[str, int], roles_of: Callable[[str], list[str]]
) -> list[tuple[str, str, str]]:
    """Create as many users of each kind; return the kind, name and password of each."""
    run = random_secrets.token_hex(3)
    made = []
    for kind, count in counts.items():
        for number in range(count):
            name, password = f"{kind}-{run}-{number}", random_secrets.token_hex(16)
            answer = admin.post("/v1/users", json={"username": name, "password": password, "roles": roles_of(kind)})
            assert answer.status_code == 201, answer.text
            made.append((kind, name, password))
    return made


def row_of(admin: httpx.Client, name: str) -> int:
    """Create a row, and return its id."""
    answer = admin.post("/v1/data/product", json={"name": name})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def stored_names(admin: httpx.Client) -> Counter[str]:
    """The names of all rows."""
    names: Counter[str] = Counter()
    after: dict[str, str] = {}
    while True:
        answer = admin.get("/v1/data/product", params={"limit": 1000, **after})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        names.update(row["name"] for row in page["items"])
        if page["next"] is None:
            return names
        after = {"after": page["next"]}
