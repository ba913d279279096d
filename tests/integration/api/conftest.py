"""A real API server with the CRDs, and a small client that shows what it says."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from hybridge.api.kinds import KINDS
from lab.controlplane import ControlPlane

CRDS = Path(__file__).parents[3] / "crds"

Body = dict[str, Any]


@dataclass
class Answer:
    """What the API server answered; ``message`` is empty when it accepted."""

    code: int
    body: Body

    @property
    def message(self) -> str:
        return "" if self.code < 300 else str(self.body["message"])


@dataclass
class Api:
    """The resources of our group at one API server."""

    plane: ControlPlane
    connection: http.client.HTTPSConnection
    token: str
    made: list[str] = field(default_factory=list)

    def create(self, body: Body, *, dry_run: bool = False) -> Answer:
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        answer = self._send("POST", self._collection(body) + query, body)
        if answer.code < 300 and not dry_run:
            self.made.append(self._path(body))
        return answer

    def merge(self, body: Body, change: Body, *, status: bool = False) -> Answer:
        path = self._path(body) + ("/status" if status else "")
        return self._send("PATCH", path, change, "application/merge-patch+json")

    def remove_all(self) -> None:
        while self.made:
            self._send("DELETE", self.made.pop(), None)

    def _send(self, method: str, path: str, body: Body | None, content: str = "application/json") -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = self.connection.getresponse()
        return Answer(response.status, json.loads(response.read()))

    @staticmethod
    def _collection(body: Body) -> str:
        kind = next(kind for kind in KINDS if kind.kind == body["kind"])
        namespace = "namespaces/default/" if kind.namespaced else ""
        return f"/apis/hybridge.io/v1alpha1/{namespace}{kind.plural}"

    def _path(self, body: Body) -> str:
        return f"{self._collection(body)}/{body['metadata']['name']}"


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("api")) as plane:
        plane.apply(CRDS)
        plane.kube("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Iterator[Api]:
    user = yaml.safe_load(plane.kubeconfig.read_text())["users"][0]["user"]
    url = urllib.parse.urlsplit(plane.url)
    context = ssl.create_default_context(cadata=plane.authority.pem)
    connection = http.client.HTTPSConnection(str(url.hostname), url.port, context=context, timeout=30)
    api = Api(plane, connection, user["token"])
    yield api
    api.remove_all()
    connection.close()


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t-{uuid4().hex[:12]}"
