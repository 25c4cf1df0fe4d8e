"""The Docker engine behind a socket that can be cut, as when the engine goes away while a command runs."""

import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness import engine


class EngineProxy(socketserver.ThreadingUnixStreamServer):
    """Passes on what clients and engine say to each other, until it is cut."""

    daemon_threads = True

    def __init__(self, path: Path, upstream: str) -> None:
        super().__init__(str(path), _Talk)
        self.host = f"unix://{path}"
        self.upstream = upstream
        self.sockets: list[socket.socket] = []

    def cut(self) -> None:
        """End all talk, and let nobody in any more."""
        self.shutdown()
        self.server_close()
        for end in self.sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class _Talk(socketserver.BaseRequestHandler):
    server: EngineProxy

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(self.server.upstream)
            self.server.sockets += [self.request, upstream]
            back = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
            back.start()
            _pump(self.request, upstream)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def proxied_engine() -> Iterator[EngineProxy]:
    """Give this machine's engine by another address, that of `host`."""
    address = engine.docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    folder = Path(tempfile.mkdtemp(prefix="nexus-"))  # the path of a socket must be short
    server = EngineProxy(folder / "docker.sock", address.removeprefix("unix://"))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        server.cut()
        shutil.rmtree(folder)
