import csv
import importlib.util
import io
import json
import re
from pathlib import Path

import pytest
from conftest import FIXTURES, command

CSV = FIXTURES / "csv"
LABELS = FIXTURES / "labels"
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is only in the image classification-trainer"
)


def test_a_file_is_classified_to_standard_output() -> None:
    done = command("classify", CSV / "good" / "products.csv", "--taxonomy", "unspsc", "--text-column", "name")
    rows = list(csv.reader(io.StringIO(done.stdout.removeprefix("\ufeff"))))
    for row in rows[1:]:
        assert float(row.pop(5)) > 0.5
    names = ["code", "level", "title", "confidence", "source", "error"]
    assert rows == [
        ["sku", "name", *(f"unspsc_{name}" for name in names)],
        ["1", "cordless drill 18V", "27112703", "commodity", "Power drills", "model", ""],
        ["2", "A4 copy paper, 80 g", "14111507", "commodity", "Copy and printer paper", "model", ""],
    ]
    assert re.fullmatch(r"\[#{30}\] 2/2 rows, \d+/s, \d+\.\d s\n", done.stderr)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("ending", "start"), [("csv", "\ufeffsku,name,etim_code"), ("jsonl", '{"sku": "1", "name"'), ("xlsx", "PK")]
)
def test_a_file_is_classified_to_a_file_of_each_form(ending: str, start: str, tmp_path: Path) -> None:
    target = tmp_path / f"coded.{ending}"
    done = command(
        "classify", CSV / "good" / "products.csv", "--taxonomy=etim", "--text-column=name", f"--output={target}"
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert target.read_bytes().startswith(start.encode())
    assert list(tmp_path.iterdir()) == [target]


def test_values_of_features_are_filled_in(tmp_path: Path) -> None:
    source = tmp_path / "products.csv"
    source.write_text("text\nhexagon head bolt M8x40 stainless steel\n")
    done = command("classify", source, "--taxonomy=etim", "--features")
    head, row = csv.reader(io.StringIO(done.stdout))
    assert (head[-1], done.returncode) == ("etim_features", 0)
    assert "Stainless steel" in {one["value"]["title"] for one in json.loads(row[-1]) if one["title"] == "Material"}
    refused = command("classify", source, "--taxonomy=unspsc", "--features")
    detail = "Only etim has features, and this is unspsc. Leave features out, or classify to etim."
    assert (refused.returncode, refused.stderr) == (1, f"classification-service: {detail}\n")


def test_rows_without_text_are_kept_and_counted() -> None:
    done = command("classify", CSV / "empty-text" / "products.csv", "--taxonomy", "unspsc")
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["sku", "1", "2", "3"]
    assert done.stdout.splitlines()[2:] == ["2,,,,,,,the text is empty", "3,  ,,,,,,the text is empty"]
    assert done.stderr.splitlines()[1] == "2 of 3 rows have no code; the column unspsc_error says why."
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("csv/no-text-column/products.csv", "{path}: The file has no column 'text'. It has: 'sku', 'name'."),
        ("jobs/empty-file/products.csv", "{path}: The file is empty. Send CSV, JSON Lines or XLSX."),
        (
            "csv/not-utf8/products.csv",
            (
                "{path}: The file is not in UTF-8: line 2 has the byte 0xe4. It may be in windows-1252: say so by `encoding`, "
                "or save it as UTF-8."
            ),
        ),
        (
            "csv/results-already-there/products.csv",
            "{path}: The file has the columns 'unspsc_code' already. Rename or remove them first.",
        ),
        (
            "csv/repeated-column/products.csv",
            "{path}: The file has more than one column named 'note'. Give each its own name.",
        ),
        ("csv/absent/products.csv", "{path} cannot be read: No such file or directory."),
    ],
)
def test_a_file_that_cannot_be_classified_is_refused(file: str, message: str, tmp_path: Path) -> None:
    path = FIXTURES / file
    done = command("classify", path, "--taxonomy", "unspsc", "--output", tmp_path / "coded.csv")
    expected = f"classification-service: {message.format(path=path)}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)
    assert list(tmp_path.iterdir()) == []


def test_two_gigabytes_that_are_no_text_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)
    done = command("classify", path, "--taxonomy", "unspsc")
    assert (done.returncode, done.stderr) == (
        1,
        (
            f"classification-service: {path}: The file is no text: byte 0 is 0x00. Send CSV, JSON Lines, or XLSX (not XLS) "
            "without a password.\n"
        ),
    )


