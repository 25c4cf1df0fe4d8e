"""Messages that nobody should send: each has the right answer, and the service goes on."""

from collections import Counter

import aiohttp
from fuzzed import MESSAGES, check, texts
from mcp_clients import message


async def test_damaged_messages_over_http_are_answered_with_the_right_codes(client: aiohttp.ClientSession) -> None:
    seen: Counter[object] = Counter()
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    for text in texts(7):
        response = await client.post("/mcp", data=text.encode(), headers=headers)
        seen[response.status] += 1
        if response.status != 202:
            assert response.status in {200, 400, 403, 404}, (response.status, text)
            check(await response.json(content_type=None))
    assert seen[200] > 500
    assert seen[400] > 500


async def test_damaged_messages_over_websocket_do_not_end_the_connection(client: aiohttp.ClientSession) -> None:
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    answered = 0
    for number, text in enumerate(texts(8)):
        await socket.send_str(text)
        if number % 20 == 0:  # whatever was sent is answered before this one, but for what takes a while
            await socket.send_json(message("ping", message_id=f"ping-{number}"))
            while (answer := await socket.receive_json(timeout=20)).get("id") != f"ping-{number}":
                check(answer)
                answered += 1
    assert answered > MESSAGES // 2
