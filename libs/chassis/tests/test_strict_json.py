import json
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest

from nexus_chassis.strict_json import DuplicateNameError, InvalidJsonError, loads


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, "x", true, null]}', {"a": [1, 2.5, "x", True, None]}),
        (' "\\ud83d\\ude00" ', "😀"),
        (b'"\xc3\xa9"', "é"),
        ('"[{,}]\\"[{,}]"', '[{,}]"[{,}]'),
        ("-0.0", -0.0),
    ],
)
def test_a_json_text_is_read(text: str | bytes, value: object) -> None:
    assert loads(text) == value


def test_decimals_keep_every_digit() -> None:
    numbers = loads("[0.1234567890123456789, 1e400, 7, -0, -0.0]", decimals=True)
    assert [str(number) for number in numbers] == ["0.1234567890123456789", "1E+400", "7", "-0", "-0.0"]
    assert [type(number) for number in numbers] == [Decimal, Decimal, int, Decimal, Decimal]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"{", "Expecting property name enclosed in double quotes at line 1, column 2"),
        (b"[1]x", "Extra data at line 1, column 4"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the name 'c' is given twice in one object"),
        (b"NaN", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"1e999", "the number 1e999 is too large"),
        (b"1" * 5000, "it has a number with too many digits"),
        (b'\xef\xbb\xbf"a"', "it begins with a byte order mark; leave that out"),
        (b'"\xe9"', "it is not UTF-8: byte 1 is 0xe9"),
        ('"a"'.encode("utf-16"), "it is not UTF-8: byte 0 is 0xff"),
        (b'"\\ud800"', "it has a lone surrogate"),
        (b'"\\udc00x"', "it has a lone surrogate"),
        (b"[" * 65 + b"]" * 65, "it is nested more than 64 deep"),
        (b"[" * 100_000, "it is nested more than 64 deep"),
        (b"[" + b"{}," * 60_000 + b"{}]", "it has more than 100000 values"),
        (json.dumps(dict.fromkeys(map(str, range(1001)))).encode(), "an object has more than 1000 members"),
    ],
)
def test_what_is_not_strict_json_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidJsonError) as refused:
        loads(text)

    assert str(refused.value).startswith(reason)


def test_a_lone_surrogate_in_a_python_string_is_refused() -> None:
    with pytest.raises(InvalidJsonError, match="lone surrogate"):
        loads('"\ud800"')


@pytest.mark.parametrize(
    "text", [b"[" + b"{}," * 1_000_000 + b"{}]", b"[" * 2_000_000, b'"' + b"\\" * 1_000_000, b'{"a":' * 300_000]
)
def test_refusing_a_hostile_text_takes_less_memory_than_three_times_its_size(text: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(InvalidJsonError):
        loads(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 3 * len(text) + 200_000


def test_every_value_of_the_fuzzed_texts_is_read_as_the_standard_reader_does_or_refused() -> None:
    texts: list[Any] = ['{"a":1}', "[1,[2,[3]]]", '"\\u00e9"', "1.5e3", "true", '{"a":{"b":[null]}}']
    for text in texts:
        for position in range(len(text)):
            for character in '"{}[],:\\0e \t\x00':
                changed = text[:position] + character + text[position + 1 :]
                try:
                    value = loads(changed)
                except InvalidJsonError:
                    continue
                assert value == json.loads(changed)


def test_a_duplicate_name_is_an_error_of_its_own() -> None:
    with pytest.raises(DuplicateNameError):
        loads('{"a": 1, "a": 2}')
