"""Storage policies: which there are, which a spec wants, and which machines have.

A vCenter serves them by an API of their own, PBM, which knows the caller by the session of the vCenter.

Source: ProfileManager in the VMware Storage Policy API reference. The privilege for all of it is StorageProfile.View.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from hybridge.core.errors import Refused
from hybridge.core.machine import Known, MachineSpec
from hybridge.core.names import not_found
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import errors
from hybridge.drivers.vsphere.beside import BesideStub
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.inventory import Kept
from hybridge.drivers.vsphere.sdk import moid, pbm, vim
from hybridge.drivers.vsphere.seen import Associated, Disks

_PATH: Final = "/pbm"
#: That of the oldest vCenter which is spoken to: nothing is needed that came later.
_VERSION: Final = "pbm.version.v7_0"
#: Seconds for which names are used again.
_NAMES_AGE: Final = 300.0
#: Of how many homes and disks one request asks at most.
PAGE: Final = 1000
_STORAGE: Final = "STORAGE"
#: The policies that people choose, as opposed to those that describe what a storage can do.
_REQUIREMENT: Final = "REQUIREMENT"
_NONE: Final[Known] = ("",)


class PolicyStub(BesideStub):
    """Calls of PBM."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, _PATH, _VERSION)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Ids of the policies that a spec wants: of the home and all disks, and of the root disk. None: left as it is."""

    home: str | None = None
    root_disk: str | None = None

    def disks(self, keys: Iterable[int], root: int | None) -> dict[int, str]:
        """The policy of each disk that gets one, by its key. ``root``: the key of the root disk."""
        wanted = {key: self.root_disk if key == root and self.root_disk else self.home for key in keys}
        return {key: policy for key, policy in wanted.items() if policy}


def profiles(policy: str | None) -> list[Any] | None:
    """A policy as the calls of a vCenter take it; None for none, which leaves the one that there is."""
    return [vim.vm.DefinedProfileSpec(profileId=policy)] if policy else None


class Policies:
    """The storage policies of a vCenter. Names are read once in five minutes, by two requests."""

    def __init__(self, session: Session) -> None:
        self._calls = PolicyStub(session)
        self._manager_id = ""
        self._names: Kept[Mapping[str, str]] = Kept(_NAMES_AGE)

    def chosen(self, spec: MachineSpec) -> Chosen:
        """The policies of a spec; no request where it names none. Raises Refused NOT_FOUND with near names."""
        home, root_disk = spec.options.get("storagePolicy"), spec.root_disk_class
        return Chosen(self._id(str(home)) if home else None, self._id(root_disk) if root_disk else None)

    def associated(self, machines: Mapping[str, Disks], stub: PolicyStub) -> dict[str, Associated]:
        """The policies that machines have, of which the disks are given by id. One request.

        Machines and disks that PBM cannot tell of are left out.
        """
        names = self._known(stub)
        answer = self._manager(stub).PbmQueryAssociatedProfiles(list(_asked(machines)))
        found = _told(names, answer)
        return {
            machine_id: Associated(
                found[machine_id],
                found.get(_disk(machine_id, disks.root)),
                tuple(found[disk] for key in disks.others if (disk := _disk(machine_id, key)) in found),
            )
            for machine_id, disks in machines.items()
            if machine_id in found
        }

    def of_volumes(self, ids: Collection[str], stub: PolicyStub) -> dict[str, Known]:
        """The policy of each of these first-class disks. One request. Those that PBM cannot tell of are left out."""
        names = self._known(stub)
        asked = [pbm.ServerObjectRef(objectType="virtualDiskUUID", key=one) for one in sorted(ids)]
        return _told(names, self._manager(stub).PbmQueryAssociatedProfiles(asked))

    def chosen_id(self, name: str | None) -> str | None:
        """The id of a policy of this name or id; None for none. Raises Refused NOT_FOUND with near names."""
        return self._id(name) if name else None

    def _id(self, wanted: str) -> str:
        known = self._known(self._calls)
        if wanted in known:
            return wanted
        found = [policy for policy, name in known.items() if name == wanted]
        if not found:
            self._names.clear()  # a policy may come at any moment
            raise Refused(Reason.NOT_FOUND, not_found("storage policy", wanted, known.values()))
        return found[0]

    def _known(self, stub: PolicyStub) -> Mapping[str, str]:
        """Names of the policies by id."""
        return self._names.get("all", lambda: self._read(stub))

    def _read(self, stub: PolicyStub) -> Mapping[str, str]:
        manager = self._manager(stub)
        storage = pbm.profile.ResourceType(resourceType=_STORAGE)
        ids = manager.PbmQueryProfile(storage, _REQUIREMENT)
        found = manager.PbmRetrieveContent(ids) if ids else ()
        return {str(profile.profileId.uniqueId): str(profile.name) for profile in found}

    def _manager(self, stub: PolicyStub) -> Any:
        if not self._manager_id:
            root = pbm.ServiceInstance("ServiceInstance", stub)
            self._manager_id = moid(root.PbmRetrieveServiceContent().profileManager)
        return pbm.profile.ProfileManager(self._manager_id, stub)


def page(machines: Mapping[str, Disks]) -> dict[str, Disks]:
    """The first of these machines: as many as are asked for by one request."""
    sizes = accumulate(2 + len(disks.others) for disks in machines.values())
    return {key: disks for (key, disks), size in zip(machines.items(), sizes, strict=True) if size <= PAGE}


def _told(names: Mapping[str, str], answer: Any) -> dict[str, Known]:
    """What an answer tells, by the keys of what was asked about; without what it has a fault for."""
    found: dict[str, Known] = {}
    for entry in answer or ():
        if entry.object is None:
            raise errors.unreadable("PbmQueryAssociatedProfiles", "it tells of an object without saying of which")
        if entry.fault is None:
            ids = [str(profile.uniqueId) for profile in entry.profileId or ()]
            found[str(entry.object.key)] = (names.get(ids[0], ids[0]), ids[0]) if ids else _NONE
    return found


def _asked(machines: Mapping[str, Disks]) -> Iterator[Any]:
    for machine_id, disks in machines.items():
        yield pbm.ServerObjectRef(objectType="virtualMachine", key=machine_id)
        for key in (disks.root, *disks.others):
            if key is not None:
                yield pbm.ServerObjectRef(objectType="virtualDiskId", key=_disk(machine_id, key))


def _disk(machine_id: str, key: int | None) -> str:
    """A disk as PBM knows it."""
    return f"{machine_id}:{key}"
