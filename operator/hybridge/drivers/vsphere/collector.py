"""Reading through the PropertyCollector: many objects and many properties, one request.

Source: "PropertyCollector" in the vSphere Web Services API reference. A path may name one element of a list by its
key, ``config.extraConfig["key"]``: what does not have it is reported without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hybridge.core.errors import CloudError
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import errors
from hybridge.drivers.vsphere.client import Session, Stub
from hybridge.drivers.vsphere.sdk import fault_name, moid, vim, vmodl

_query = vmodl.query.PropertyCollector

#: No number that a vCenter tells is beyond what a double holds exactly.
_LARGEST = 2**53


class Told(dict[str, Any]):
    """The properties of an object that are set. One that is needed and was not told is an error of the cloud's."""

    def __init__(self, of: str, pairs: Iterable[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.of = of

    def __missing__(self, path: str) -> Any:
        """Raises CloudError."""
        raise CloudError(Reason.CLOUD_ERROR, f"the vCenter did not tell the {path} of {self.of}")


@dataclass(frozen=True, slots=True)
class Found:
    """One managed object: its id, the name of its type, and the properties that were asked for and are set."""

    id: str
    kind: str
    properties: Mapping[str, Any] = field(default_factory=dict)


def kind_of(reference: Any) -> str:
    """The name of a managed object's type, such as ``VirtualMachine``."""
    return type(reference).__name__.rpartition(".")[2]


def step(kind: Any, path: str, *further: Any, name: str | None = None) -> Any:
    """A traversal from objects of ``kind`` along ``path``, and from there ``further``. ``name`` lets others refer to it."""
    return _query.TraversalSpec(name=name, type=kind, path=path, skip=False, selectSet=list(further))


def again(name: str) -> Any:
    """The traversal of this name, once more: how trees are walked."""
    return _query.SelectionSpec(name=name)


def start(reference: Any, *steps: Any, skip: bool = False) -> Any:
    """Where a selection starts; ``skip``: the object itself is not wanted."""
    return _query.ObjectSpec(obj=reference, skip=skip, selectSet=list(steps))


def selection(properties: Mapping[Any, Iterable[str]], *starts: Any, tolerate_missing: bool = False) -> Any:
    """Which properties of which types, of what is reached from the starts."""
    return _query.FilterSpec(
        propSet=[_query.PropertySpec(type=kind, all=False, pathSet=list(paths)) for kind, paths in properties.items()],
        objectSet=list(starts),
        reportMissingObjectsInResults=tolerate_missing,
    )


def retrieve(session: Session, *selections: Any, stub: Stub | None = None) -> list[Found]:
    """All objects of the selections, read now: one request, and one more for each further page.

    ``stub``: through which to send. Raises CloudError; a reference to an object that is gone is ``ManagedObjectNotFound``.
    """
    epoch = session.ensure()
    collector = _query(moid(session.content.propertyCollector), stub or session.calls)
    found, authenticated = _pages(collector, selections)
    if not authenticated:
        session.renew(epoch)
        found, _ = _pages(collector, selections)
    return found


def _pages(collector: Any, selections: Iterable[Any]) -> tuple[list[Found], bool]:
    """The objects, and whether the vCenter knew who asked: without a session it may answer with nothing in it."""
    page = collector.RetrievePropertiesEx(list(selections), _query.RetrieveOptions())
    found: list[Found] = []
    while page is not None:
        for entry in page.objects:
            if any(fault_name(missing.fault) == "NotAuthenticated" for missing in entry.missingSet):
                return [], False
            if entry.obj is None:
                raise errors.unreadable("RetrievePropertiesEx", "it tells of an object without saying of which")
            told = Told(moid(entry.obj), _set(entry.propSet))
            found.append(Found(told.of, kind_of(entry.obj), told))
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    return found, True


def _set(properties: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for entry in properties:
        if isinstance(entry.val, int) and abs(entry.val) > _LARGEST:
            raise errors.unreadable("RetrievePropertiesEx", f"{entry.name} is out of range")
        if entry.val is not None:
            yield str(entry.name), entry.val


def tree(reference: Any) -> Any:
    """Everything below a folder: its folders and what is in them, and the pools and hosts of compute resources."""
    return start(
        reference,
        step(
            vim.Folder,
            "childEntity",
            again("children"),
            step(vim.ComputeResource, "resourcePool", again("pools"), name="root"),
            step(vim.ComputeResource, "host"),
            step(vim.StoragePod, "childEntity"),
            name="children",
        ),
        step(vim.ResourcePool, "resourcePool", again("pools"), name="pools"),
    )
