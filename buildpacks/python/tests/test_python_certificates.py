import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from lifecycle import BUILDPACKS, Lifecycle

HELPER = BUILDPACKS / "python" / "exec.d" / "ca-certificates"
ROOT = "-----BEGIN CERTIFICATE-----\nUk9PVA==\n-----END CERTIFICATE-----\n"
OTHER = "-----BEGIN CERTIFICATE-----\nT1RIRVI=\n-----END CERTIFICATE-----\n"
SYSTEM = "-----BEGIN CERTIFICATE-----\nU1lTVEVN\n-----END CERTIFICATE-----\n"


def _bind(root: Path, name: str, files: dict[str, str], kind: str = "ca-certificates") -> None:
    binding = root / name
    binding.mkdir(parents=True)
    for key, content in (files | {"type": kind, "provider": "tests"}).items():
        (binding / key).write_text(content, "utf-8")


def _run(helper: Path, environ: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], dict[str, object]]:
    """Run the helper as the launcher does; return also what it wrote to file descriptor 3."""
    read_end, write_end = os.pipe()
    move = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])"
    completed = subprocess.run(
        [sys.executable, "-c", move, str(write_end), sys.executable, "-IS", str(helper)],
        env=environ,
        pass_fds=[write_end],
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(write_end)
    with os.fdopen(read_end) as reader:
        return completed, tomllib.loads(reader.read())


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a container: a system bundle, a temporary folder, no bindings yet."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "system.crt").write_text(SYSTEM, "utf-8")
    return {
        "SSL_CERT_FILE": str(tmp_path / "system.crt"),
        "TMPDIR": str(tmp_path / "tmp"),
        "SERVICE_BINDING_ROOT": str(tmp_path / "bindings"),
    }


def test_the_helper_is_an_executable_python_script_for_the_run_image() -> None:
    assert HELPER.read_text("utf-8").startswith("#!/usr/bin/python3 -IS\n")
    assert HELPER.stat().st_mode & stat.S_IXUSR


def test_without_certificates_nothing_changes(environ: dict[str, str]) -> None:
    _bind(Path(environ["SERVICE_BINDING_ROOT"]), "database", {"password": "secret"}, kind="postgresql")

    completed, variables = _run(HELPER, environ)

    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
    assert variables == {}


def test_bound_certificates_are_trusted_beside_the_systems(environ: dict[str, str]) -> None:
    bindings = Path(environ["SERVICE_BINDING_ROOT"])
    _bind(bindings, "b-partner", {"other.pem": OTHER})
    _bind(bindings, "a-company", {"root.pem": ROOT.rstrip("\n")}, kind="CA-Certificates\n")
    (bindings / "a-company" / "..data").mkdir()

    completed, variables = _run(HELPER, environ)

    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
    bundle = Path(environ["TMPDIR"]) / "ca-certificates.pem"
    assert variables == {"SSL_CERT_FILE": str(bundle)}
    assert bundle.read_text("utf-8") == SYSTEM + ROOT + OTHER


def test_a_second_start_writes_the_bundle_anew(environ: dict[str, str]) -> None:
    _bind(Path(environ["SERVICE_BINDING_ROOT"]), "company", {"root.pem": ROOT})
    _run(HELPER, environ)

    completed, variables = _run(HELPER, environ)

    assert completed.returncode == 0
    assert Path(str(variables["SSL_CERT_FILE"])).read_text("utf-8") == SYSTEM + ROOT


def test_a_binding_without_a_certificate_stops_the_start(environ: dict[str, str]) -> None:
    _bind(Path(environ["SERVICE_BINDING_ROOT"]), "company", {"root.pem": "nothing"})

    completed, variables = _run(HELPER, environ)

    assert completed.stderr == (
        f"ERROR: {environ['SERVICE_BINDING_ROOT']}/company/root.pem holds no certificate.\n"
        "It belongs to a service binding of type ca-certificates, whose files must be PEM certificates.\n"
        "Put a certificate that starts with -----BEGIN CERTIFICATE----- there, or remove the file.\n"
    )
    assert completed.returncode == 1
    assert variables == {}


def test_without_a_writable_temporary_folder_the_start_stops(environ: dict[str, str]) -> None:
    _bind(Path(environ["SERVICE_BINDING_ROOT"]), "company", {"root.pem": ROOT})
    environ["TMPDIR"] = "/proc"

    completed, _ = _run(HELPER, environ)

    assert completed.stderr == (
        "ERROR: the CA certificates of the service bindings could not be written to /proc/ca-certificates.pem: "
        "No such file or directory.\n"
        "Give the container a writable /tmp (a tmpfs will do), or point TMPDIR at a writable folder.\n"
    )
    assert completed.returncode == 1


@pytest.mark.parametrize("root", ["platform", "SERVICE_BINDING_ROOT"])
def test_certificates_bound_to_the_build_are_embedded_if_asked_for(
    application: Lifecycle, environ: dict[str, str], tmp_path: Path, root: str
) -> None:
    bindings = application.platform / "bindings"
    if root == "SERVICE_BINDING_ROOT":
        bindings = tmp_path / "elsewhere"
        application.set(SERVICE_BINDING_ROOT=str(bindings))
    _bind(bindings, "company", {"root.pem": ROOT, "second.pem": OTHER})
    application.set(BP_EMBED_CERTS="true")

    result = application.build("python")
    completed, variables = _run(application.layers / "ca-certificates" / "exec.d" / "ca-certificates", environ)

    assert "  CA certificates: 2 files from bindings put into the image\n" in result.output
    assert application.toml("ca-certificates.toml")["types"] == {"launch": True}
    assert completed.stderr == ""
    assert Path(str(variables["SSL_CERT_FILE"])).read_text("utf-8") == SYSTEM + ROOT + OTHER


def test_certificates_bound_to_the_build_otherwise_stay_out_of_the_image(application: Lifecycle) -> None:
    _bind(application.platform / "bindings", "company", {"root.pem": ROOT})

    result = application.build("python")

    assert (
        "  CA certificates: those bound now stay out of the image; BP_EMBED_CERTS=true puts them in\n" in result.output
    )
    assert [path.name for path in (application.layers / "ca-certificates").rglob("*")] == ["exec.d", "ca-certificates"]
