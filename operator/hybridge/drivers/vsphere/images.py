"""Images of one vCenter, behind the port: templates.

A folder holds a name once, so that a repeated clone finds the template that the first call made. The marker is given with
the call, in the notes: of a template a vCenter changes these and the name, and nothing else.

Source: CloneVM_Task and VirtualMachineCloneSpec in the vSphere Web Services API reference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from hybridge.core.attempt import Intent
from hybridge.core.errors import CloudError, Disposition, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.image import Copy, Find, Image, ImageSpec, ImageTraits, Published, Taken
from hybridge.core.machine import Machine
from hybridge.core.names import fits
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.vsphere import image_mapping, placement
from hybridge.drivers.vsphere.image_mapping import image
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.machines import VsphereMachines
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.templates import Templates


class VsphereImages:
    """The port's methods. Ids of managed objects are never used twice."""

    traits: Final = ImageTraits(visibility=60.0, token_lifetime=86400.0)

    def __init__(
        self,
        defaults: Mapping[str, str],
        inventory: Inventory,
        picture: Picture,
        machines: VsphereMachines,
        templates: Templates,
    ) -> None:
        self._defaults = defaults
        self._inventory = inventory
        self._picture = picture
        self._machines = machines
        self._templates = templates

    def normalize(self, spec: ImageSpec) -> ImageSpec:
        """Paths as they are told, and tags that have a value."""
        return image_mapping.normalize(spec)

    def prepare(self, spec: ImageSpec, taken: Collection[str]) -> Prepared:
        """Two requests at most; of a snapshot one more."""
        del taken  # the vCenter chooses ids
        spec = self.normalize(spec)
        match spec.source:
            case Copy(known):
                source = self._templates.get(known)
            case Published(name, None):
                words = f"VirtualMachine {name} has nothing in the cloud yet"
                raise CloudError(Reason.DEPENDENCY_NOT_READY, words, disposition=Disposition.WAIT)
            case Published(_, str(known)):
                source = self._templates.machine(known)
            case Taken(name, None, _) | Taken(name, _, None):
                words = f"Snapshot {name} is not there yet"
                raise CloudError(Reason.DEPENDENCY_NOT_READY, words, disposition=Disposition.WAIT)
            case Taken(_, str(point), str(known)):
                source = self._templates.taken(known, point)
            case _:
                raise Refused(Reason.INVALID_SPEC, "spec.source says nothing that an image could be made from")
        layout = self._inventory.layout()
        load = placement.Load(self._picture.unfit())
        where = placement.place(layout, source, image_mapping.as_machine(spec), self._defaults, load)
        published = isinstance(spec.source, Published | Taken)
        snapshot = spec.source.snapshot_id if isinstance(spec.source, Taken) else None
        placed = Placed(where.placed.host, where.placed.zone, where.placed.why)
        parameters = image_mapping.parameters(source, where, published=published, snapshot=snapshot)
        return Prepared(parameters, placed=placed)

    def create(self, intent: Intent, spec: ImageSpec, marker: Marker) -> Started[Image]:
        """One CloneVM_Task, of a template or of a machine."""
        del spec  # all of it is among the parameters
        argument = image_mapping.clone_spec(intent, marker)
        return _shown(self._machines.clone(str(intent.parameters["source"]), intent, argument, marker))

    def find(self, marker: Marker, intent: Intent | None) -> list[Image]:
        """As machines are found; what was made a machine of since is told as well."""
        return [image(one) for one in self._machines.find(marker, intent)]

    def get(self, image_id: str) -> Image | None:
        """One request."""
        found = self._machines.get(image_id)
        return image(found) if found is not None else None

    def seek(self, find: Find) -> list[Image]:
        """Of what was pushed, no request; before the first sweep one."""
        return [image(one) for one in self._machines.templates() if fits(find.name, one.name)]

    def configure(
        self, found: Image, spec: ImageSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Image]:
        """Custom attributes one call each; the name in one Rename_Task."""
        del intent
        wanted = image_mapping.as_machine(self.normalize(spec))
        whole = {field.partition(".")[0] for field in fields}
        return _shown(self._machines.configure(self._machine(found), wanted, whole, None, marker))

    def mark(self, found: Image, marker: Marker | None) -> Started[Image]:
        """One ReconfigVM_Task of the notes, after a read; what people wrote there stays."""
        return _shown(self._machines.mark(self._machine(found), marker))

    def delete(self, found: Image) -> Started[Image]:
        """Destroy_Task, after a read that proves whose it is; machines that started from it have disks of their own."""
        started = self._machines.delete(replace(self._machine(found, gone=True), marker=found.marker))
        return _shown(started)

    def _machine(self, found: Image, *, gone: bool = False) -> Machine:
        """The template as the machine that it is, as last pushed, or read. Raises NotProven where it is gone."""
        known = self._picture.machine(found.id) or self._machines.get(found.id)
        if known is None and not gone:
            raise NotProven(f"{found.name} ({found.id}) is gone")
        return replace(known or image_mapping.unseen(found), marker=found.marker)


def _shown(started: Started[Machine]) -> Started[Image]:
    found = image(started.found) if started.found is not None else None
    return Started(started.id, found, started.task, started.again)
