"""Requests of exact bytes."""

import asyncio


async def raw_request(gateway: str, *lines: str, body: bytes = b"") -> bytes:
    """The answer to a request of exactly these lines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.rpartition(":")[2]))
    writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)
    answer = await reader.read()
    writer.close()
    return answer
