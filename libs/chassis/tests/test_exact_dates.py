"""Each date and moment that Python or PostgreSQL has comes back as it is."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta, timezone

import asyncpg
import pytest
import pytest_asyncio

from nexus_chassis.exact_dates import days_beyond, microseconds_beyond
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


BEYOND = {
    "date": [
        *("10000-01-01", "0001-12-31 BC", "0001-02-29 BC", "0044-03-15 BC", "4714-11-24 BC", "10400-02-29"),
        "5874897-12-31",
    ],
    "timestamptz": [
        *("10000-01-01T00:00:00Z", "0001-12-31T23:59:59.999999Z BC", "4714-11-24T00:00:00Z BC"),
        *("294276-12-31T23:59:59.999999Z", "12345-06-07T08:09:10.000100Z"),
    ],
}
NO_DATES = {
    days_beyond: [
        *(
            "",
            "9999-12-31",
            "0001-01-01",
            "10001-02-29",
            "0002-02-29 BC",
            "10000-1-1",
            "5874899-01-01",
            "4715-01-01 BC",
        ),
        *("10000-01-01T00:00:00Z", "today", "0000-01-01 BC"),
    ],
    microseconds_beyond: [
        *("", "9999-12-31T00:00:00Z", "10000-01-01", "10000-01-01T24:00:01Z", "10000-01-01T00:00:00+01:00", "now"),
        *("294277-01-01T00:00:00Z", "4714-11-23T00:00:00Z BC", "999999-01-01T00:00:00Z"),
    ],
}


async def test_what_python_cannot_have_is_text_in_the_form_that_postgresql_reads(exact: asyncpg.Connection) -> None:
    for kind, texts in BEYOND.items():
        for text in texts:
            assert await exact.fetchval(f"SELECT '{text}'::{kind}") == text
            found = await exact.fetchrow(f"SELECT $1::{kind}, $1::{kind} = '{text}'::{kind}", text)
            assert tuple(found or ()) == (text, True)
        assert await exact.fetchval(f"SELECT $1::{kind}[]", texts) == texts


@pytest.mark.parametrize(("count", "text"), [(count, text) for count, texts in NO_DATES.items() for text in texts])
def test_other_texts_are_no_dates(count: Callable[[str], int], text: str) -> None:
    with pytest.raises(ValueError, match=r"beyond|must be|out of range"):
        count(text)


async def test_a_moment_without_time_zone_is_refused(exact: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.DataError):
        await exact.fetchval("SELECT $1::timestamptz", datetime(2026, 2, 3))  # noqa: DTZ001 - what is refused
