"""The engine's port to Kubernetes, on the official client's transport."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException

from hybridge.api.kinds import KINDS
from hybridge.api.shared import API_VERSION
from hybridge.core.printable import printable
from hybridge.engine.cluster import Body, ClusterUnavailable, Conflict, Invalid, Secret
from hybridge.engine.keys import Key

log = logging.getLogger(__name__)

_JSON = "application/json"
#: Lists without specs and statuses.
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_MERGE = "application/merge-patch+json"
_BASE = f"/apis/{API_VERSION}"
_PLURALS = {kind.kind: kind.plural for kind in KINDS}
#: Who wrote, in the managedFields of objects and in audit logs: tools for GitOps are told to leave a writer's fields by it.
_NAME = "hybridge"
#: Seconds for one call.
_TIMEOUT = 15.0
#: How many calls may be under way at once.
_CONNECTIONS = 64


async def configure() -> Configuration:
    """How to reach the API server: KUBECONFIG, else the account of the pod. Raises config.ConfigException."""
    configuration = Configuration()
    try:
        await config.load_kube_config(client_configuration=configuration)
    except config.ConfigException:
        config.load_incluster_config(client_configuration=configuration)
    configuration.connection_pool_maxsize = _CONNECTIONS
    # The server's CA is set on purpose; a bundle or proxy that a shell exports must not replace it.
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration


class _Metadata(msgspec.Struct, rename="camel"):
    """What is read of an object's metadata, and of a list's."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    following: str = msgspec.field(default="", name="continue")


class _Item(msgspec.Struct):
    """An object of which nothing but its version matters."""

    metadata: _Metadata


class _Page(msgspec.Struct):
    """A page of a list of such objects; of none the API server writes ``null``."""

    metadata: _Metadata
    items: list[_Item] | None = None


