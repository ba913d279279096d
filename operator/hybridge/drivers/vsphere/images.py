"""Images of one vCenter, behind the port: templates, and items of libraries that are to become such (see ``appliances``).

A folder holds a name once, so that a repeated clone finds the template that the first call made. The marker is given with
the call, in the notes: of a template a vCenter changes these and the name, and nothing else.

Source: CloneVM_Task and VirtualMachineCloneSpec in the vSphere Web Services API reference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, Disposition, NotProven, Refused
from hybridge.core.identity import Marker
from hybridge.core.image import Copy, Download, Find, Image, ImageSpec, ImageTraits, Published, Taken
from hybridge.core.machine import Machine
from hybridge.core.names import fits
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for
from hybridge.drivers.vsphere import appliance_words, image_mapping, placement
from hybridge.drivers.vsphere.appliances import Appliances
from hybridge.drivers.vsphere.image_mapping import image
from hybridge.drivers.vsphere.inventory import Inventory
from hybridge.drivers.vsphere.machines import VsphereMachines
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.templates import Templates


class VsphereImages:
    """The port's methods. Ids of managed objects are never used twice.

    An Image that is made of an appliance has the id of its item until it is a template; the UUID of the attempt, which both
    have, tells that they are the same.
    """

    traits: Final = ImageTraits(chooses_uuid=True, visibility=60.0, token_lifetime=86400.0)

    def __init__(
        self,
        defaults: Mapping[str, str],
        inventory: Inventory,
        picture: Picture,
        machines: VsphereMachines,
        templates: Templates,
        appliances: Appliances,
    ) -> None:
        self._defaults = defaults
        self._inventory = inventory
        self._picture = picture
        self._machines = machines
        self._templates = templates
        self._appliances = appliances

    def normalize(self, spec: ImageSpec) -> ImageSpec:
        """Paths as they are told, and tags that have a value."""
        return image_mapping.normalize(spec)

    def prepare(self, spec: ImageSpec, taken: Collection[str]) -> Prepared:
        """Two requests at most; of a snapshot one more."""
        del taken  # the vCenter chooses ids
        spec = self.normalize(spec)
        match spec.source:
            case Download() as file:
                there = self._appliances.place(spec, appliance_words.file_name(file))
                return Prepared(image_mapping.place_parameters(there), placed=_placed(there))
            case Copy(known) if appliance_words.may_be_item(known):
                there = self._appliances.place(spec, self._appliances.deployable(known))
                return Prepared({**image_mapping.place_parameters(there), "of": known}, placed=_placed(there))
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
        parameters = image_mapping.parameters(source, where, published=published, snapshot=snapshot)
        return Prepared(parameters, placed=_placed(where))

    def create(self, intent: Intent, spec: ImageSpec, marker: Marker) -> Started[Image]:
        """One CloneVM_Task, of a template or of a machine; of an appliance the item that tells of it.

        Raises Busy (UPDATING) when the machine has other volumes than when the intent was prepared.
        """
        del spec  # all of it is among the parameters
        if appliance_words.is_fetched(intent.parameters):
            return self._appliances.create(intent, marker)
        made = self._machines.made(intent, marker)
        if made is None:
            self._have_the_same_lent(intent)
            argument = image_mapping.clone_spec(intent, marker)
            made = self._machines.clone(str(intent.parameters["source"]), intent, argument, marker)
        return _shown(made)

    def find(self, marker: Marker, intent: Intent | None) -> list[Image]:
        """As machines are found; what was made a machine of since is told, too. An item where there is no template yet."""
        found = [image(one) for one in self._machines.find(marker, intent)]
        if intent is None or not appliance_words.is_fetched(intent.parameters) or any(not one.unfit for one in found):
            return found
        item = self._appliances.find(intent)
        return [item] if item is not None else found

    def get(self, image_id: str) -> Image | None:
        """One request."""
        if appliance_words.is_item_id(image_id):
            return self._appliances.get(image_id)
        found = self._machines.get(image_id)
        return image(found) if found is not None else None

    def seek(self, find: Find) -> list[Image]:
        """Of what was pushed, no request; before the first sweep one."""
        return [image(one) for one in self._machines.templates() if fits(find.name, one.name)]

    def configure(
        self, found: Image, spec: ImageSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Image]:
        """Custom attributes one call each; the name in one Rename_Task. What is missing comes first, and alone."""
        del intent
        if appliance_words.is_item_id(found.id):
            return self._appliances.advance(found, self.normalize(spec), marker)
        if f"parts.{appliance_words.REST}" in fields:
            return self._finish(found, marker)
        wanted = image_mapping.as_machine(self.normalize(spec))
        whole = {field.partition(".")[0] for field in fields}
        return _shown(self._machines.configure(self._machine(found), wanted, whole, None, marker))

    def mark(self, found: Image, marker: Marker | None) -> Started[Image]:
        """One ReconfigVM_Task of the notes, after a read; what people wrote there stays."""
        if appliance_words.is_item_id(found.id):
            raise Refused(
                Reason.UNSUPPORTED,
                f"{found.id} is only half made and cannot be let go; set spec.lifecycle.onDelete to Delete, or wait",
            )
        return _shown(self._machines.mark(self._machine(found), marker))

    def delete(self, found: Image) -> Started[Image]:
        """Destroy_Task, after a read that proves whose it is; machines that started from it have disks of their own.

        The item of one that is not whole yet goes first: as long as the template is there its notes name it.
        """
        if appliance_words.is_item_id(found.id):
            return self._appliances.delete(found)
        present = self._machines.get(found.id) if found.missing else None
        if present is not None:
            prove(found, present.marker)
            self._appliances.finish(image_mapping.item_of(present), found.marker)
        started = self._machines.delete(replace(self._machine(found, gone=True), marker=found.marker))
        return _shown(started)

    def _have_the_same_lent(self, intent: Intent) -> None:
        """One request, of a machine: others' data would be in the image. What a snapshot has stays as it is."""
        left_out = image_mapping.left_out(intent)
        if left_out is None:
            return
        source = self._templates.machine(str(intent.parameters["source"]))
        if image_mapping.lent(source) != left_out:
            raise Busy(f"{source.name} ({source.id}) has other volumes than before", reason=Reason.UPDATING)

    def _finish(self, found: Image, marker: Marker) -> Started[Image]:
        """The item goes, and then what names it. Others may write notes, too: they are read right before."""
        present = self._machines.get(found.id)
        if present is None:
            raise NotProven(f"{found.name} ({found.id}) is gone")
        prove_for(found, present.marker, marker)
        self._appliances.finish(image_mapping.item_of(present), present.marker)
        return self._appliances.forget(found.id)

    def _machine(self, found: Image, *, gone: bool = False) -> Machine:
        """The template as the machine that it is, as last pushed, or read. Raises NotProven where it is gone."""
        known = self._picture.machine(found.id) or self._machines.get(found.id)
        if known is None and not gone:
            raise NotProven(f"{found.name} ({found.id}) is gone")
        return replace(known or image_mapping.unseen(found), marker=found.marker)


def _placed(where: placement.Place) -> Placed:
    return Placed(where.placed.host, where.placed.zone, where.placed.why)


def _shown(started: Started[Machine]) -> Started[Image]:
    found = image(started.found) if started.found is not None else None
    return Started(started.id, found, started.task, started.again)
