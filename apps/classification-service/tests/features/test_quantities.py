import pytest

from classification_service.features.quantities import MAX_QUANTITIES, read_quantities
from classification_service.features.source_text import SourceText
from classification_service.features.units import Units, load_units

MU = "\N{MICRO SIGN}"


@pytest.fixture(scope="module")
def units() -> Units:
    return load_units()


def read(units: Units, text: str, language: str = "en") -> list[tuple[tuple[float, ...], str | None, str, str]]:
    """(values, unit, form, words of the text as it was given) of each quantity."""
    source = SourceText.of(text)
    return [
        (one.values, one.unit_text, one.form.value, source.spot(one.start, one.end).words)
        for one in read_quantities(source.text, language, units)
    ]


@pytest.mark.parametrize(
    ("text", "language", "values", "unit"),
    [
        ("2,5 mm²", "de", 2.5, "mm2"),
        ("2.5 mm²", "en", 2.5, "mm2"),
        ("1.234,5 kg", "de", 1234.5, "kg"),
        ("1,234.5 kg", "en", 1234.5, "kg"),
        ("1.234 kg", "de", 1234.0, "kg"),
        ("1,234 kg", "en", 1234.0, "kg"),
        ("1,5 kg", "en", 1.5, "kg"),
        ("1'250 W", "de", 1250.0, "W"),
        ("2 500 W", "fr", 2500.0, "W"),
        ("0,125 mm", "en", 0.125, "mm"),
        ("5 x 10^3 Pa", "en", 5000.0, "Pa"),
        ("5 × 10³ Pa", "en", 5000.0, "Pa"),  # noqa: RUF001  a multiplication sign
        ("2e3 W", "en", 2000.0, "W"),
        ("1/2 inch", "en", 0.5, "inch"),
        ('1 1/2"', "en", 1.5, '"'),
        ("1½ inch", "en", 1.5, "inch"),
        ("¾ Zoll", "de", 0.75, "Zoll"),
        ("-40 °C", "en", -40.0, "°C"),
        ("−40 °C", "en", -40.0, "°C"),  # noqa: RUF001  a minus sign
        ("２５０Ｖ", "en", 250.0, "V"),  # noqa: RUF001  full width
        ("٢٥٠ V", "en", 250.0, "V"),
        ("120MM", "en", 120.0, "MM"),
        ("B16A", "en", 16.0, "A"),
        (f"47 {MU}F", "en", 47.0, "\N{GREEK SMALL LETTER MU}F"),
    ],
)
def test_a_number_with_its_unit(units: Units, text: str, language: str, values: float, unit: str) -> None:
    assert [(found[0], found[1]) for found in read(units, text, language)] == [((values,), unit)]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("-20...+60 °C", "en", [((-20.0, 60.0), "°C", "range", "-20...+60 °C")]),
        ("-80 bis +538 °C", "de", [((-80.0, 538.0), "°C", "range", "-80 bis +538 °C")]),
        ("10–16 A", "en", [((10.0, 16.0), "A", "range", "10–16 A")]),  # noqa: RUF001  a dash
        ("20 - 400W", "en", [((20.0, 400.0), "W", "range", "20 - 400W")]),
        ("100 mA to 10 A", "en", [((0.1, 10.0), "A", "range", "100 mA to 10 A")]),
        ("100~240V", "en", [((100.0, 240.0), "V", "range", "100~240V")]),
        ("230/400 V", "en", [((230.0, 400.0), "V", "slash", "230/400 V")]),
        ("25A/30mA", "en", [((25.0,), "A", "single", "25A"), ((30.0,), "mA", "single", "30mA")]),
        ("3~ 400 V", "en", [((3.0,), None, "single", "3"), ((400.0,), "V", "single", "400 V")]),
        ("3x1.5mm2", "en", [((3.0,), None, "cross", "3"), ((1.5,), "mm2", "cross", "1.5mm2")]),
        ("4G2,5 mm²", "de", [((4.0,), None, "cross", "4"), ((2.5,), "mm2", "cross", "2,5 mm²")]),
        (
            "120 x 80 x 40 mm",
            "en",
            [
                ((120.0,), "mm", "cross", "120"),
                ((80.0,), "mm", "cross", "80"),
                ((40.0,), "mm", "cross", "40 mm"),
            ],
        ),
        ("16-10 A", "en", [((10.0,), "A", "single", "10 A")]),
    ],
)
def test_numbers_that_belong_together(units: Units, text: str, language: str, expected: object) -> None:
    assert read(units, text, language) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-27 is a date",
        "9" * 10_000 + " mm",
        "1e999999 mm",
        "1e-999999 mm",
        "9e99 mm",
        "1.2.3.4 mm",
        "12,34,56 mm",
        "H07V-K",
        "nan mm, inf A, NaN, Infinity V",
        "m**9**9**9",
        "__import__('os').system('true') m",
    ],
)
def test_what_is_no_number_with_a_unit_is_none(units: Units, text: str) -> None:
    assert [found for found in read(units, text) if found[1] is not None] == []


def test_the_preposition_in_is_no_inch(units: Units) -> None:
    assert read(units, "5 in 1 tool, 3 in") == [
        ((5.0,), None, "single", "5"),
        ((1.0,), None, "single", "1"),
        ((3.0,), "in", "single", "3 in"),
    ]


def test_of_many_quantities_the_first_are_read(units: Units) -> None:
    assert len(read(units, "12 mm " * 1000)) == MAX_QUANTITIES


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (1, "inch", "mm", 25.4),
        (0.5, "kW", "W", 500),
        (100, "°F", "°C", 37.7777778),
        (-40, "°C", "°F", -40),
        (1, "bar", "psi", 14.5037738),
        (120, "l/min", "m³/h", 7.2),
        (1, "m²", "mm²", 1e6),
        (3000, "1/min", "1/s", 50),
        (1, "hp", "kW", 0.745699872),
        (1, "lb", "kg", 0.45359237),
    ],
)
def test_pint_says_what_units_are_worth(units: Units, value: float, unit: str, to: str, expected: float) -> None:
    first, second = units.named(unit), units.named(to)
    assert first is not None
    assert second is not None
    assert first.convert(value, second) == expected


@pytest.mark.parametrize(
    ("title", "same"),
    [
        *(
            ("Millimetre", "mm"),
            ("Square millimetre", "mm²"),
            ("Cubic metre per hour", "m³/h"),
            ("Kilowatt (kW)", "kW"),
        ),
        *(("Degree Celsius", "°C"), ("Ampere hour", "Ah"), ("Newton metre", "Nm"), ("Ohm", "Ω"), ("decibel", "dB(A)")),
    ],
)
def test_titles_of_units_may_be_their_names(units: Units, title: str, same: str) -> None:
    assert units.named(title) is not None
    assert units.named(title) == units.named(same)


def test_units_of_two_kinds_are_kept_apart(units: Units) -> None:
    kinds = {
        name: found.kind for name in ("Nm", "kWh", "W", "VA", "Hz", "1/min", "K", "°C") if (found := units.named(name))
    }
    assert len(set(kinds.values())) == 8


def test_a_title_that_is_no_known_unit_is_not_computed(units: Units) -> None:
    assert [units.named(title) for title in ("m**9**9**9", "__import__('os')", "", "AWG", "meter * meter")] == [
        None
    ] * 5
