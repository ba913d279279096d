"""Storage policies of the lab's machines, as a person sees and changes them."""

from __future__ import annotations

from typing import Any

from lab.vsphere_sdk import sdk, vim
from lab.vsphere_session import VsphereSession


class StoragePolicies:
    """The storage policies of a vCenter, by an API of their own which knows the caller by the vCenter's session."""

    def __init__(self, session: VsphereSession) -> None:
        self._session = session

    def set(
        self, moid: str, *, home: str | None = None, root_disk: str | None = None, second_disk: str | None = None
    ) -> None:
        """Give a machine's home, or the first or second of its disks, another storage policy, by name."""
        with self._session.lock:
            profiles = {name: [vim.vm.DefinedProfileSpec(profileId=policy)] for name, policy in self._ids().items()}
            edits = [
                vim.vm.device.VirtualDeviceSpec(operation="edit", device=disk, profile=profiles[name])
                for disk, name in zip(self._disks(moid), (root_disk, second_disk), strict=False)
                if name
            ]
        self._session.reconfigure(moid, vim.vm.ConfigSpec(vmProfile=profiles.get(home or ""), deviceChange=edits))

    def of(self, moid: str) -> dict[str, str]:
        """The names of the storage policies that a machine has: of ``home``, and of disks by their keys."""
        with self._session.lock:
            names = {policy: name for name, policy in self._ids().items()}
            disks = [disk.key for disk in self._disks(moid)]
            asked = [sdk.pbm.ServerObjectRef(objectType="virtualMachine", key=moid)]
            asked += [sdk.pbm.ServerObjectRef(objectType="virtualDiskId", key=f"{moid}:{key}") for key in disks]
            answer = self._manager().PbmQueryAssociatedProfiles(asked)
            return {
                entry.object.key.partition(":")[2] or "home": names[entry.profileId[0].uniqueId]
                for entry in answer
                if entry.profileId
            }

    def _disks(self, moid: str) -> list[Any]:
        return [device for device in self._session.vm(moid).config.hardware.device if hasattr(device, "capacityInKB")]

    def _ids(self) -> dict[str, str]:
        """Ids of the storage policies by name."""
        manager = self._manager()
        storage = sdk.pbm.profile.ResourceType(resourceType="STORAGE")
        found = manager.PbmRetrieveContent(manager.PbmQueryProfile(storage, "REQUIREMENT"))
        return {profile.name: profile.profileId.uniqueId for profile in found}

    def _manager(self) -> Any:
        stub = self._session.stub("pbm.version.version1", path="/pbm", requestContext=self._session.cookie())
        return sdk.pbm.profile.ProfileManager("ProfileManager", stub)
