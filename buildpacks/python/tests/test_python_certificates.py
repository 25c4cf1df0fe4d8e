import os
import ssl
import stat
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
from certificates import OTHER, ROOT, SYSTEM
from lifecycle import BUILDPACKS, Lifecycle
from nexus_certificates import CertificateError, read_certificates

HELPER = BUILDPACKS / "python" / "exec.d" / "ca-certificates"
END = "-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"
NONE = "-----BEGIN CERTIFICATE-----\nUk9PVA==\n-----END CERTIFICATE-----\n"
CRLF = ROOT.replace("\n", "\r\n")

# Contents of a file, and the certificates in it that are trusted.
USABLE = [
    pytest.param(ROOT.encode(), ROOT, id="as OpenSSL writes it"),
    pytest.param("Zertifikat für\n".encode("latin-1") + ROOT.encode(), ROOT, id="Latin-1 remark"),
    pytest.param((ROOT.rstrip("\n") + OTHER).encode(), ROOT + OTHER, id="no newline between two"),
    pytest.param((OTHER + "\n\n# next\n" + ROOT).encode(), OTHER + ROOT, id="remark between two"),
    pytest.param(ssl.PEM_cert_to_DER_cert(ROOT), ROOT, id="DER"),
    pytest.param(textwrap.indent(ROOT, "    ").encode(), ROOT, id="indented"),
    pytest.param(textwrap.indent(ROOT, "\t").encode(), ROOT, id="indented by tabs"),
    pytest.param(CRLF.encode(), ROOT, id="CR LF"),
    pytest.param(ROOT.replace("\n", "\r").encode(), ROOT, id="CR"),
    pytest.param(ROOT.encode("utf-8-sig"), ROOT, id="byte order mark"),
    pytest.param(ROOT.encode("utf-16"), ROOT, id="UTF-16"),
    pytest.param(ROOT.replace("CERTIFICATE", "X509 CERTIFICATE").encode(), ROOT, id="older label"),
    pytest.param(ROOT.replace("\n", "", 1).rstrip("\n").encode(), ROOT, id="all on the line of the label"),
]
# Contents that cannot be used, and the reason that is reported.
UNUSABLE = [
    pytest.param(b"", "there is no -----BEGIN CERTIFICATE----- in it", id="empty"),
    pytest.param(b"nothing", "there is no -----BEGIN CERTIFICATE----- in it", id="other text"),
    pytest.param(
        NONE.encode(),
        "block 1 is not a certificate that OpenSSL can read",
        id="body is no certificate",
    ),
    pytest.param((ROOT + NONE).encode(), "block 2 is not a certificate that OpenSSL can read", id="second"),
    pytest.param(ROOT.replace("MIIB", "MIIB%").encode(), "block 1 is not base64 (Only base64 data is allowed)", id="base64"),
    pytest.param(ROOT.replace("\n", "\\n").encode(), "block 1 is not base64 (Only base64 data is allowed)", id="escaped"),
    pytest.param(ROOT.replace(END, "").encode(), "`-----BEGIN CERTIFICATE-----` has no counterpart", id="no end"),
    pytest.param((ROOT.replace(END, "") + OTHER).encode(), "`-----BEGIN CERTIFICATE-----` has no counterpart", id="no end, next"),
    pytest.param((OTHER + END).encode(), "`-----END CERTIFICATE-----` has no counterpart", id="no beginning"),
    pytest.param((ROOT + OTHER[:60]).encode(), "`-----BEGIN CERTIFICATE-----` has no counterpart", id="cut off"),
    pytest.param((ROOT + OTHER.replace("-----", "----")).encode(), "`----BEGIN CERTIFICATE----` has no counterpart", id="dashes"),
    pytest.param((ROOT + KEY).encode(), "block 2 is a PRIVATE KEY", id="private key"),
    pytest.param(ssl.PEM_cert_to_DER_cert(ROOT)[:-9], "the file is not a certificate that OpenSSL can read", id="DER cut off"),
]  # fmt: skip


def _bind(root: Path, name: str, files: dict[str, str | bytes], kind: str = "ca-certificates") -> None:
    binding = root / name
    binding.mkdir(parents=True)
    for key, content in (files | {"type": kind, "provider": "tests"}).items():
        (binding / key).write_bytes(content.encode() if isinstance(content, str) else content)


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


