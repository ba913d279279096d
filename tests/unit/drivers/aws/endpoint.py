"""An endpoint on loopback in the place of EC2 and STS, whose answers a test writes itself."""

from __future__ import annotations

import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar
from urllib.parse import parse_qs

from lab.pki import KeyPair


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its action, all its words, and the access key that signed it."""

    action: str
    words: Mapping[str, Sequence[str]]
    key: str


class Endpoint(ThreadingHTTPServer, ABC):
    """Listens from the start, and answers within ``served``. With a ``pair`` it speaks TLS."""

    def __init__(self, pair: KeyPair | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self._scheme = "https" if pair else "http"
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    @abstractmethod
    def answer(self, asked: Asked) -> tuple[int, str] | None:
        """Status and body; None breaks the connection without a word."""


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self) -> None:
        words = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        key = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        answer = self.server.answer(Asked(words["Action"][0], words, key))
        if answer is None:
            self.close_connection = True
            return
        status, body = answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


def success(action: str) -> str:
    """An answer without content, as EC2 writes it: its list is there, and empty."""
    lists = {
        "DescribeIamInstanceProfileAssociations": "iamInstanceProfileAssociationSet",
        "DescribeImages": "imagesSet",
        "DescribeInstanceTypes": "instanceTypeSet",
        "DescribeInstances": "reservationSet",
        "DescribeSecurityGroups": "securityGroupInfo",
        "DescribeSnapshots": "snapshotSet",
        "DescribeSubnets": "subnetSet",
        "DescribeVolumes": "volumeSet",
        "DescribeVpcs": "vpcSet",
    }
    inside = f"<{lists[action]}/>" if action in lists else ""
    return f"<{action}Response>{inside}</{action}Response>"


E = TypeVar("E", bound=Endpoint)


@contextmanager
def served(endpoint: E) -> Iterator[E]:
    """The endpoint at work, ended with the context."""
    thread = threading.Thread(target=endpoint.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.shutdown()
        thread.join()
        endpoint.server_close()
