import time

import pytest

from classification_service.features.class_index import ClassIndex, index_class
from classification_service.features.models import EtimClass, Readings
from classification_service.features.reading import MAX_READ, AttributeValue, read_item
from classification_service.features.units import Units, load_units
from classification_service.taxonomies.models import ClassFeature, Term


def feature(title: str, kind: str, unit: str | None = None, *values: str) -> ClassFeature:
    return ClassFeature(
        code=title,
        title=title,
        kind=kind,
        unit=None if unit is None else Term(code=unit, title=unit),
        values=tuple(Term(code=value, title=value) for value in values),
    )


BOX = (
    feature("Length", "numeric", "mm"),
    feature("Width", "numeric", "mm"),
    feature("Height", "numeric", "mm"),
    feature("Wall thickness", "numeric", "mm"),
    feature("Nominal voltage", "range", "V"),
    feature("Nominal current", "numeric", "A"),
    feature("Breaking capacity", "numeric", "kA"),
    feature("Ambient temperature", "range", "°C"),
    feature("Weight", "numeric", "kg"),
    feature("Number of poles", "numeric"),
    feature("Number of cable entries", "numeric"),
    feature("Material", "alphanumeric", None, "Steel", "Stainless steel", "Polyvinyl chloride (PVC)", "Other"),
    feature("Material cover", "alphanumeric", None, "Steel", "Glass", "Polyvinyl chloride (PVC)"),
    feature("Colour", "alphanumeric", None, "Black", "Red", "Grey", "Light grey"),
    feature("Degree of protection (IP)", "alphanumeric", None, "IP20", "IP65", "IP66"),
    feature("Release characteristic", "alphanumeric", None, "B", "C", "D"),
    feature("Size", "alphanumeric", None, "S", "M", "L"),
    feature("With lock", "logical"),
    feature("Halogen free", "logical"),
    feature("Suitable for outdoor use", "logical"),
)


@pytest.fixture(scope="module")
def units() -> Units:
    return load_units()


@pytest.fixture(scope="module")
def box(units: Units) -> ClassIndex:
    return index_class(EtimClass(code="EC000001", title="Box", features=BOX), units)


class Reader:
    """Reads items of the class BOX."""

    def __init__(self, index: ClassIndex, units: Units) -> None:
        self._index = index
        self._units = units

    def item(self, text: str, language: str = "en", **attributes: AttributeValue) -> Readings:
        return read_item(self._index, self._units, text=text, attributes=attributes, language=language)

    def values(self, text: str, language: str = "en", **attributes: AttributeValue) -> dict[str, object]:
        """The values by feature; those of alphanumeric ones by their titles."""
        found = self.item(text, language, **attributes).found
        return {one.feature.title: one.value.title if isinstance(one.value, Term) else one.value for one in found}

    def sure(self, text: str) -> dict[str, object]:
        """The values with a confidence of 0.8 at least."""
        found = self.item(text).found
        return {
            one.feature.title: one.value.title if isinstance(one.value, Term) else one.value
            for one in found
            if one.confidence >= 0.8
        }


