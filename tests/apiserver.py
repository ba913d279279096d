"""The API server over plain HTTP, as whom a kubeconfig names: a test that looks often cannot pay a kubectl each time."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
import yaml

from hybridge.api.kinds import KINDS
from lab.process import LabError

#: Path of each kind's collection, and whether it is in a namespace, by every word that the tests use for the kind.
_HYBRIDGE = "/apis/hybridge.io/v1alpha1"
_COLLECTIONS: Mapping[str, tuple[str, str, bool]] = {
    word: entry
    for entry in (
        *((_HYBRIDGE, kind.plural, kind.namespaced) for kind in KINDS),
        ("/api/v1", "secrets", True),
        ("/api/v1", "namespaces", False),
        ("/api/v1", "events", True),
        ("/apis/coordination.k8s.io/v1", "leases", True),
    )
    for word in (entry[1], entry[1].removesuffix("s"))
} | {kind.short: (_HYBRIDGE, kind.plural, kind.namespaced) for kind in KINDS}


class ApiServer:
    """Reads and writes the few kinds that the tests work with. LabError carries the API server's words."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._url = cluster["server"]
        self._token = config["users"][0]["user"]["token"]
        self._pool = urllib3.PoolManager(
            ssl_context=ssl.create_default_context(cadata=authority),
            retries=urllib3.Retry(total=2, connect=2),
            maxsize=8,
        )

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        """An object, or None."""
        return self._call("GET", _path(kind, namespace, name))

    def list(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        """All objects of a kind in a namespace."""
        items: list[dict[str, Any]] = (self._call("GET", _path(kind, namespace)) or {"items": []})["items"]
        return items

    def present(self, kind: str, name: str, namespace: str) -> tuple[str, dict[str, Any] | None]:
        """The resource version of the kind's present, from where a watch may go on, and the object then, if any."""
        listed = self._call("GET", f"{_path(kind, namespace)}?{urlencode(_only(name))}")
        assert listed is not None
        return listed["metadata"]["resourceVersion"], next(iter(listed["items"]), None)

    def watch(self, kind: str, name: str, namespace: str, since: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """ADDED, MODIFIED or DELETED with every version of one object after a resource version, as they come.

        It ends after half a minute at most. LabError when the API server has forgotten what was then.
        """
        asked = {**_only(name), "watch": "1", "resourceVersion": since, "timeoutSeconds": "30"}
        url = f"{self._url}{_path(kind, namespace)}?{urlencode(asked)}"
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._pool.request("GET", url, headers=headers, timeout=40, preload_content=False)
        try:
            for line in answer:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise LabError(f"the watch broke: {event['object'].get('message')}")
                yield event["type"], event["object"]
        finally:
            answer.close()

    def apply(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply, with force."""
        metadata = document["metadata"]
        path = _path(document["kind"].lower(), metadata.get("namespace", "default"), metadata["name"])
        done = self._call("PATCH", f"{path}?fieldManager=lab&force=true", document, "application/apply-patch+yaml")
        assert done is not None
        return done

    def patch(self, kind: str, name: str, namespace: str, patch: Mapping[str, Any]) -> None:
        """A merge patch. LabError also when there is no such object."""
        if self._call("PATCH", _path(kind, namespace, name), patch, "application/merge-patch+json") is None:
            raise LabError(f"there is no {kind} {namespace}/{name}")

    def delete(self, kind: str, name: str, namespace: str) -> None:
        """Asks for the deletion; nothing is done when there is no such object."""
        self._call("DELETE", _path(kind, namespace, name))

    def delete_all(self, kind: str, namespace: str) -> None:
        """Asks for the deletion of all objects of a kind in a namespace, in one request."""
        self._call("DELETE", _path(kind, namespace))

    @staticmethod
    def knows(kind: str) -> bool:
        """Whether objects of this kind can be had here."""
        return kind.lower() in _COLLECTIONS

    def _call(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        content = None if body is None else json.dumps(body).encode()
        try:
            answer = self._pool.request(method, self._url + path, body=content, headers=headers, timeout=30)
        except urllib3.exceptions.HTTPError as error:
            raise LabError(f"the API server does not answer: {error}") from error
        if answer.status == 404:
            return None
        found: dict[str, Any] = json.loads(answer.data)
        if answer.status >= 400:
            raise LabError(str(found.get("message", answer.data)))
        return found


def _only(name: str) -> dict[str, str]:
    return {"fieldSelector": f"metadata.name={name}"}


def _path(kind: str, namespace: str, name: str = "") -> str:
    base, plural, namespaced = _COLLECTIONS[kind.lower()]
    folder = f"{base}/namespaces/{quote(namespace)}/{plural}" if namespaced else f"{base}/{plural}"
    return f"{folder}/{quote(name)}" if name else folder
