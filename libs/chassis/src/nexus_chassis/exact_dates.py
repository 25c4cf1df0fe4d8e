"""Dates and moments between Python and PostgreSQL, the first and the last ones too.

asyncpg's own codecs send those as -infinity and infinity, which come back as others: without time zone, and behind all
that is stored.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Literal

import asyncpg

type Infinity = Literal["infinity", "-infinity"]
"""What PostgreSQL has before and behind all dates; Python has no such date."""

_FIRST_DAY = date(2000, 1, 1).toordinal()  # PostgreSQL counts from there
_FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAYS: dict[str, int] = {"infinity": 2**31 - 1, "-infinity": -(2**31)}
_MICROSECONDS: dict[str, int] = {"infinity": 2**63 - 1, "-infinity": -(2**63)}


async def use_exact_dates(connection: asyncpg.Connection) -> None:
    """Make a connection send and return each date and aware datetime as it is, and infinity as a text."""
    await connection.set_type_codec("date", schema="pg_catalog", encoder=_days, decoder=_date, format="tuple")
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_microseconds, decoder=_moment, format="tuple"
    )


def _days(value: date | Infinity) -> tuple[int]:
    return (_DAYS[value] if isinstance(value, str) else value.toordinal() - _FIRST_DAY,)


def _date(days: tuple[int]) -> date | Infinity:
    try:
        return date.fromordinal(days[0] + _FIRST_DAY)
    except (OverflowError, ValueError):
        return _infinity(days[0], _DAYS)


def _microseconds(value: datetime | Infinity) -> tuple[int]:
    return (_MICROSECONDS[value] if isinstance(value, str) else (value - _FIRST_MOMENT) // _MICROSECOND,)


def _moment(microseconds: tuple[int]) -> datetime | Infinity:
    try:
        return _FIRST_MOMENT + timedelta(0, 0, microseconds[0])
    except OverflowError:
        return _infinity(microseconds[0], _MICROSECONDS)


def _infinity(value: int, known: dict[str, int]) -> Infinity:
    if value == known["infinity"]:
        return "infinity"
    if value == known["-infinity"]:
        return "-infinity"
    raise OverflowError("PostgreSQL has a date that is beyond the years 1 to 9999 of Python")
