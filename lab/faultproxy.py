"""The fault proxy: stands before one cloud or the API server, counts what passes, and breaks what it is told to.

with FaultProxy(folder, "aws", "aws", moto.endpoint) as proxy:
    proxy.inject(Rule("ec2:RunInstances", LoseAnswer("reset"), times=1))
    ...
    assert proxy.counts()["ec2:RunInstances"].requests == 2
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Self

import msgspec
import requests

from lab.faultproxy_garble import Way
from lab.faultproxy_operations import Api, Cloud, Operation
from lab.faultproxy_record import Count, LogEntry
from lab.faultproxy_rules import (
    ActiveRule,
    Answer,
    Dark,
    Darkness,
    Delay,
    Effect,
    Garble,
    LoseAnswer,
    Loss,
    Past,
    Repeat,
    Reset,
    Rule,
)
from lab.faultproxy_server import Ready
from lab.pki import KeyPair
from lab.process import LabError, Process, clean_environment

__all__ = [
    "ActiveRule",
    "Answer",
    "Api",
    "Cloud",
    "Count",
    "Dark",
    "Darkness",
    "Delay",
    "Effect",
    "FaultControl",
    "FaultProxy",
    "Garble",
    "LogEntry",
    "LoseAnswer",
    "Loss",
    "Operation",
    "Past",
    "Repeat",
    "Reset",
    "Rule",
    "Way",
]

_TIMEOUT = 30.0


class FaultControl:
    """Orders to a running proxy, from any process and any thread. Every method raises LabError if it cannot be done."""

    def __init__(self, name: str, ready: Ready | None = None) -> None:
        self.name = name
        self._ready = ready

    @property
    def endpoint(self) -> str:
        """The URL to give to the operator instead of the cloud's."""
        return self._urls().endpoint

    @property
    def control(self) -> str:
        """The URL that takes orders."""
        return self._urls().control

    def counts(self) -> dict[str, Count]:
        """Requests by operation since the last reset."""
        return msgspec.json.decode(self._order("GET", "/counts"), type=dict[str, Count], strict=False)

    def total(self) -> int:
        """Requests since the last reset."""
        return sum(count.requests for count in self.counts().values())

    def mutating(self) -> int:
        """Requests that might change something since the last reset, those hit by a fault included."""
        return sum(count.requests for count in self.counts().values() if count.mutating)

    def reset_counts(self) -> None:
        """Start counts and log anew."""
        self._order("POST", "/counts/reset")

    def log(self) -> list[LogEntry]:
        """The last 10,000 finished requests, oldest first."""
        return msgspec.json.decode(self._order("GET", "/log"), type=list[LogEntry])

    def faults(self) -> list[ActiveRule]:
        """The rules in force with what they matched and hit."""
        return msgspec.json.decode(self._order("GET", "/faults"), type=list[ActiveRule])

    def inject(self, rule: Rule) -> int:
        """Put a rule in force; its id."""
        return msgspec.json.decode(self._order("POST", "/faults", rule), type=dict[str, int])["id"]

    def lift(self, number: int) -> None:
        """Lift one rule; requests that it holds stay held."""
        self._order("DELETE", f"/faults/{number}")

    def clear(self) -> None:
        """Lift all rules; the connections of requests that they hold break."""
        self._order("DELETE", "/faults")

    def dark(self, how: Darkness = "silent") -> None:
        """Take the cloud away: ``silent`` accepts connections and never answers, ``refuse`` refuses and breaks them."""
        self._order("POST", "/dark", {"how": how})

    def light(self) -> None:
        """Bring the cloud back; requests that came in the dark never reach it, and their connections break."""
        self._order("POST", "/light")

    def _urls(self) -> Ready:
        if self._ready is None:
            raise LabError(f"the fault proxy {self.name} has no endpoint before wait()")
        return self._ready

    def _order(self, method: str, path: str, content: object = None) -> bytes:
        body = b"" if content is None else msgspec.json.encode(content)
        with requests.Session() as session:
            # The order must not leave through a proxy that the shell names.
            session.trust_env = False
            try:
                answer = session.request(method, self.control + path, data=body, timeout=_TIMEOUT)
            except requests.RequestException as error:
                raise LabError(f"the fault proxy {self.name} does not answer: {error}") from error
        if not answer.ok:
            raise LabError(f"the fault proxy {self.name} refused {method} {path}: {answer.text}")
        return answer.content


class FaultProxy(FaultControl):
    """A fault proxy in a process of its own; its endpoints are known after ``wait()``."""

    def __init__(
        self,
        folder: Path,
        name: str,
        api: Api,
        upstream: str,
        *,
        upstream_ca: Path | None = None,
        certificate: KeyPair | None = None,
    ) -> None:
        """``upstream`` is a URL without a path; log and state go to ``folder``; HTTPS with a certificate."""
        super().__init__(name)
        self._file = folder / f"{name}.faultproxy.json"
        argv: list[str | Path] = [sys.executable, "-m", "lab.faultproxy_server", "--api", api]
        argv += ["--upstream", upstream, "--ready", self._file]
        if upstream_ca is not None:
            argv += ["--upstream-ca", upstream_ca]
        if certificate is not None:
            argv += ["--certificate", certificate.certificate, "--key", certificate.key]
        self.process = Process(
            f"fault proxy {name}",
            argv,
            log=folder / f"{name}.faultproxy.log",
            ready=self._announced,
            environment=clean_environment({"PYTHONPATH": str(Path(__file__).parents[1])}),
        )

    @staticmethod
    def attach(name: str, endpoint: str, control: str) -> FaultControl:
        """Orders to a proxy that another process started."""
        return FaultControl(name, Ready(endpoint, control))

    def start(self) -> Self:
        """Spawn the proxy and return at once."""
        self._ready = None
        self._file.unlink(missing_ok=True)
        self.process.start()
        return self

    def wait(self) -> Self:
        """Block until the proxy listens; LabError when it does not."""
        self.process.wait()
        return self

    def stop(self) -> None:
        """End the proxy; requests under way break."""
        self.process.stop()
        self._ready = None
        self._file.unlink(missing_ok=True)

    def _announced(self) -> bool:
        self._ready = msgspec.json.decode(self._file.read_bytes(), type=Ready)
        return True

    def __enter__(self) -> Self:
        return self.start().wait()

    def __exit__(self, *_: object) -> None:
        self.stop()
