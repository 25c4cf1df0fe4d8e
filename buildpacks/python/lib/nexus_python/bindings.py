"""CA certificates from service bindings (https://servicebinding.io/spec/core/1.1.0/#workload-projection)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nexus_certificates import CertificateError, read_certificates

from nexus_python import errors

CERTIFICATE_TYPE = "ca-certificates"

_TYPE_FILES = ("type", "kind")  # `kind` is the older name
_NOT_CERTIFICATES = {*_TYPE_FILES, "provider"}


@dataclass(frozen=True)
class Certificate:
    """CA certificates of a binding: `name` is `<binding>/<key>`, `pem` one certificate or several."""

    name: str
    pem: str


def find_certificates(environ: Mapping[str, str], platform: Path) -> tuple[Certificate, ...]:
    """Return the CA certificates bound to this build, in the order of their names.

    Bindings are folders in $SERVICE_BINDING_ROOT, else in the platform folder's `bindings`.

    Raises:
        BuildError: a key of a ca-certificates binding cannot be trusted as it is.
    """
    root = Path(environ.get("SERVICE_BINDING_ROOT") or platform / "bindings")
    if not root.is_dir():
        return ()
    bindings = [binding for binding in sorted(root.iterdir()) if _type_of(binding) == CERTIFICATE_TYPE]
    return tuple(_read_certificate(key) for binding in bindings for key in _keys(binding))


def _type_of(binding: Path) -> str:
    files = (binding / name for name in _TYPE_FILES)
    return next((file.read_text("utf-8", "replace").strip().lower() for file in files if file.is_file()), "")


def _keys(binding: Path) -> list[Path]:
    # Kubernetes keeps the files' generations in hidden folders (..data).
    keys = (key for key in sorted(binding.iterdir()) if not key.name.startswith("."))
    return [key for key in keys if key.is_file() and key.name not in _NOT_CERTIFICATES]


def _read_certificate(key: Path) -> Certificate:
    name = f"{key.parent.name}/{key.name}"
    try:
        return Certificate(name, read_certificates(key.read_bytes()))
    except CertificateError as error:
        raise errors.bad_certificate(name, str(error)) from error
    except OSError as error:
        raise errors.bad_certificate(name, f"it cannot be read: {error.strerror}") from error
