"""What clients of HTTP sessions send about a request that another worker process answers."""

import asyncio
import json
import logging

from redis.asyncio import Redis

from mcp_server.dispatch.in_flight import InFlight
from mcp_server.dispatch.questions import Questions
from mcp_server.notices.service import Fields, Notices
from mcp_server.protocol.messages import MessageId, Reply
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors

CANCEL, REPLY = "cancel", "reply"
"""Topics of notices."""

_KEPT_SECONDS = 60
_log = logging.getLogger(__name__)


class Elsewhere:
    """Passes answers and cancellations on to the process that waits for them."""

    def __init__(self, redis: Redis, notices: Notices, questions: Questions, in_flight: InFlight) -> None:
        self._redis = redis
        self._notices = notices
        self._questions = questions
        self._in_flight = in_flight
        self._fetching: set[asyncio.Task[None]] = set()

    async def answer(self, client: str, reply: Reply) -> None:
        """Take a client's answer to a request of the server. Raises RedisUnavailableError."""
        if self._questions.answer(client, reply):
            return
        key = _key(client, str(reply.message_id))
        with translate_redis_errors():
            await self._redis.set(key, json.dumps(reply.result), ex=_KEPT_SECONDS)
        await self._notices.publish(REPLY, client=client, id=str(reply.message_id))

    async def cancel(self, client: str, message_id: MessageId) -> None:
        """Cancel a request of a client. Raises RedisUnavailableError."""
        if not self._in_flight.cancel(client, message_id):
            await self._notices.publish(CANCEL, client=client, id=json.dumps(message_id))

    def on_cancel(self, _topic: str, fields: Fields) -> None:
        """Cancel what another process was asked to cancel, if it runs here."""
        self._in_flight.cancel(fields["client"], json.loads(fields["id"]))

    def on_reply(self, _topic: str, fields: Fields) -> None:
        """Fetch an answer that another process received, if its request waits here."""
        if self._questions.waits(fields["client"], fields["id"]):
            task = asyncio.create_task(self._fetch(fields["client"], fields["id"]))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)

    async def _fetch(self, client: str, message_id: str) -> None:
        try:
            with translate_redis_errors():
                text = await self._redis.getdel(_key(client, message_id))
        except (RedisUnavailableError, PoolExhaustedError) as error:
            _log.warning("an answer of a client was not received: %s", error)
            return
        if text is not None:
            self._questions.answer(client, Reply(message_id, json.loads(text)))


def _key(client: str, message_id: str) -> str:
    return f"mcp:reply:{client}:{message_id}"