@pytest.fixture
def reader(box: ClassIndex, units: Units) -> Reader:
    return Reader(box, units)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("length 120 mm, width 80 mm, height 40 mm", "en", {"Length": 120.0, "Width": 80.0, "Height": 40.0}),
        ("12 cm long 8 cm wide 4 cm high", "en", {"Length": 120.0, "Width": 80.0, "Height": 40.0}),
        ("Länge 120 mm Breite 80 mm Höhe 40 mm", "de", {"Length": 120.0, "Width": 80.0, "Height": 40.0}),
        ("largo 0,12 m, ancho 8 cm, alto 4 cm", "es", {"Length": 120.0, "Width": 80.0, "Height": 40.0}),
        ("120x80x40 mm", "en", {"Length": 120.0, "Width": 80.0, "Height": 40.0}),
        ("40 x 120 x 80 mm (H x L x W)", "en", {"Length": 120.0, "Width": 80.0, "Height": 40.0}),
        ("L=120 mm B=80 mm H=40 mm", "de", {"Length": 120.0, "Width": 80.0, "Height": 40.0}),
        ("wall thickness 2 mm", "en", {"Wall thickness": 2.0}),
        ("100-240 V", "en", {"Nominal voltage": (100.0, 240.0)}),
        ("24 V", "en", {"Nominal voltage": (24.0, 24.0)}),
        ("-20...+60 °C", "en", {"Ambient temperature": (-20.0, 60.0)}),
        ("16 A, 6 kA", "en", {"Nominal current": 16.0, "Breaking capacity": 6.0}),
        ("3 pole with 2 cable entries", "en", {"Number of poles": 3.0, "Number of cable entries": 2.0}),
        ("4-polig", "de", {"Number of poles": 4.0}),
        ("C16", "en", {"Nominal current": 16.0, "Release characteristic": "C"}),
        ("C 16 A", "en", {"Nominal current": 16.0, "Release characteristic": "C"}),
        ("B-10A", "en", {"Nominal current": 10.0, "Release characteristic": "B"}),
        ("IP 65", "en", {"Degree of protection (IP)": "IP65"}),
        ("schwarz", "de", {"Colour": "Black"}),
        ("acero inoxidable", "es", {"Material": "Stainless steel"}),
        ("light grey", "en", {"Colour": "Light grey"}),
        ("glass cover, steel", "en", {"Material": "Steel", "Material cover": "Glass"}),
        ("size M", "en", {"Size": "M"}),
        ("with lock, halogen free", "en", {"With lock": True, "Halogen free": True}),
        ("without lock", "en", {"With lock": False}),
        ("nicht halogenfrei", "de", {"Halogen free": False}),
        ("halogen free: no", "en", {"Halogen free": False}),
        ("suitable for outdoor use", "en", {"Suitable for outdoor use": True}),
    ],
)
def test_values_are_read_out_of_texts(reader: Reader, text: str, language: str, expected: dict[str, object]) -> None:
    assert reader.values(text, language) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a box for many things",
        "pack of 100, article 5SL6-116, 2026",
        "M8, type L, version C, size",  # letters without the feature's name
        "not black, no steel",
        "other",
        "12 mm 13 mm 14 mm 15 mm",  # which is which?
        "200 kWh 5 Nm 30 Hz",  # no feature has these units
        "16",
        "length of 9e99 mm",
    ],
)
def test_nothing_is_made_up(reader: Reader, text: str) -> None:
    assert reader.sure(text) == {}


@pytest.mark.parametrize(
    ("text", "feature_title"),
    [
        ("working length 120 mm", "Length"),  # of something else
        ("12 V 24 V", "Nominal voltage"),
        ("black and red", "Colour"),
        ("for black walls", "Colour"),
        ("spring steel", "Material"),
        ("1,200 kg", "Weight"),
    ],
)
def test_what_may_mean_something_else_is_less_sure(reader: Reader, text: str, feature_title: str) -> None:
    assert feature_title not in reader.sure(text)


def test_each_value_has_the_words_it_came_from_at_their_place(reader: Reader) -> None:
    text = (
        "Box \N{ZERO WIDTH SPACE}of acier inoxydable, longueur\N{NO-BREAK SPACE}１２０ mm e\N{COMBINING ACUTE ACCENT}"  # noqa: RUF001
    )
    found = reader.item(text, "fr").found
    assert [(one.feature.title, one.unit_text, one.spot.words) for one in found] == [
        ("Length", "mm", "１２０ mm"),  # noqa: RUF001  full width
        ("Material", None, "acier inoxydable"),
    ]
    assert [text[one.spot.start : one.spot.end] for one in found] == [one.spot.words for one in found]