@pytest.mark.parametrize(("content", "trusted"), USABLE)
def test_certificates_are_taken_out_of_what_surrounds_them(
    environ: dict[str, str], content: bytes, trusted: str
) -> None:
    _bind(Path(environ["SERVICE_BINDING_ROOT"]), "company", {"root.pem": content})

    completed, variables = _run(HELPER, environ)

    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "", "")
    bundle = Path(str(variables["SSL_CERT_FILE"]))
    assert bundle.read_text("utf-8") == SYSTEM + trusted
    # Each is one that OpenSSL trusts.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    assert context.cert_store_stats()["x509_ca"] == 1 + trusted.count("BEGIN")


@pytest.mark.parametrize(("content", "reason"), UNUSABLE)
def test_what_is_not_a_certificate_stops_the_start(environ: dict[str, str], content: bytes, reason: str) -> None:
    _bind(Path(environ["SERVICE_BINDING_ROOT"]), "company", {"root.pem": content})

    completed, variables = _run(HELPER, environ)

    assert completed.stderr == (
        f"ERROR: {environ['SERVICE_BINDING_ROOT']}/company/root.pem is not a CA certificate: {reason}.\n"
        "It belongs to a service binding of type ca-certificates, whose files must contain only certificates.\n"
        "Put a certificate that starts with -----BEGIN CERTIFICATE----- there, or remove the file.\n"
    )
    assert completed.returncode == 1
    assert variables == {}
    assert list(Path(environ["TMPDIR"]).iterdir()) == []


@pytest.mark.parametrize(("content", "reason"), UNUSABLE)
def test_the_build_reads_them_by_the_same_rules(content: bytes, reason: str) -> None:
    with pytest.raises(CertificateError) as raised:
        read_certificates(content)

    assert str(raised.value) == reason


def test_what_is_not_a_certificate_stops_the_build(application: Lifecycle) -> None:
    _bind(application.platform / "bindings", "company", {"a.pem": ROOT, "b.pem": ROOT + KEY})

    result = application.build("python")

    assert "\nERROR: company/b.pem is not a CA certificate\n" in result.output
    assert "\n  company/b.pem: block 2 is a PRIVATE KEY\n" in result.output
    assert result.status == 1


def test_a_file_that_cannot_be_read_stops_the_start(environ: dict[str, str]) -> None:
    # The memory of a process can be opened, but not read where nothing is mapped: an error for root too.
    bindings = Path(environ["SERVICE_BINDING_ROOT"])
    _bind(bindings, "company", {})
    (bindings / "company" / "root.pem").symlink_to("/proc/self/mem")

    completed, _ = _run(HELPER, environ)

    assert completed.stderr == (
        f"ERROR: {bindings}/company/root.pem cannot be read: Input/output error.\nLet the user {os.getuid()} read it.\n"
    )
    assert completed.returncode == 1


def test_the_older_name_of_the_type_file_is_read(environ: dict[str, str]) -> None:
    bindings = Path(environ["SERVICE_BINDING_ROOT"])
    _bind(bindings, "company", {"root.pem": ROOT})
    (bindings / "company" / "type").rename(bindings / "company" / "kind")

    completed, variables = _run(HELPER, environ)

    assert (completed.returncode, completed.stderr) == (0, "")
    assert Path(str(variables["SSL_CERT_FILE"])).read_text("utf-8") == SYSTEM + ROOT


def test_a_system_bundle_of_any_encoding_keeps_its_bytes(environ: dict[str, str]) -> None:
    system = Path(environ["SSL_CERT_FILE"])
    system.write_bytes("für alle\n".encode("latin-1") + SYSTEM.rstrip("\n").encode())
    _bind(Path(environ["SERVICE_BINDING_ROOT"]), "company", {"root.pem": ROOT})

    _, variables = _run(HELPER, environ)

    assert Path(str(variables["SSL_CERT_FILE"])).read_bytes() == system.read_bytes() + b"\n" + ROOT.encode()


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
    _bind(bindings, "company", {"root.pem": ROOT.rstrip("\n"), "second.pem": ssl.PEM_cert_to_DER_cert(OTHER)})
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
    layer = application.layers / "ca-certificates"
    assert sorted(str(path.relative_to(layer)) for path in layer.rglob("*") if path.is_file()) == [
        "exec.d/ca-certificates",
        "launch/nexus_certificates/__init__.py",
    ]
