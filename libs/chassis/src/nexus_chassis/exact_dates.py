"""Dates and moments between Python and PostgreSQL, the first and the last ones too.

asyncpg's own codecs send those as -infinity and infinity, which come back as others: without time zone, and behind all
that is stored. PostgreSQL has dates beyond the years 1 to 9999 of Python. They are texts here, in the ISO form that
PostgreSQL reads: `infinity`, `10000-01-01`, `0044-03-15 BC`, `10000-01-01T00:00:00Z`, `0044-03-15T00:00:00Z BC`.
"""

import re
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta

import asyncpg

_FIRST_DAY = date(2000, 1, 1).toordinal()  # PostgreSQL counts from there
_FIRST_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097
"""The Gregorian calendar repeats itself, so Python can count in its own years."""

_DAYS: dict[str, int] = {"infinity": 2**31 - 1, "-infinity": -(2**31)}
_MICROSECONDS: dict[str, int] = {"infinity": 2**63 - 1, "-infinity": -(2**63)}
_DAYS_OF_POSTGRESQL = range(-2_451_545, 2_145_031_949)
_MICROSECONDS_OF_POSTGRESQL = range(-211_813_488_000_000_000, 9_223_371_331_200_000_000)
_DAY_BEYOND = re.compile(r"([0-9]{4,7})-([0-9]{2}-[0-9]{2})( BC)?")
_MOMENT_BEYOND = re.compile(r"([0-9]{4,6}-[0-9]{2}-[0-9]{2})T([0-9:.]{8,15})Z( BC)?")


async def use_exact_dates(connection: asyncpg.Connection) -> None:
    """Make a connection send and return each date and aware datetime as it is, and those beyond Python's as texts."""
    await connection.set_type_codec("date", schema="pg_catalog", encoder=_days, decoder=_date, format="tuple")
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_microseconds, decoder=_moment, format="tuple"
    )


def days_beyond(text: str) -> int:
    """Return the number of days since 2000 of a date of PostgreSQL that is beyond Python's.

    Raises:
        ValueError: It is the text of no such date.
    """
    if text in _DAYS:
        return _DAYS[text]
    found = _DAY_BEYOND.fullmatch(text)
    year = 1 if found is None else 1 - int(found[1]) if found[3] else int(found[1])
    if found is None or MINYEAR <= year <= MAXYEAR:
        raise ValueError(f"{text!r} is no date beyond the years 1 to 9999")
    cycles, place = divmod(year - 2000, _CYCLE_YEARS)
    day = date.fromisoformat(f"{2000 + place}-{found[2]}").toordinal() - _FIRST_DAY
    return _within(cycles * _CYCLE_DAYS + day, _DAYS_OF_POSTGRESQL, text)


def microseconds_beyond(text: str) -> int:
    """Return the number of microseconds since 2000 of a moment of PostgreSQL that is beyond Python's.

    Raises:
        ValueError: It is the text of no such moment.
    """
    if text in _MICROSECONDS:
        return _MICROSECONDS[text]
    if (found := _MOMENT_BEYOND.fullmatch(text)) is None:
        raise ValueError(f"{text!r} is no moment beyond the years 1 to 9999")
    of_day = time.fromisoformat(found[2])
    since = timedelta(hours=of_day.hour, minutes=of_day.minute, seconds=of_day.second, microseconds=of_day.microsecond)
    microseconds = days_beyond(found[1] + (found[3] or "")) * _DAY + since // _MICROSECOND
    return _within(microseconds, _MICROSECONDS_OF_POSTGRESQL, text)


def _within(value: int, known: range, text: str) -> int:
    if value not in known:
        raise ValueError(f"{text!r} is beyond what PostgreSQL has")
    return value


def _days(value: date | str) -> tuple[int]:
    return (days_beyond(value) if isinstance(value, str) else value.toordinal() - _FIRST_DAY,)


def _date(days: tuple[int]) -> date | str:
    try:
        return date.fromordinal(days[0] + _FIRST_DAY)
    except (OverflowError, ValueError):
        return _infinity(days[0], _DAYS) or " ".join(_day_beyond(days[0]))


def _microseconds(value: datetime | str) -> tuple[int]:
    return (microseconds_beyond(value) if isinstance(value, str) else (value - _FIRST_MOMENT) // _MICROSECOND,)


def _moment(microseconds: tuple[int]) -> datetime | str:
    try:
        return _FIRST_MOMENT + timedelta(0, 0, microseconds[0])
    except OverflowError:
        return _infinity(microseconds[0], _MICROSECONDS) or _moment_beyond(microseconds[0])


def _infinity(value: int, known: dict[str, int]) -> str | None:
    return next((text for text, number in known.items() if number == value), None)


def _day_beyond(days: int) -> list[str]:
    """Return the date, and BC where it is before the year 1."""
    cycles, place = divmod(days, _CYCLE_DAYS)
    day = date.fromordinal(_FIRST_DAY + place)
    year = day.year + cycles * _CYCLE_YEARS
    return [f"{year:04}-{day:%m-%d}"] if year > 0 else [f"{1 - year:04}-{day:%m-%d}", "BC"]


def _moment_beyond(microseconds: int) -> str:
    days, since = divmod(microseconds, _DAY)
    day, *era = _day_beyond(days)
    of_day = (_FIRST_MOMENT + timedelta(microseconds=since)).time().isoformat()
    return " ".join([f"{day}T{of_day}Z", *era])
