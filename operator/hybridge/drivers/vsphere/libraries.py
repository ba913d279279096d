"""Content libraries of one vCenter: items, the files that it fetches into them, and machines that it makes of them.

Source: the packages content and vcenter.ovf of the vSphere Automation API reference. That a session can be completed
while its files are still fetched is in the description of ``complete`` of its UpdateSession.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from hybridge.core.errors import Busy, CloudError, IdTaken, Refused
from hybridge.core.image import Download
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.drivers.vsphere import appliance_words, errors
from hybridge.drivers.vsphere.appliance_words import Item, Where
from hybridge.drivers.vsphere.automation import Automation, patiently

_LIBRARIES: Final = "/api/content/library"
_ITEMS: Final = "/api/content/library/item"
_UPDATES: Final = "/api/content/library/item/update-session"
_APPLIANCES: Final = "/api/vcenter/ovf/library-item"
#: How ids of tasks begin that are update sessions of items.
FETCHING: Final = "update-session:"
_ENDED: Final = frozenset({"ERROR", "CANCELED"})


class Made(NamedTuple):
    """What a deployment has made: its id, and whether it is a vApp, because the appliance has several machines."""

    id: str
    several: bool


class Libraries:
    """The calls. All methods raise CloudError."""

    def __init__(self, api: Automation) -> None:
        self._api = api

    def local(self, datastore: str) -> str:
        """The id of the library for appliances that come to a datastore, which is made where there is none.

        Everybody's token for it is the same, and so whoever is second has that of the first.
        """
        name = appliance_words.library_name(datastore)
        found = _ids("FindLibraries", self._api.ask("FindLibraries", f"{_LIBRARIES}?action=find", {"name": name}))
        if found:
            return found[0]
        words = {
            "name": name,
            "type": "LOCAL",
            "description": "What Hybridge has fetched, until it is a template",
            "storage_backings": [{"type": "DATASTORE", "datastore_id": datastore}],
        }
        token = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
        return _id("CreateLibrary", self._api.post("CreateLibrary", "/api/content/local-library", words, token))

    def find(self, name: str) -> Item | None:
        """The item of this name, in whatever library."""
        found = _ids("FindLibraryItems", self._api.ask("FindLibraryItems", f"{_ITEMS}?action=find", {"name": name}))
        return self.get(found[0]) if found else None

    def get(self, item: str) -> Item | None:
        """An item by its id; None where the vCenter says that there is none."""
        try:
            told = _object("GetLibraryItem", self._api.get("GetLibraryItem", _path(_ITEMS, item)))
        except Refused as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        size = told.get("size")
        return Item(
            item,
            str(told.get("name", "")),
            str(told.get("description") or ""),
            size if isinstance(size, int) else 0,
            str(told.get("type") or ""),
        )

    def add(self, datastore: str, name: str, notes: str, token: str) -> Item:
        """An item of this name, still without content. One that is there already is that."""
        words = {"library_id": self.local(datastore), "name": name, "type": "ovf", "description": notes}
        try:
            made = _id("CreateLibraryItem", self._api.post("CreateLibraryItem", _ITEMS, words, token))
        except IdTaken:
            known = self.find(name)
            if known is None:
                raise
            return known
        return Item(made, name, notes)

    def delete(self, item: str) -> None:
        """Deletes an item with all that is under way in it. Already so: no error."""
        session = self._active(item)
        if session is not None:
            with contextlib.suppress(Busy):  # it has ended meanwhile
                self._api.post("CancelLibraryUpdate", f"{_path(_UPDATES, session)}?action=cancel")
        try:
            self._api.delete("DeleteLibraryItem", _path(_ITEMS, item))
        except Refused as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    # ------------------------------------------------------------------ fetching

    def fetch(self, item: str, source: Download) -> Task:
        """Has the vCenter fetch the appliance into an item, or tells of it where it is at that.

        What failed before is begun anew.
        """
        session = self._active(item)
        if session is None:
            begun = self._api.post("BeginLibraryUpdate", _UPDATES, {"library_item_id": item})
            session = _id("BeginLibraryUpdate", begun)
        if not self._files(session):
            file = {
                "name": appliance_words.file_name(source),
                "source_type": "PULL",
                "source_endpoint": {"uri": source.url},
                "checksum_info": appliance_words.checksum(source),
            }
            self._api.post("PullLibraryFile", f"{_path(_UPDATES, session)}/file", file)
        with contextlib.suppress(Busy):  # it is complete already, or has failed: its task tells
            self._api.post("CompleteLibraryUpdate", f"{_path(_UPDATES, session)}?action=complete")
        return Task(FETCHING + session, "FetchAppliance", time.time())

    def fetched(self, task: Task) -> Task:
        """How far that is: one request, and another one while it goes on."""
        session = task.id.removeprefix(FETCHING)
        try:
            told = _object("GetLibraryUpdate", self._api.get("GetLibraryUpdate", _path(_UPDATES, session)))
            files = self._files(session) if told.get("state") == "ACTIVE" else []
        except Refused as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            return Task(task.id, task.operation, task.started_at, TaskState.UNKNOWN)
        return _judged(task, told, files)

    def _active(self, item: str) -> str | None:
        """The session in which the item is being filled. Those that came to nothing go."""
        active = None
        for session in self._sessions(item):
            told = _object("GetLibraryUpdate", self._api.get("GetLibraryUpdate", _path(_UPDATES, session)))
            if told.get("state") == "ACTIVE":
                active = session
            elif told.get("state") in _ENDED:
                self._api.delete("DeleteLibraryUpdate", _path(_UPDATES, session))
        return active

    def _sessions(self, item: str) -> list[str]:
        path = f"{_UPDATES}?library_item_id={quote(item, safe='')}"
        try:
            return _ids("ListLibraryUpdates", self._api.get("ListLibraryUpdates", path))
        except Refused as error:
            if error.reason is Reason.NOT_FOUND:
                return []
            raise

    def _files(self, session: str) -> list[dict[str, Any]]:
        told = self._api.get("ListLibraryFiles", f"{_path(_UPDATES, session)}/file")
        if not isinstance(told, list):
            raise errors.unreadable("ListLibraryFiles", "it is no list", changes=False)
        return [one for one in told if isinstance(one, dict)]

    # ----------------------------------------------------------------- deploying

    def deploy(self, item: str, where: Where, notes: str, token: str) -> Made:
        """Makes a machine of an item, or a vApp where it has several, with these notes from its first moment.

        Raises Busy while the vCenter is at it for longer than its answers are waited for, and IdTaken where the folder has
        that name already. Whoever names an appliance in a spec has accepted its licences.
        """
        words = {
            "deployment_spec": {
                "name": where.name,
                "annotation": notes,
                "accept_all_EULA": True,
                "storage_provisioning": "thin",
                "default_datastore_id": where.datastore,
            },
            "target": {
                "resource_pool_id": where.pool,
                "folder_id": where.folder,
                **({"host_id": where.host} if where.host else {}),
            },
        }
        path = f"{_path(_APPLIANCES, item)}?action=deploy"
        told = _object("DeployAppliance", patiently(lambda: self._api.post("DeployAppliance", path, words, token)))
        made = told.get("resource_id")
        if told.get("succeeded") is True and isinstance(made, dict) and isinstance(made.get("id"), str):
            return Made(str(made["id"]), several=made.get("type") == "VirtualApp")
        raise CloudError(Reason.TASK_FAILED, f"DeployAppliance: {_complaints(told) or 'it did not succeed'}")


def _complaints(told: dict[str, Any]) -> str:
    """The words of the errors of a deployment."""
    error = told.get("error")
    found = error.get("errors") if isinstance(error, dict) else None
    every = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    texts = (errors.spoken(one.get("message")) or errors.spoken(one.get("error")) for one in every)
    return "; ".join(text for text in texts if text)


def _judged(task: Task, told: dict[str, Any], files: list[dict[str, Any]]) -> Task:
    state = told.get("state")
    if state == "ACTIVE":
        return Task(task.id, task.operation, task.started_at, progress=_progress(files))
    if state == "DONE":
        return Task(task.id, task.operation, task.started_at, TaskState.SUCCEEDED)
    words = errors.spoken(told.get("error_message")) or f"the update session is {state}"
    return Task(task.id, task.operation, task.started_at, TaskState.FAILED, error=words)


def _progress(files: list[dict[str, Any]]) -> int | None:
    """Percent, where the vCenter knows how much there is."""
    sizes = [one.get("size") for one in files]
    done = [one.get("bytes_transferred") for one in files]
    whole = sum(size for size in sizes if isinstance(size, int))
    if not whole:
        return None
    return min(100, 100 * sum(part for part in done if isinstance(part, int)) // whole)


def _path(above: str, known_id: str) -> str:
    return f"{above}/{quote(known_id, safe='')}"


def _id(operation: str, told: object) -> str:
    if not isinstance(told, str) or not told:
        raise errors.unreadable(operation, "it holds no id", changes=True)
    return told


def _ids(operation: str, told: object) -> list[str]:
    if not isinstance(told, list) or not all(isinstance(one, str) for one in told):
        raise errors.unreadable(operation, "it is no list of ids", changes=False)
    return sorted(told)


def _object(operation: str, told: object) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise errors.unreadable(operation, "it is no object", changes=operation == "DeployAppliance")
    return told
