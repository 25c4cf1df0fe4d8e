"""A service that breaks off in the middle of its answers, all but /v1/whole; run by a Python image beside the stack."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIZES = {"/v1/whole": 1000, "/v1/short": 20_000, "/v1/long": 1_000_000}


class Cutting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = SIZES.get(self.path, 0)
        body = (b"0123456789" * (size // 10 + 1))[:size]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        is_whole = self.path == "/v1/whole"
        self.wfile.write(body if is_whole else body[: size // 2])
        self.close_connection = not is_whole

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the name that the base class has
        """Say nothing."""


ThreadingHTTPServer(("", 8080), Cutting).serve_forever()
