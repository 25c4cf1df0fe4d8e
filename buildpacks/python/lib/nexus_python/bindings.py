"""CA certificates from service bindings (https://servicebinding.io/spec/core/1.1.0/#workload-projection)."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nexus_python import errors

CERTIFICATE_TYPE = "ca-certificates"

_END = "-----END CERTIFICATE-----"
_BEGIN = "-----BEGIN CERTIFICATE-----"
_NOT_CERTIFICATES = {"type", "provider"}


@dataclass(frozen=True)
class Certificate:
    """A CA certificate of a binding: `name` is `<binding>/<key>`, `pem` its text, one certificate or several."""

    name: str
    pem: str


def find_certificates(environ: Mapping[str, str], platform: Path) -> tuple[Certificate, ...]:
    """Return the CA certificates bound to this build, in the order of their names.

    Bindings lie in $SERVICE_BINDING_ROOT, else in the platform folder's `bindings`.

    Raises:
        BuildError: a key of a ca-certificates binding holds no certificate.
    """
    root = Path(environ.get("SERVICE_BINDING_ROOT") or platform / "bindings")
    if not root.is_dir():
        return ()
    bindings = [binding for binding in sorted(root.iterdir()) if _type_of(binding) == CERTIFICATE_TYPE]
    return tuple(_read_certificate(key) for binding in bindings for key in _keys(binding))


def _type_of(binding: Path) -> str:
    type_file = binding / "type"
    return type_file.read_text("utf-8").strip().lower() if type_file.is_file() else ""


def _keys(binding: Path) -> list[Path]:
    # Kubernetes keeps the files' generations in hidden folders (..data).
    keys = (key for key in sorted(binding.iterdir()) if not key.name.startswith("."))
    return [key for key in keys if key.is_file() and key.name not in _NOT_CERTIFICATES]


def _read_certificate(key: Path) -> Certificate:
    name = f"{key.parent.name}/{key.name}"
    text = key.read_text("utf-8", errors="replace")
    blocks = [block + _END for block in text.split(_END)[:-1]]
    try:
        for block in blocks:
            ssl.PEM_cert_to_DER_cert(block[max(block.find(_BEGIN), 0) :])
    except ValueError as error:
        raise errors.bad_certificate(name, str(error)) from error
    if not blocks:
        raise errors.bad_certificate(name, f"there is no {_BEGIN} in it")
    return Certificate(name, text.rstrip("\n") + "\n")