@pytest.mark.parametrize(
    ("kind", "coded", "options"),
    [
        ("semicolons", ['1;"Claw hammer; 16 oz";27111602;commodity', "2;Ball bearing 6204;31171504;commodity"], []),
        ("tabs", ["1\tClaw hammer, 16 oz\t27111602\tcommodity"], ["--delimiter", "\t"]),
        ("utf-16", ["1,Claw hammer 16 oz,27111602,commodity"], ["--encoding", "utf-16"]),
        ("quoted-newline", ["1,Claw hammer 16 oz,27111602,commodity"], ["--version", "starter-1"]),
    ],
)
@pytest.mark.parametrize("stated", [False, True])
def test_delimiter_and_encoding_are_found_or_stated(
    kind: str, coded: list[str], options: list[str], tmp_path: Path, *, stated: bool
) -> None:
    path, target = CSV / kind / "products.csv", tmp_path / "coded.csv"
    given = options if stated else []
    done = command("classify", path, "--taxonomy", "unspsc", "--text-column", "name", "--output", target, *given)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    lines = target.read_text("utf-8").splitlines()[-len(coded) :]
    assert [line.startswith(start) for line, start in zip(lines, coded, strict=True)] == [True] * len(coded), lines


def test_several_columns_are_classified_together(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("kind,name,use\nhammer,claw,carpentry\n")
    done = command(
        *("classify", path, "--taxonomy=unspsc", "--text-column=name", "--text-column=kind", "--attribute-column=use")
    )
    assert done.stdout.splitlines()[1].startswith("hammer,claw,carpentry,27111602,commodity,")


def test_an_encoding_that_is_not_known_is_refused() -> None:
    done = command("classify", CSV / "good" / "products.csv", "--taxonomy=unspsc", "--encoding=klingon")
    assert "The encoding 'klingon' is not known here. Known are: utf-8, utf-16, " in done.stderr
    assert done.returncode == 1


def test_a_target_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "absent" / "coded.csv"
    done = command(
        "classify", CSV / "good" / "products.csv", "--taxonomy", "unspsc", "--text-column", "name", "--output", target
    )
    expected = f"classification-service: {target} cannot be written: No such file or directory.\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_an_unknown_taxonomy_is_refused() -> None:
    done = command("classify", CSV / "good" / "products.csv", "--taxonomy", "eclass")
    expected = "classification-service: The taxonomy 'eclass' is not loaded. Loaded are: unspsc (starter-1), etim (starter-1).\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is here")
def test_training_without_torch_says_where_torch_is(tmp_path: Path) -> None:
    done = command("train", "--output", tmp_path / "model")
    expected = (
        "classification-service: Training needs torch, which this image does not have. Run this command in the image "
        "classification-trainer: it is the same application on a base with torch.\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)
    assert list(tmp_path.iterdir()) == []


@needs_torch
def test_a_model_is_trained_and_evaluated(tmp_path: Path) -> None:
    labels, model = LABELS / "good" / "labels.csv", tmp_path / "model"
    done = command("train", "--labels", labels, "--output", model)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"80 rows that the model had not learned from, \d+ items/s", lines[0])
    assert [line.split()[:3] for line in lines[2:-1]] == [
        ["segment", "80", "100.0%"],
        ["family", "80", "100.0%"],
        ["class", "60", "100.0%"],  # one of the four codes has no class above it
        ["commodity", "80", "100.0%"],
    ]
    assert lines[-1] == f"wrote model.json, model.safetensors, report.json to {model}"
    assert sorted(path.name for path in model.iterdir()) == ["model.json", "model.safetensors", "report.json"]

    judged = command("evaluate", "--labels", labels, "--model", model)
    assert (judged.returncode, len(judged.stdout.splitlines())) == (0, 6), judged.stderr
    assert judged.stdout.splitlines()[2].split()[:3] == ["segment", "80", "100.0%"]

    other = command("evaluate", "--taxonomy", "etim", "--labels", labels, "--model", model)
    assert (other.returncode, other.stdout) == (1, "")
    assert other.stderr == (
        f"classification-service: {model} has a model for unspsc starter-1, and the codes of etim starter-1 are others. "
        "Train a model for this version.\n"
    )


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    done = command("evaluate", "--labels", LABELS / "good" / "labels.csv", "--model", tmp_path)
    expected = f"classification-service: {tmp_path / 'model.json'} cannot be read: No such file or directory.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)


@needs_torch
def test_a_model_is_trained_for_the_codes_of_a_file(tmp_path: Path) -> None:
    codes, labels = tmp_path / "codes.csv", tmp_path / "labels.csv"
    codes.write_text("Code,Title\n27000000,Tools\n27110000,Hand tools\n27111600,Hammers\n27111602,Hammer\n")
    labels.write_text("text,code\n" + "".join(f"claw hammer {number},27111602\n" for number in range(12)))
    target = ("--codes", codes, "--version", "26", "--labels", labels)
    done = command("train", *target, "--output", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert command("evaluate", *target, "--model", tmp_path / "model").stdout.splitlines()[5].startswith("commodity")


def test_texts_of_another_language_are_classified(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("text\nFeuerlöscher\nKugellager aus Stahl\n", encoding="utf-8")
    done = command("classify", path, "--taxonomy=unspsc", "--language=de")
    codes = [line.split(",")[1][:2] for line in done.stdout.splitlines()[1:]]
    assert (done.returncode, codes) == (0, ["46", "31"])