class Kubernetes:
    """Calls to the API server. ``on_write`` is told of every write: (verb, status)."""

    def __init__(self, configuration: Configuration, on_write: Callable[[str, int], None]) -> None:
        self._api = ApiClient(configuration)
        self._on_write = on_write

    async def close(self) -> None:
        """Closes all connections."""
        await self._api.close()

    async def request(self, method: str, path: str, body: object = None, *, content_type: str = _JSON) -> Any:
        """One call; the decoded answer, or None for 404. Raises Conflict for 409, Invalid for 422, ClusterUnavailable for
        the rest.
        """
        answer = await self._send(method, path, body, content_type=content_type, accept=_JSON)
        return None if answer is None else msgspec.json.decode(answer)

    async def _send(self, method: str, path: str, body: object, *, content_type: str, accept: str) -> bytes | None:
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": _NAME}
        configuration = self._api.configuration
        token = await configuration.get_api_key_with_prefix("BearerToken")
        if token:
            headers["Authorization"] = token
        url = f"{configuration.host}{path}"
        try:
            response = await self._api.call_api(method, url, headers, body, _request_timeout=_TIMEOUT)
            text: bytes = await response.read()
        except (ApiException, aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise ClusterUnavailable(f"{method} {path}: {type(error).__name__}") from error
        if method != "GET":
            self._on_write(method, response.status)
        if response.status == 404:
            return None
        if response.status == 409:
            raise Conflict
        if response.status == 422:
            raise Invalid(f"{method} {path}: {_words(text)}")
        if response.status >= 400:
            raise ClusterUnavailable(f"{method} {path}: {response.status} {_words(text)}")
        return text

    async def patch_status(self, key: Key, patch: Body, *, resource_version: str | None = None) -> Body | None:
        """See the port."""
        body = {"metadata": {"resourceVersion": resource_version}, **patch} if resource_version else patch
        answer: Body | None = await self.request("PATCH", f"{_path(key)}/status", body, content_type=_MERGE)
        return answer

    async def set_finalizers(self, key: Key, finalizers: Sequence[str], *, resource_version: str) -> Body | None:
        """See the port."""
        body = {"metadata": {"resourceVersion": resource_version, "finalizers": list(finalizers)}}
        answer: Body | None = await self.request("PATCH", _path(key), body, content_type=_MERGE)
        return answer

    async def get(self, key: Key) -> Body | None:
        """See the port."""
        answer: Body | None = await self.request("GET", _path(key))
        return answer

    async def list(self, kind: str) -> Sequence[Body]:
        """All objects of one kind, read past every cache, in pages."""
        items: list[Body] = []
        following = ""
        while True:
            query = urlencode({"limit": 500, **({"continue": following} if following else {})})
            page = await self.request("GET", f"{_BASE}/{_PLURALS[kind]}?{query}")
            if page is None:
                return items
            items.extend({"kind": kind, **item} for item in page["items"])
            following = page["metadata"].get("continue", "")
            if not following:
                return items

    async def versions(self, kind: str) -> Mapping[Key, str]:
        """The versions of all objects of one kind, read past every cache, in pages; nothing else of them is decoded."""
        found: dict[Key, str] = {}
        following = ""
        while True:
            query = urlencode({"limit": 500, **({"continue": following} if following else {})})
            path = f"{_BASE}/{_PLURALS[kind]}?{query}"
            answer = await self._send("GET", path, None, content_type=_JSON, accept=_METADATA)
            if answer is None:
                return found
            page = msgspec.json.decode(answer, type=_Page)
            for item in page.items or ():
                metadata = item.metadata
                found[Key(kind, metadata.namespace, metadata.name)] = metadata.resource_version
            following = page.metadata.following
            if not following:
                return found

    async def secret(self, namespace: str, name: str) -> Secret | None:
        """See the port."""
        path = f"/api/v1/namespaces/{quote(namespace)}/secrets/{quote(name)}"
        try:
            body = await self.request("GET", path)
        except ClusterUnavailable as error:
            if " 403 " in str(error):
                return None
            raise
        if body is None:
            return None
        metadata = body["metadata"]
        data = {key: _decode(value) for key, value in (body.get("data") or {}).items()}
        return Secret(metadata["name"], metadata["uid"], metadata["resourceVersion"], data)

    async def namespace(self, name: str) -> Body | None:
        """See the port."""
        body: Body | None = await self.request("GET", f"/api/v1/namespaces/{quote(name)}")
        return body

    async def emit(self, body: Body, *, reason: str, message: str, warning: bool) -> None:
        """See the port."""
        metadata = body["metadata"]
        namespace = metadata.get("namespace", "default")
        event = {
            "metadata": {"generateName": f"{metadata['name'][:200]}.", "namespace": namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": body["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace"),
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "reason": reason,
            "message": printable(message[:1024]),
            "type": "Warning" if warning else "Normal",
            "source": {"component": "hybridge"},
            "count": 1,
        }
        try:
            await self.request("POST", f"/api/v1/namespaces/{quote(namespace)}/events", event)
        except (ClusterUnavailable, Conflict, Invalid) as error:
            log.info("the Event %s could not be recorded: %s", reason, error)

    async def serves_kinds(self) -> bool:
        """Whether the CRDs are installed and their objects can be listed. Raises ClusterUnavailable while not yet."""
        for plural in _PLURALS.values():
            if await self.request("GET", f"{_BASE}/{plural}?limit=1") is None:
                return False
        return True

    async def cluster_uid(self) -> str:
        """The uid of the Namespace kube-system: what tells clusters apart. Raises ClusterUnavailable."""
        body = await self.namespace("kube-system")
        if body is None:
            raise ClusterUnavailable("the Namespace kube-system does not exist")
        return str(body["metadata"]["uid"])


def _path(key: Key) -> str:
    plural = _PLURALS[key.kind]
    if key.namespace:
        return f"{_BASE}/namespaces/{quote(key.namespace)}/{plural}/{quote(key.name)}"
    return f"{_BASE}/{plural}/{quote(key.name)}"


def _words(text: bytes) -> str:
    """The message of a Status, which names what was forbidden or invalid and holds no content of the object."""
    try:
        status: Mapping[str, Any] = json.loads(text)
    except ValueError:
        return ""
    return str(status.get("message", ""))[:500]


def _decode(value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
