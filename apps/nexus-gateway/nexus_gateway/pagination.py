"""Lists in pages: `limit` items after the cursor `after`, and the cursor of the page that follows."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, NamedTuple

from fastapi import Query

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="items of the page at most")]


class Slice[T](NamedTuple):
    """A page; `next` is the `after` of the page that follows, None at the end."""

    items: Sequence[T]
    next: str | None


def cut[T](found: Sequence[T], limit: int, cursor: Callable[[T], str]) -> Slice[T]:
    """The first `limit` of what was found, which is one more where another page follows."""
    items = found[:limit]
    return Slice(items, cursor(items[-1]) if len(found) > limit else None)


async def fetch_all[T](fetch: Callable[[str], Awaitable[Slice[T]]]) -> list[T]:
    """The items of all pages; `fetch` returns the page after a cursor, which is "" for the first."""
    items: list[T] = []
    after: str | None = ""
    while after is not None:
        page = await fetch(after)
        items += page.items
        after = page.next
    return items
