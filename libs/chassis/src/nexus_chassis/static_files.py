"""Small files that pages use, read once."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    tag: str


class StaticFiles:
    """The files of a folder. `kept_by` says who may keep them for five minutes: `public` or `private` (RFC 9111)."""

    def __init__(self, folder: Path, *, kept_by: str) -> None:
        self._files = {path.name: _read(path) for path in sorted(folder.iterdir())}
        self._headers = {
            "Cache-Control": f"{kept_by}, max-age=300",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Content-Security-Policy": "default-src 'none'",
        }

    def answer(self, request: Request, name: str) -> Response:
        """The file with a name, or 304 to who has it; raises HTTPException 404 where there is none."""
        if (file := self._files.get(name)) is None:
            raise HTTPException(404)
        headers = {**self._headers, "ETag": file.tag}
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)


def _read(path: Path) -> _File:
    content = path.read_bytes()
    return _File(content, _TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:32]}"')
