"""Each date and moment that Python has goes to PostgreSQL and comes back as it is."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone

import asyncpg
import pytest
import pytest_asyncio

from nexus_chassis.postgres import connect_as_owner
from nexus_chassis.settings import PostgresSettings

DATES = {"0001-01-01": date.min, "0001-01-02": date(1, 1, 2), "2024-02-29": date(2024, 2, 29), "9999-12-31": date.max}
MOMENTS = {
    "0001-01-01 00:00:00+00": datetime.min.replace(tzinfo=UTC),
    "1999-12-31 23:59:59.999999+00": datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "2026-02-03 04:05:06.123457+00": datetime(2026, 2, 3, 4, 5, 6, 123457, tzinfo=UTC),
    "9999-12-31 23:59:59.999999+00": datetime.max.replace(tzinfo=UTC),
}


@pytest_asyncio.fixture
async def exact(postgres_settings: PostgresSettings) -> AsyncIterator[asyncpg.Connection]:
    """A connection of a service, whose session writes times in UTC."""
    async with connect_as_owner(postgres_settings) as connection:
        await connection.execute("SET timezone = 'UTC'")
        yield connection


async def test_dates_come_back_as_they_were_sent(exact: asyncpg.Connection) -> None:
    for text, value in DATES.items():
        assert tuple(await exact.fetchrow("SELECT $1::date, ($1::date)::text", value) or ()) == (value, text)
    values = list(DATES.values())
    assert await exact.fetchval("SELECT $1::date[]", values) == values


async def test_moments_come_back_as_they_were_sent(exact: asyncpg.Connection) -> None:
    for text, value in MOMENTS.items():
        found = await exact.fetchrow("SELECT $1::timestamptz, ($1::timestamptz)::text", value)
        assert tuple(found or ()) == (value, text)
        assert found is not None
        assert found[0].tzinfo is UTC
    values = list(MOMENTS.values())
    assert await exact.fetchval("SELECT $1::timestamptz[]", values) == values
    offset = timezone(timedelta(hours=5, minutes=45))
    assert await exact.fetchval("SELECT $1::timestamptz", values[2].astimezone(offset)) == values[2]


async def test_infinity_is_neither_the_first_nor_the_last_date(exact: asyncpg.Connection) -> None:
    for kind in ("date", "timestamptz"):
        for text in ("infinity", "-infinity"):
            assert await exact.fetchval(f"SELECT $1::{kind}", text) == text
            assert await exact.fetchval(f"SELECT '{text}'::{kind}") == text


async def test_what_python_cannot_have_is_no_other_date(exact: asyncpg.Connection) -> None:
    for text in ("'10000-01-01'::date", "'0001-12-31 BC'::date", "'10000-01-01Z'::timestamptz"):
        with pytest.raises(
            OverflowError, match=r"^PostgreSQL has a date that is beyond the years 1 to 9999 of Python$"
        ):
            await exact.fetchval(f"SELECT {text}")


async def test_a_moment_without_time_zone_is_refused(exact: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.DataError):
        await exact.fetchval("SELECT $1::timestamptz", datetime(2026, 2, 3))  # noqa: DTZ001 - what is refused
