"""A server that is not the cloud, and keeps whatever it is told."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Self

from lab.pki import KeyPair

#: Seconds for which it listens to one connection.
_PATIENCE = 2.0


class Impostor:
    """Listens on loopback until its block ends, one connection after the other, and gives each the same ``answer``.

    ``pair``: its certificate; None: it speaks no TLS. ``heard``: all that came after the handshake, or all where there is
    none.
    """

    def __init__(self, pair: KeyPair | None, answer: bytes = b"") -> None:
        self.heard = b""
        self.met = 0
        self._answer = answer
        self._context: ssl.SSLContext | None = None
        if pair is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(pair.certificate, pair.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, name="impostor")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def endpoint(self) -> str:
        """What a Provider would say, whatever is spoken there."""
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.met += 1
            connection.settimeout(_PATIENCE)
            # Whoever finds out with whom he speaks goes in the middle of a word.
            with contextlib.suppress(OSError), connection:
                self._meet(connection)

    def _meet(self, connection: socket.socket) -> None:
        spoken = connection if self._context is None else self._context.wrap_socket(connection, server_side=True)
        with spoken:
            while b"\r\n\r\n" not in self.heard[-65536:]:
                more = spoken.recv(65536)
                if not more:
                    return
                self.heard += more
            spoken.sendall(self._answer)


def redirect(status: int, to: str) -> bytes:
    """An answer that sends whoever asks to another place."""
    return f"HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
