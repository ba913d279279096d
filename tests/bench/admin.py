"""The admin's side of a measured cluster: applies objects, hears what becomes of them, and reads the API server's counts."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
import yaml

from hybridge.api.kinds import KINDS
from lab.process import LabError

#: Where objects of a kind are, those of a namespace in ``default``.
PATHS = {
    kind.kind: f"/apis/hybridge.io/v1alpha1/{'namespaces/default/' if kind.namespaced else ''}{kind.plural}"
    for kind in KINDS
}
#: Requests to the API server at once.
PARALLEL = 8
_TIMEOUT = 30.0
_SAMPLE = re.compile(r'(\w+)="([^"]*)"')


class Admin:
    """HTTP to the API server, with the admin's account. Every method raises LabError when it is refused."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self.url = str(cluster["server"])
        ca = kubeconfig.with_suffix(".ca.pem")
        ca.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(ca)
        self.session.headers["Authorization"] = f"Bearer {config['users'][0]['user']['token']}"
        self.session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32))

    def close(self) -> None:
        """Closes all connections."""
        self.session.close()

    def request(self, method: str, path: str, content: object = None, kind: str = "application/json") -> Any:
        """One call; the decoded answer, or its text when it is no JSON."""
        data = None if content is None else json.dumps(content)
        answer = self.session.request(
            method, f"{self.url}{path}", data=data, headers={"Content-Type": kind}, timeout=_TIMEOUT
        )
        if not answer.ok:
            raise LabError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return answer.json() if is_json else answer.text

    def apply(self, manifest: dict[str, Any]) -> None:
        """Server-side apply of one object."""
        path = f"{PATHS[manifest['kind']]}/{manifest['metadata']['name']}?fieldManager=bench&force=true"
        self.request("PATCH", path, manifest, "application/apply-patch+yaml")

    def apply_all(self, manifests: Collection[dict[str, Any]]) -> None:
        """Server-side apply of many objects, ``PARALLEL`` at once."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(self.apply, manifests))

    def create(self, manifests: Collection[dict[str, Any]]) -> list[dict[str, Any]]:
        """Creates objects, several at once; as the server has them, in the same order."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(lambda manifest: self.request("POST", PATHS[manifest["kind"]], manifest), manifests))

    def delete(self, kind: str, names: Collection[str]) -> None:
        """Asks for the deletion of objects."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda name: self.request("DELETE", f"{PATHS[kind]}/{name}"), names))

    def writes(self) -> Counter[tuple[str, str]]:
        """Writes but applies, creates and deletes of the admin, by resource and subresource, as the server counted them.

        The admin of a bench applies, creates and deletes; PATCH and PUT, and POST of Events, are the operator's.
        """
        counts: Counter[tuple[str, str]] = Counter()
        for line in str(self.request("GET", "/metrics")).splitlines():
            if not line.startswith("apiserver_request_total{"):
                continue
            labels = dict(_SAMPLE.findall(line))
            if labels["verb"] in {"PATCH", "PUT"} or (labels["verb"] == "POST" and labels["resource"] == "events"):
                counts[labels["resource"], labels["subresource"]] += int(float(line.rpartition(" ")[2]))
        return counts


class Sight:
    """When each object of a kind was first heard of, became Ready, was Drifted and was gone, by a watch.

    Times are of ``time.perf_counter``. To be used as a context.
    """

    def __init__(self, admin: Admin, kind: str) -> None:
        self._admin = admin
        self._kind = kind
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: Exception | None = None
        self._version: str
        self._stream: requests.Response
        self.seen: dict[str, float] = {}
        self.ready: dict[str, float] = {}
        self.drifted: dict[str, float] = {}
        self.gone: dict[str, float] = {}

    def __enter__(self) -> Sight:
        found = self._admin.request("GET", PATHS[self._kind])
        self._version = found["metadata"]["resourceVersion"]
        self._stream = self._open()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        # Closing alone would wait for the reader, and the reader for the next event.
        with contextlib.suppress(RuntimeError):  # the reader has come to its end already
            self._stream.raw.shutdown()
        self._thread.join()
        self._stream.close()

    def wait_ready(self, names: Collection[str], timeout: float) -> None:
        """Blocks until all are Ready; LabError names some that are not after ``timeout`` seconds."""
        self._wait(self.ready, names, timeout, "Ready")

    def wait_drifted(self, names: Collection[str], timeout: float) -> None:
        """Blocks until all were Drifted; LabError names some that were not after ``timeout`` seconds."""
        self._wait(self.drifted, names, timeout, "Drifted")

    def wait_gone(self, names: Collection[str], timeout: float) -> None:
        """Blocks until all are gone; LabError names some that are not after ``timeout`` seconds."""
        self._wait(self.gone, names, timeout, "gone")

    def _wait(self, found: dict[str, float], names: Collection[str], timeout: float, word: str) -> None:
        with self._changed:
            if self._changed.wait_for(lambda: self._error or found.keys() >= set(names), timeout) and not self._error:
                return
        missing = sorted(set(names) - found.keys())
        raise LabError(f"{len(missing)} of {len(names)} are not {word}: {', '.join(missing[:5])}") from self._error

    def _open(self) -> requests.Response:
        url = f"{self._admin.url}{PATHS[self._kind]}?watch=1&resourceVersion={self._version}"
        return self._admin.session.get(url, stream=True, timeout=(_TIMEOUT, 600))

    def _run(self) -> None:
        try:
            while not self._closing:
                for line in self._stream.iter_lines(chunk_size=None):
                    self._hear(json.loads(line))
                if not self._closing:
                    # The server ends watches whose readers do not keep up.
                    self._stream.close()
                    self._stream = self._open()
        except (requests.RequestException, OSError, LabError) as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _hear(self, event: dict[str, Any]) -> None:
        now = time.perf_counter()
        body = event["object"]
        if event["type"] == "ERROR":
            raise LabError(f"the watch broke: {body.get('message')}")
        name = body["metadata"]["name"]
        self._version = body["metadata"]["resourceVersion"]
        with self._changed:
            self.seen.setdefault(name, now)
            if event["type"] == "DELETED":
                self.gone.setdefault(name, now)
            elif is_ready(body):
                self.ready.setdefault(name, now)
            if _is_true(body, "Drifted"):
                self.drifted.setdefault(name, now)
            self._changed.notify_all()


def is_ready(body: dict[str, Any]) -> bool:
    """Whether the object is Ready for its newest spec."""
    return _is_true(body, "Ready")


def _is_true(body: dict[str, Any], kind: str) -> bool:
    status = body.get("status", {})
    current = status.get("observedGeneration") == body["metadata"]["generation"]
    return current and any(
        condition["type"] == kind and condition["status"] == "True" for condition in status.get("conditions", [])
    )


@contextlib.contextmanager
def admin(kubeconfig: Path) -> Iterator[Admin]:
    """An Admin for the time of a context."""
    client = Admin(kubeconfig)
    try:
        yield client
    finally:
        client.close()
