"""The API of the language model, by the `openai` package, which only services with a key import: it takes a second."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
from openai import APIConnectionError, APIResponseValidationError, APIStatusError, AsyncOpenAI, OpenAIError

from classification_service.llm.errors import CallError
from classification_service.llm.models import Outcome
from classification_service.llm.remote_batch import RemoteBatch
from nexus_chassis.strict_json import InvalidJsonError, loads

_CONNECT_SECONDS = 3.0
_FILE_SECONDS = 300.0
_CONNECTIONS = 64
_MAX_ANSWER_BYTES = 1024 * 1024
_MAX_REASON = 300
_MAX_LISTED = 200
_DESCRIPTIONS = frozenset(
    {f"x-stainless-{part}" for part in ("arch", "async", "lang", "os", "package-version", "runtime", "runtime-version")}
)

logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs a line for each call


class OpenAiClient:
    """Calls of one server with one key. A call takes no longer than `seconds`, and is never repeated in here."""

    def __init__(self, base_url: str, key: str, seconds: float) -> None:
        self._seconds = seconds
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(_FILE_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            event_hooks={"request": [_describe_nothing]},
        )
        self._api = AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, http_client=self._http)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def complete(self, body: Mapping[str, Any]) -> object:
        """The completion as the server sent it, any JSON value; raises CallError."""
        with _translate():
            async with (
                asyncio.timeout(self._seconds),
                self._api.chat.completions.with_streaming_response.create(**body) as response,
            ):
                return _parse(await _read(response.iter_bytes()))

    async def upload(self, name: str, content: bytes) -> str:
        """The id of a new file of requests; raises CallError."""
        with _translate():
            async with asyncio.timeout(_FILE_SECONDS):
                file = await self._api.files.create(file=(name, content, "application/jsonl"), purpose="batch")
        return _text(file.id)

    async def create_batch(self, file: str, metadata: dict[str, str]) -> RemoteBatch:
        """A new batch of the requests in a file; raises CallError."""
        with _translate():
            async with asyncio.timeout(self._seconds):
                batch = await self._api.batches.create(
                    input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", metadata=metadata
                )
        return RemoteBatch.of(batch.to_dict())

    async def find_batch(self, metadata: dict[str, str]) -> RemoteBatch | None:
        """The batch with this metadata among the latest ones; raises CallError."""
        with _translate():
            async with asyncio.timeout(self._seconds):
                seen = 0
                async for batch in self._api.batches.list(limit=100):
                    if batch.metadata == metadata:
                        return RemoteBatch.of(batch.to_dict())
                    seen += 1
                    if seen == _MAX_LISTED:
                        break
        return None

    async def get_batch(self, batch: str) -> RemoteBatch:
        """A batch as it is now; raises CallError."""
        with _translate():
            async with asyncio.timeout(self._seconds):
                return RemoteBatch.of((await self._api.batches.retrieve(batch)).to_dict())

    async def cancel_batch(self, batch: str) -> RemoteBatch:
        """A batch after the request to cancel it; raises CallError."""
        with _translate():
            async with asyncio.timeout(self._seconds):
                return RemoteBatch.of((await self._api.batches.cancel(batch)).to_dict())

    async def lines(self, file: str) -> list[object]:
        """The JSON value of each line of a file, None for a line that is none; raises CallError."""
        with _translate():
            async with (
                asyncio.timeout(_FILE_SECONDS),
                self._api.files.with_streaming_response.content(file) as response,
            ):
                return [_parse_line(line) async for line in response.iter_lines() if line.strip()]


async def _describe_nothing(request: httpx2.Request) -> None:
    """Leave out what the package reports of the machine: its system, processor and version of Python."""
    for name in _DESCRIPTIONS & set(request.headers):
        del request.headers[name]


async def _read(parts: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for part in parts:
        content += part
        if len(content) > _MAX_ANSWER_BYTES:
            raise CallError(Outcome.INVALID, f"The answer has more than {_MAX_ANSWER_BYTES} bytes.", billed=True)
    return bytes(content)


def _parse(content: bytes) -> object:
    try:
        answer: object = loads(content)
    except InvalidJsonError as error:
        raise CallError(Outcome.INVALID, f"The answer is not JSON: {error}.", billed=True) from None
    return answer


def _parse_line(line: str) -> object:
    with contextlib.suppress(InvalidJsonError):
        value: object = loads(line)
        return value
    return None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise CallError(Outcome.INVALID, f"The server returned the id {value!r}.")
    return value


@contextmanager
def _translate() -> Iterator[None]:
    """Raise CallError for what the package and its HTTP client raise."""
    try:
        yield
    except CallError:
        raise
    except TimeoutError:
        raise CallError(Outcome.TIMEOUT, "No answer in time.", retry=True, billed=True) from None
    except APIStatusError as error:
        raise _refusal(error) from None
    except APIConnectionError as error:
        # Only of a connection that was never made is it known that the server has nothing of the request.
        unsent = isinstance(error.__cause__, (httpx2.ConnectError, httpx2.ConnectTimeout))
        raise CallError(Outcome.CONNECTION, _reason(error.__cause__ or error), retry=True, billed=not unsent) from None
    except (httpx2.HTTPError, OSError) as error:
        raise CallError(Outcome.CONNECTION, _reason(error), retry=True, billed=True) from None
    except (APIResponseValidationError, OpenAIError, ValueError, TypeError) as error:
        raise CallError(Outcome.INVALID, _reason(error), billed=True) from None


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_MAX_REASON]


_STATUS = {401: Outcome.UNAUTHORIZED, 403: Outcome.UNAUTHORIZED, 408: Outcome.TIMEOUT, 429: Outcome.RATE_LIMITED}


def _refusal(error: APIStatusError) -> CallError:
    """What an error status means; servers do not charge for those."""
    outcome = _STATUS.get(error.status_code, Outcome.SERVER_ERROR if error.status_code >= 500 else Outcome.REJECTED)  # noqa: PLR2004
    empty = "insufficient_quota" in str(error.body)
    return CallError(
        outcome,
        error.message[:_MAX_REASON],
        retry=outcome in {Outcome.TIMEOUT, Outcome.RATE_LIMITED, Outcome.SERVER_ERROR} and not empty,
        retry_after=_retry_after(error.response.headers),
        final=empty or outcome == Outcome.UNAUTHORIZED,
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `Retry-After` in seconds; a date says no more than that there is a wait."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            if 0 <= (seconds := float(headers.get(name, "")) * unit) < float("inf"):
                return seconds
    return None
