"""One child process: started, waited for until it answers, ended by its own PID."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

#: What a shell may export and a client with its own CA must not see (it would override the CA that was set on purpose).
CA_VARIABLES = (
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)


class LabError(Exception):
    """A server of the lab could not be built, started or reached; the message says what to do."""


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port on which nothing listened a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without proxies, CA bundles and an inherited KUBECONFIG."""
    dropped = {*CA_VARIABLES, "KUBECONFIG"}
    kept = {
        name: value for name, value in os.environ.items() if name not in dropped and not name.lower().endswith("_proxy")
    }
    return {**kept, **(extra or {})}


class Process:
    """A child process with a log file and a readiness probe.

    The child gets SIGTERM when the thread that started it ends, so a killed test run leaves nothing behind; start it
    from a thread that lives as long as the child should.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        ready: Callable[[], bool] = lambda: True,
        environment: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> None:
        """``ready`` is asked until it is true; an OSError from it means *not yet*. ``timeout`` in seconds."""
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log = log
        self.ready = ready
        self.environment = environment
        self.timeout = timeout
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The PID of the running child; LabError when there is none."""
        if self._child is None:
            raise LabError(f"{self.name} was not started")
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the child was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        """Exit code of a child that has ended, else None."""
        return None if self._child is None else self._child.poll()

    def start(self) -> Self:
        """Spawn the child and return at once."""
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*prefix, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment() if self.environment is None else dict(self.environment),
            )
        return self

    def wait(self) -> Self:
        """Block until ``ready`` says so. LabError with the end of the log when the child dies or time runs out."""
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            if not self.alive:
                raise LabError(f"{self.name} ended with code {self.returncode}:\n{self.tail()}")
            try:
                if self.ready():
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        raise LabError(f"{self.name} did not answer within {self.timeout:.0f} s:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The last lines of the child's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child, if it still runs."""
        if self.alive:
            os.kill(self.pid, number)

    def pause(self) -> None:
        """SIGSTOP, and wait until every thread stands still. LabError when the child has ended."""
        if not self.alive:
            raise LabError(f"{self.name} does not run")
        self.signal(signal.SIGSTOP)
        deadline = time.monotonic() + self.timeout
        while {_state(stat) for stat in Path(f"/proc/{self.pid}/task").glob("*/stat")} - {"T", ""}:
            if not self.alive or time.monotonic() > deadline:
                raise LabError(f"{self.name} does not stand still")
            time.sleep(0.001)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait for the end: what a crash looks like."""
        self.signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait()

    def stop(self, grace: float = 10.0) -> None:
        """SIGTERM, and SIGKILL after ``grace`` seconds; returns when the child has ended."""
        if self._child is None:
            return
        self.signal(signal.SIGTERM)
        self.resume()
        try:
            self._child.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()

    def __enter__(self) -> Self:
        return self.start().wait()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _state(stat: Path) -> str:
    """The state of a thread, one letter as in proc(5); empty when it has ended."""
    try:
        return stat.read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return ""
