"""The bill of materials: what metadata says becomes what CycloneDX says."""

import json
from pathlib import Path

import pytest
from nexus_python.sbom import bill_of_materials, read_distributions


def _write_metadata(site_packages: Path, name: str, version: str, *lines: str) -> None:
    folder = site_packages / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    text = "\n".join([f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}", *lines])
    (folder / "METADATA").write_text(f"{text}\n\nThe description.\nLicense: not this\n", "utf-8")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        (["License-File: LICENSE"], []),
        (["License: UNKNOWN"], []),
        (["License-Expression: MIT OR Apache-2.0"], [{"expression": "MIT OR Apache-2.0"}]),
        (
            ["License-Expression: BSD-3-Clause", "License: MIT", "Classifier: License :: OSI Approved :: MIT License"],
            [{"expression": "BSD-3-Clause"}],
        ),
        (["License: apache 2.0"], [{"license": {"id": "Apache-2.0"}}]),
        (
            ["License: BSD-3-Clause", "Classifier: License :: OSI Approved :: BSD License"],
            [{"license": {"id": "BSD-3-Clause"}}],
        ),
        (
            [
                "License: Dual",
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: Public Domain",
            ],
            [{"license": {"id": "MIT"}}, {"license": {"name": "Public Domain"}}],
        ),
        (
            ["License: NVIDIA Software", "Classifier: License :: Other/Proprietary License"],
            [{"license": {"name": "NVIDIA Software"}}],
        ),
        (["Classifier: License :: OSI Approved :: BSD License"], [{"license": {"name": "BSD License"}}]),
        (["Classifier: License :: OSI Approved"], []),
        (["License: Copyright A. Author", "        All rights."], [{"license": {"name": "Copyright A. Author"}}]),
        (
            [
                "License: Copyright A. Author",
                "        All rights.",
                "Classifier: License :: OSI Approved :: BSD License",
            ],
            [{"license": {"name": "BSD License"}}],
        ),
        (["License: Licence à part"], [{"license": {"name": "Licence à part"}}]),
    ],
)
def test_a_licence_is_an_expression_an_id_or_a_name(
    tmp_path: Path, lines: list[str], expected: list[dict[str, object]]
) -> None:
    _write_metadata(tmp_path, "alpha", "1.0", *lines)
    (found,) = read_distributions(tmp_path)
    assert found.licences == expected


@pytest.mark.parametrize(
    ("name", "version", "purl"),
    [
        ("Boolean.Py", "5.0", "pkg:pypi/boolean-py@5.0"),
        ("a__b.-C", "1!2.0+cu12", "pkg:pypi/a-b-c@1%212.0%2Bcu12"),
    ],
)
def test_a_package_url_has_the_normalized_name(tmp_path: Path, name: str, version: str, purl: str) -> None:
    _write_metadata(tmp_path, name, version)
    (found,) = read_distributions(tmp_path)
    assert (found.name, found.version, found.purl) == (name, version, purl)


def test_distributions_inside_others_are_listed_and_each_is_listed_once(tmp_path: Path) -> None:
    _write_metadata(tmp_path, "Zeta", "1.0", "Summary: The last letter", "License-Expression: MIT")
    _write_metadata(tmp_path, "alpha", "2.0")
    _write_metadata(tmp_path / "alpha" / "_vendor", "zeta", "0.9")
    _write_metadata(tmp_path / "alpha" / "_vendor", "alpha", "2.0")

    bill = json.loads(bill_of_materials(read_distributions(tmp_path)))

    assert bill["components"] == [
        {
            "bom-ref": "pkg:pypi/alpha@2.0",
            "type": "library",
            "name": "alpha",
            "version": "2.0",
            "purl": "pkg:pypi/alpha@2.0",
        },
        {
            "bom-ref": "pkg:pypi/zeta@0.9",
            "type": "library",
            "name": "zeta",
            "version": "0.9",
            "purl": "pkg:pypi/zeta@0.9",
        },
        {
            "bom-ref": "pkg:pypi/zeta@1.0",
            "type": "library",
            "name": "Zeta",
            "version": "1.0",
            "purl": "pkg:pypi/zeta@1.0",
            "description": "The last letter",
            "licenses": [{"expression": "MIT"}],
        },
    ]
