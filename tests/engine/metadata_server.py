"""What AWS tells a machine about itself, as far as it is asked here; by its second protocol, with tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

_TOKEN = "a token"


class MetadataServer(ThreadingHTTPServer):
    """On a port of the loopback. `is_going`: whether it tells of a notice. num_asked: how often it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.is_going = False
        self.num_asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: MetadataServer

    def do_PUT(self) -> None:
        is_right = self.path == "/latest/api/token" and "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
        self._answer(200 if is_right else 400, _TOKEN)

    def do_GET(self) -> None:
        self.server.num_asked += 1
        if self.headers.get("X-aws-ec2-metadata-token") != _TOKEN:
            self._answer(401, "")
        elif self.path != "/latest/meta-data/spot/instance-action" or not self.server.is_going:
            self._answer(404, "")
        else:
            self._answer(200, '{"action": "terminate", "time": "2026-01-01T00:00:00Z"}')

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def metadata_server() -> Iterator[MetadataServer]:
    with MetadataServer() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
