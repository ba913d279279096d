"""Every version of one object that the API server ever had, as GitOps tools see them: by a watch that leaves none out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from tests.apiserver import ApiServer

#: One version of an object; None once it is gone.
Version: TypeAlias = Mapping[str, Any] | None

#: More than any life in a test has; an operator that writes and writes is an error, not a long wait.
MOST = 300


class Recording:
    """The life of an object from now on. ``versions`` holds what was read so far, oldest first."""

    def __init__(self, api: ApiServer, kind: str, name: str, namespace: str = "default") -> None:
        self._api = api
        self._what = (kind, name, namespace)
        self._since, present = api.present(*self._what)
        self._last = _version_of(present)
        self.versions: list[Version] = []

    def read(self) -> list[Version]:
        """The versions since the last reading, up to the present one."""
        _, present = self._api.present(*self._what)
        wanted = _version_of(present)
        fresh: list[Version] = []
        while self._last != wanted:
            for kind, body in self._api.watch(*self._what, self._since):
                self._since = body["metadata"]["resourceVersion"]
                gone = kind == "DELETED"
                self._last = "" if gone else self._since
                fresh.append(None if gone else body)
                assert len(fresh) < MOST, f"{self._what} was written {len(fresh)} times, and no end"
                if self._last == wanted:
                    break
        self.versions += fresh
        return fresh


def _version_of(body: Version) -> str:
    """The resource version; empty for an object that is not there."""
    return str(body["metadata"]["resourceVersion"]) if body else ""
