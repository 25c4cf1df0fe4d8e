"""The JavaScript client of events in a real browser, with the cookie of whoever is signed in there."""

import time

import httpx
import pytest
from harness import engine
from harness.browser import Person, Visitor
from harness.stack import Stack

pytestmark = pytest.mark.parametrize("build_path", ["pack"], indirect=True, scope="session")

CHANNEL = "app:browser"
EVENTS = 20
PATIENCE_SECONDS = 60

FOLLOW = """async ([channel, transport]) => {
    const {NexusEvents} = await import('/static/nexus-events.js')
    window.received = {data: [], states: [], resets: 0}
    const getTicket = async () => {
        const answer = await fetch('/v1/ws/tickets', {method: 'POST', headers: {'X-Nexus-CSRF': '1'}})
        if (!answer.ok) throw new Error(`no ticket: ${answer.status}`)
        return (await answer.json()).ticket
    }
    const onState = state => received.states.push(state)
    const events = new NexusEvents(location.origin, {getTicket, onState, transport, maxDelayMs: 1000})
    const onEvent = data => received.data.push(data)
    events.subscribe(channel, {onEvent, onReset: () => (received.resets += 1)})
}"""


def publish(administrator: httpx.Client, numbers: range) -> None:
    """Publish numbers, each again while the gateway is away."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    for number in numbers:
        while not _published(administrator, number):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _published(administrator: httpx.Client, number: int) -> bool:
    try:
        answer = administrator.post(f"/v1/channels/{CHANNEL}/messages", json={"data": number})
    except httpx.TransportError:
        return False
    return answer.status_code == 201


@pytest.mark.parametrize("transport", ["websocket", "sse"])
def test_a_page_receives_each_event_once_though_the_gateway_restarts(
    stack: Stack, visitor: Visitor, person: Person, administrator: httpx.Client, transport: str
) -> None:
    visitor.sign_in(person)
    visitor.open("/openapi.json")  # a document of this origin without a policy
    page = visitor.page
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    page.evaluate(FOLLOW, [CHANNEL, transport])
    page.wait_for_function("received.states.at(-1) === 'open'")
    page.wait_for_timeout(500)  # the subscription

    publish(administrator, range(EVENTS))
    page.wait_for_function(f"received.data.length >= {EVENTS}")
    engine.docker("restart", stack.container("nexus-gateway")["Id"])
    publish(administrator, range(EVENTS, 2 * EVENTS))
    page.wait_for_function(f"received.data.length >= {2 * EVENTS}")

    assert page.evaluate("received.data") == list(range(2 * EVENTS))
    assert page.evaluate("received.resets") == 0
    assert page.evaluate("received.states.filter(state => state === 'open').length") >= 2
    stack.wait_until_healthy()