def test_features_without_a_value_are_open_in_the_order_of_the_class(reader: Reader) -> None:
    readings = reader.item("steel, 5 kg")
    assert [one.feature.title for one in readings.found] == ["Weight", "Material"]
    assert [one.title for one in readings.open] == [one.title for one in BOX if one.title not in {"Weight", "Material"}]


def test_attributes_are_surer_than_texts(reader: Reader) -> None:
    [named] = reader.item("Box", **{"Nominal current": "16 A"}).found
    [said] = reader.item("Box 16 A").found
    assert (named.attribute, named.value, said.attribute, said.value) == ("Nominal current", 16.0, None, 16.0)
    assert named.confidence > 0.95 > said.confidence
    assert named.spot == ("16 A", 0, 4)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Length", "12 cm", {"Length": 120.0}),
        ("Length [cm]", "12", {"Length": 120.0}),
        ("Länge (mm)", 120, {"Length": 120.0}),
        ("length", "1,2", {"Length": 1.2}),
        ("Length", "5 kg", {"Weight": 5.0}),  # not a length, whatever the name says
        ("Voltage", "100 - 240 V", {"Nominal voltage": (100.0, 240.0)}),
        ("Farbe", "rot", {"Colour": "Red"}),
        ("Colour", "deep black, matt", {"Colour": "Black"}),
        ("Colour", "turquoise", {}),
        ("Halogen free", True, {"Halogen free": True}),
        ("Halogen free", "nein", {"Halogen free": False}),
        ("Halogen free", "perhaps", {}),
        ("Poles", 3, {"Number of poles": 3.0}),
        ("Height", float(10**300), {}),
        ("Height", 10**400, {}),
        ("Height", "", {}),
        ("", "black", {"Colour": "Black"}),
        ("Made of", "PVC", {"Material": "Polyvinyl chloride (PVC)"}),
    ],
)
def test_attributes_are_read_strictly(
    reader: Reader, name: str, value: AttributeValue, expected: dict[str, object]
) -> None:
    assert reader.values("Box", "de", **{name: value}) == expected


def test_attribute_and_text_that_agree_are_surer_and_those_that_do_not_less(reader: Reader) -> None:
    confidences = [reader.item(text, Colour="red").found[0].confidence for text in ("red box", "box", "black box")]
    assert confidences == sorted(confidences, reverse=True)
    assert len(set(confidences)) == 3


def test_attributes_beyond_the_limit_are_not_read(reader: Reader) -> None:
    whole = reader.item("Box", Colour="red")
    cut = reader.item("Box", note="x" * MAX_READ, Colour="red")
    assert (whole.is_whole, len(whole.found), cut.is_whole, len(cut.found)) == (True, 1, False, 0)


@pytest.mark.parametrize(
    "text",
    [
        *("9", "1.", "1x", "1-", "1/", "1e9", "1x10^", '1"', "1,234,", "1 1/2 ", "+", "-", " ", "(", "a", "12 mm "),
        *("white black steel ", "IP65 ", "M8 ", "B16 ", "L x B x H ", "not ", "e\N{COMBINING ACUTE ACCENT}"),
        *("\N{RIGHT-TO-LEFT OVERRIDE}12 mm \N{HEBREW LETTER ALEF}", "½", "２ｍｍ", "with lock "),  # noqa: RUF001
    ],
)
def test_a_long_text_takes_bounded_time(reader: Reader, text: str) -> None:
    content = (text * 10_000)[:10_000]
    started = time.process_time()
    reader.item(content)
    assert time.process_time() - started < 1.5  # 0.15 s at most on an idle processor


def test_a_usual_text_takes_little_time(reader: Reader) -> None:
    text = "Box of stainless steel, 120 x 80 x 40 mm, IP65, light grey, with lock, 2 cable entries, 230 V 16 A, -20...+60 °C"
    times = []
    for _ in range(50):
        started = time.process_time()
        reader.item(text)
        times.append(time.process_time() - started)
    assert sorted(times)[25] < 0.015  # 2 ms on a busy machine
