"""One story through the whole stack: products in, codes on them, the same codes for an agent, and word of each change."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from harness.figures import Figures
from harness.stack import Stack, login
from websockets.sync.client import ClientConnection, connect

PRODUCTS = Path(__file__).with_name("products.csv")
CHANNEL = "data:product"
RIGHT_SHARE = 0.7
ANSWER_SECONDS = 30

# The third are those of the first after `nexusctl rebase`.
pytestmark = pytest.mark.parametrize("build_path", ["pack", "dockerfile", "rebased"], indirect=True, scope="session")


class Named(NamedTuple):
    """A product's name and the two digits of the UNSPSC segment that it belongs to."""

    name: str
    segment: str


class Story(NamedTuple):
    """What has happened by the end of the story."""

    ids: list[int]
    codes: list[str]
    rest_items: list[dict[str, Any]]
    rows: dict[int, dict[str, Any]]
    events: list[dict[str, Any]]
    told: dict[str, str]


@pytest.fixture(scope="module")
def named() -> list[Named]:
    with PRODUCTS.open(newline="") as stream:
        return [Named(**row) for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with login(stack) as client:
        yield client


@pytest.fixture(scope="module")
def story(stack: Stack, client: httpx.Client, named: list[Named]) -> Story:
    """Create the products, classify them, write the codes on them, read them again; listen all the while."""
    with listening(stack, client) as socket:
        ids = created(client, [product.name for product in named])
        items = classified(client, [product.name for product in named])
        codes = [item["code"] for item in items]
        for row_id, code in zip(ids, codes, strict=True):
            answer = client.patch(f"/v1/data/product/{row_id}", json={"unspsc_code": code})
            assert answer.status_code == 200, answer.text
        events = [hear(socket) for _ in range(1 + len(ids))]  # the rows of a bulk request are one event
        (mark,) = created(client, ["The event after which no other may have come"])
        last = hear(socket)
    assert (last["data"]["op"], last["data"]["id"]) == ("create", mark)
    return Story(ids, codes, items, rows_of(client), events, told=places(events))


@contextmanager
def listening(stack: Stack, client: httpx.Client) -> Iterator[ClientConnection]:
    """Open the gateway's WebSocket and subscribe to the changes of products."""
    headers = {"Authorization": client.headers["Authorization"]}
    with connect(f"ws://localhost:{stack.gateway_port}/v1/ws", additional_headers=headers, proxy=None) as socket:
        socket.send(json.dumps({"op": "subscribe", "channel": CHANNEL}))
        answer = hear(socket)
        assert (answer["op"], answer["channel"]) == ("subscribed", CHANNEL), answer
        yield socket


def hear(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message."""
    message: dict[str, Any] = json.loads(socket.recv(timeout=ANSWER_SECONDS))
    return message


def places(events: list[dict[str, Any]]) -> dict[str, str]:
    """Return each event's place in its channel, by offset: the epochs."""
    return {event["offset"]: event["epoch"] for event in events}


def created(client: httpx.Client, names: list[str]) -> list[int]:
    """Create products and return their ids in the same order."""
    answer = client.post("/v1/data/product/bulk", json=[{"name": name} for name in names])
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["created"] == len(names)
    ids: list[int] = body["ids"]
    return ids


def classified(client: httpx.Client, names: list[str]) -> list[dict[str, Any]]:
    """Return the classifier's answer for each name."""
    body = {"taxonomy": "unspsc", "items": [{"text": name} for name in names]}
    answer = client.post("/v1/classification/classify", json=body)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def rows_of(client: httpx.Client) -> dict[int, dict[str, Any]]:
    """Read all products, page by page, by id."""
    rows: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        answer = client.get("/v1/data/product", params={"limit": 20, **after})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        rows += page["items"]
        if page["next"] is None:
            return {row["id"]: row for row in rows}
        after = {"after": page["next"]}


class Agent:
    """An MCP client on WebSocket, of the era that begins with `initialize`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._calls = 0

    def call(self, method: str, **params: Any) -> Any:  # noqa: ANN401 # any JSON
        """Return the result of a request."""
        self._calls += 1
        request = {"jsonrpc": "2.0", "id": self._calls, "method": method, "params": params}
        self._socket.send(json.dumps(request))
        answer = hear(self._socket)
        assert answer["id"] == self._calls
        assert "error" not in answer, answer
        return answer["result"]

    def begin(self) -> None:
        """Begin a session."""
        client = {"name": "story", "version": "1"}
        begun = self.call("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
        assert begun["protocolVersion"] == "2025-11-25"
        self.tell("notifications/initialized")

    def use(self, tool: str, **arguments: Any) -> Any:  # noqa: ANN401 # any JSON
        """Return what a tool returns."""
        result = self.call("tools/call", name=tool, arguments=arguments)
        assert not result.get("isError"), result
        return result["structuredContent"]

    def tell(self, method: str) -> None:
        """Send a notification."""
        self._socket.send(json.dumps({"jsonrpc": "2.0", "method": method}))


@pytest.fixture
def agent(stack: Stack, client: httpx.Client) -> Iterator[Agent]:
    scopes = ["tools:call", "data:read", "data:write", "classify"]
    answer = client.post("/v1/tokens", json={"audience": "mcp-server", "scopes": scopes})
    assert answer.status_code in {200, 201}, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    address = f"ws://localhost:{stack.mcp_port}/mcp"
    with connect(address, additional_headers=headers, subprotocols=["mcp"], proxy=None) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "mcp"
        yield Agent(socket)


def test_every_product_has_a_code(story: Story, named: list[Named]) -> None:
    assert len(named) == 50
    assert [item.get("error") for item in story.rest_items] == [None] * 50
    assert [len(code) for code in story.codes] == [8] * 50


def test_codes_are_mostly_in_the_right_segment(
    story: Story, named: list[Named], figures: Figures, build_path: str
) -> None:
    wrong = [
        f"{product.name}: {code}, not {product.segment}"
        for product, code in zip(named, story.codes, strict=True)
        if not code.startswith(product.segment)
    ]
    right = len(named) - len(wrong)
    print("\n".join(wrong))  # noqa: T201 # shown if the test fails
    figures.at_least(f"UNSPSC segments right of {len(named)} products, {build_path}", right, RIGHT_SHARE * len(named))


def test_codes_are_read_back_as_written(story: Story, named: list[Named]) -> None:
    written = [
        (row_id, product.name, code) for row_id, product, code in zip(story.ids, named, story.codes, strict=True)
    ]
    read = [(row["id"], row["name"], row["unspsc_code"]) for row in map(story.rows.__getitem__, story.ids)]
    assert read == written


def test_listener_hears_of_each_change_once_and_in_order(story: Story) -> None:
    assert {(event["op"], event["channel"]) for event in story.events} == {("event", CHANNEL)}
    first, *updates = [event["data"] for event in story.events]
    assert (first["op"], first["count"]) == ("create", len(story.ids))
    assert [(event["op"], event["id"]) for event in updates] == [("update", row_id) for row_id in story.ids]
    assert [event["changed"] for event in updates] == [["unspsc_code"]] * len(story.ids)


def test_the_feed_has_the_changes_that_the_events_name(client: httpx.Client, story: Story) -> None:
    first, *updates = [event["data"] for event in story.events]
    changes = client.get("/v1/data/changes", params={"after": first["after"], "limit": 1000}).json()["items"]
    expected = [("create", row_id) for row_id in story.ids] + [("update", row_id) for row_id in story.ids]
    assert [(change["op"], change["id"]) for change in changes][: len(expected)] == expected
    places = [change["event"] for change in changes]
    assert places[len(story.ids) - 1 : len(expected)] == [first["event"], *(event["event"] for event in updates)]


def test_each_event_has_its_own_place_in_one_epoch(story: Story) -> None:
    assert len(story.told) == 1 + len(story.ids)
    assert len(set(story.told.values())) == 1


def test_agent_gets_the_same_codes_over_websocket(agent: Agent, story: Story, named: list[Named]) -> None:
    agent.begin()
    assert "classify_products" in [tool["name"] for tool in agent.call("tools/list")["tools"]]
    items = agent.use("classify_products", products=[{"text": product.name} for product in named])["items"]
    assert [item["code"] for item in items] == story.codes
    assert [item["confidence"] for item in items] == [item["confidence"] for item in story.rest_items]


def test_agent_changes_rows_and_reads_codes(agent: Agent, story: Story) -> None:
    agent.begin()
    new = agent.use("create_row", model="Product", fields={"name": "Cable tie"})
    row = str(new["id"])
    assert agent.use("update_row", model="Product", id=row, fields={"supplier": "Norm"})["supplier"] == "Norm"
    found = agent.use("query_rows", model="Product", filter={"id": new["id"]}, fields=["name", "supplier"])
    assert found == {"items": [{"name": "Cable tie", "supplier": "Norm"}]}
    version = agent.use("get_row", model="Product", id=row)["version"]
    agent.use("update_row", model="Product", id=row, fields={"supplier": "Nord"}, version=version)
    newer = agent.use("get_row", model="Product", id=row)
    assert (newer["row"]["supplier"], newer["version"]) == ("Nord", str(int(version) + 1))
    deleted = agent.use("delete_row", model="Product", id=row, version=newer["version"])
    assert deleted == {"deleted": True, "id": row}
    assert agent.use("query_rows", model="Product", filter={"id": new["id"]}) == {"items": []}
    code = agent.use("get_code", code=story.codes[0])
    assert code["path"][-1]["code"] == story.codes[0]
    found = agent.use("search_codes", query=code["title"], limit=200)
    assert code["code"] in [one["code"] for one in found["items"]]


def test_nobody_gets_in_without_a_token(stack: Stack) -> None:
    answers = [
        httpx.get(f"{stack.gateway}/v1/data/product", trust_env=False),
        httpx.post(f"http://localhost:{stack.mcp_port}/mcp", json={}, trust_env=False),
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert [answer.headers["Content-Type"] for answer in answers] == ["application/problem+json"] * 2
