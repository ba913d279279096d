"""Prometheus: PATH's, or Debian's package unpacked into the cache (no root needed)."""

from __future__ import annotations

import functools
import http.client
import json
import shutil
import sys
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from lab.cache import kept, run
from lab.process import LabError, Process, free_port

_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query's answer; a scalar has no labels."""

    labels: dict[str, str]
    value: float


class _Series(msgspec.Struct):
    value: tuple[float, str]
    metric: dict[str, str] = msgspec.field(default_factory=dict)


@functools.cache
def program() -> Path:
    """The Prometheus server. LabError says what to install when there is none and none can be fetched."""
    on_path = shutil.which("prometheus")
    if on_path:
        return Path(on_path)
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise LabError("no Prometheus here: put the program `prometheus` (2.40 or newer) on PATH")

    def unpack(fresh: Path) -> None:
        run(["apt-get", "download", "prometheus"], cwd=fresh)
        for package in fresh.glob("*.deb"):
            run(["dpkg", "-x", package, fresh], cwd=fresh)
            package.unlink()

    return kept("prometheus-debian", unpack, what="fetching Prometheus", expect="some seconds") / "usr/bin/prometheus"


def available() -> bool:
    """Whether ``Prometheus`` can be started here; when not, a sentence on stderr says what is missing."""
    try:
        program()
    except LabError as missing:
        sys.stderr.write(f"{missing}\n")
        return False
    return True


class Prometheus:
    """A Prometheus that scrapes ``targets`` (``host:port``, plain HTTP, ``/metrics``) every two seconds.

    ``rules`` are files of recording and alerting rules. LabError when there is no program.
    """

    def __init__(self, folder: Path, targets: Sequence[str] = (), *, rules: Sequence[Path] = ()) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._targets = self.folder / "targets.json"
        self.watch(targets)
        config = self.folder / "prometheus.json"
        config.write_text(json.dumps(self._config(rules), indent=2))
        self.process = Process(
            "prometheus",
            [
                program(),
                f"--config.file={config}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address={_HOST}:{self.port}",
                "--log.level=warn",
            ],
            log=self.folder / "prometheus.log",
            ready=self._ready,
        )

    @property
    def url(self) -> str:
        """Where the API and the web page are."""
        return f"http://{_HOST}:{self.port}"

    def watch(self, targets: Sequence[str]) -> None:
        """Scrape these targets from now on instead of the former ones."""
        fresh = self._targets.with_suffix(".fresh")
        fresh.write_text(json.dumps([{"targets": list(targets)}]))
        fresh.rename(self._targets)

    def start(self) -> Self:
        """Spawn and return at once."""
        self.process.start()
        return self

    def wait(self) -> Self:
        """Block until queries are answered. LabError with the end of the log when that does not come."""
        self.process.wait()
        return self

    def stop(self) -> None:
        """End the server; what it stored stays in the folder."""
        self.process.stop()

    def query(self, promql: str) -> list[Sample]:
        """The answer to an instant query, now. LabError with Prometheus' own words when it refuses the query."""
        status, body = self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': promql})}")
        answer = json.loads(body)
        if status != http.HTTPStatus.OK:
            raise LabError(f"Prometheus refused {promql!r}: {answer['error']}")
        result = answer["data"]["result"]
        if answer["data"]["resultType"] == "scalar":
            return [Sample({}, float(result[1]))]
        return [Sample(series.metric, float(series.value[1])) for series in msgspec.convert(result, list[_Series])]

    def __enter__(self) -> Self:
        return self.start().wait()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _config(self, rules: Sequence[Path]) -> dict[str, object]:
        every_two_seconds = {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"}
        return {
            "global": every_two_seconds,
            "rule_files": [str(path.absolute()) for path in rules],
            "scrape_configs": [{"job_name": "hybridge", "file_sd_configs": [{"files": [str(self._targets)]}]}],
        }

    def _ready(self) -> bool:
        status, _ = self._get("/-/ready")
        return status == http.HTTPStatus.OK

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
