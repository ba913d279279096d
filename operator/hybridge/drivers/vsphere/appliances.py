"""Images that a vCenter makes of appliances, which it fetches (OVA) or has in a content library: see ``appliance_words``.

A folder holds a name once, so that of one item only one machine comes, whatever is repeated.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, NotProven, Refused
from hybridge.core.identity import Marker, read_notes
from hybridge.core.image import Download, Image, ImageSpec
from hybridge.core.machine import MachineSpec
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.task import Task
from hybridge.drivers.base import Started
from hybridge.drivers.marked import prove, prove_for, same_owner
from hybridge.drivers.vsphere import appliance_words, collector, image_mapping, inventory, placement, proof, seen
from hybridge.drivers.vsphere.appliance_words import Item, Where
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.inventory import Inventory, Layout
from hybridge.drivers.vsphere.libraries import Libraries
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import moid, vim
from hybridge.drivers.vsphere.templates import Template

_READ: Final = (seen.NOTES, seen.UUID, "config.template")


@dataclass(frozen=True, slots=True)
class Deployed:
    """The machine that was made of an item: its id, whose it is, its UUID, and whether it is a template by now; or the vApp
    that several machines are.
    """

    id: str
    marker: Marker | None
    uuid: str | None = None
    template: bool = False
    several: bool = False


class Appliances:
    """What ``VsphereImages`` does with those that are made so."""

    def __init__(
        self,
        session: Session,
        layouts: Inventory,
        picture: Picture,
        libraries: Libraries,
        defaults: Mapping[str, str],
    ) -> None:
        self._session = session
        self._inventory = layouts
        self._picture = picture
        self._libraries = libraries
        self._defaults = defaults
        self._several: set[str] = set()

    def deployable(self, item: str) -> str:
        """The name of an item of a library of which a machine can be made: one request. Raises Refused."""
        found = self._libraries.get(item)
        if found is None:
            raise Refused(
                Reason.NOT_FOUND,
                f"spec.source.copy.id: there is no template and no item of a content library with {item}",
            )
        if found.type != "ovf":
            raise Refused(
                Reason.UNSUPPORTED,
                f"spec.source.copy.id: {found.name} ({item}) is of type {found.type or 'unknown'}, and images are made of"
                " items of type ovf; of a VM template give the id of the template itself (vm-…)",
            )
        return found.name

    def place(self, spec: ImageSpec, source: str) -> placement.Place:
        """Where the template comes. No request but those for the layout. Raises Refused.

        Machines may start from a template anywhere: where nobody names a cluster for it, the largest that has room will do.
        """
        layout, load = self._inventory.layout(), placement.Load(self._picture.unfit())
        unknown = Template("", source, None, (), None, None)
        wanted = image_mapping.as_machine(spec)
        named = any(words.get(key) for words in (spec.placement, self._defaults) for key in placement.COMPUTE_KEYS)
        choices = [wanted] if named else [_within(wanted, path) for path in _computes(layout)] or [wanted]
        refusal: Refused | None = None
        for choice in choices:
            try:
                return placement.place(layout, unknown, choice, self._defaults, load)
            except Refused as error:
                refusal = refusal or error
        raise refusal or Refused(Reason.CAPACITY, "spec.placement.cluster: there is no cluster")

    def create(self, intent: Intent, marker: Marker) -> Started[Image]:
        """Its item, which has no content yet, unless there is what came of it before."""
        where = Where.read({**intent.parameters, "name": intent.name})
        if where is None:
            raise Refused(Reason.INVALID_SPEC, "the intent names no place for the appliance")
        machine = self._deployed(where)
        if machine is not None:
            _claim(machine, where, marker)
            if machine.template:
                return Started(machine.id)
        name = appliance_words.item_name(intent.uuid)
        notes = appliance_words.described(marker, where)
        item = self._libraries.add(where.datastore, name, notes, intent.token)
        return _told(item)

    def find(self, intent: Intent) -> Image | None:
        """The item of an attempt, as long as there is one."""
        item = self._libraries.find(appliance_words.item_name(intent.uuid))
        return appliance_words.image(item) if item is not None else None

    def get(self, image_id: str) -> Image | None:
        """One request."""
        item = self._libraries.get(appliance_words.item_id(image_id))
        return appliance_words.image(item) if item is not None else None

    def advance(self, found: Image, spec: ImageSpec, marker: Marker) -> Started[Image]:
        """The next step from an item to a template."""
        item = self._proven(found, marker)
        where = item.where
        if where is None:
            raise Refused(Reason.IDENTITY_MISMATCH, f"the description of {found.id} no longer says what it is for")
        if not item.size and not where.of:
            if not isinstance(spec.source, Download):
                raise Refused(Reason.REJECTED, f"{found.id} was begun from a file, and spec.source.url names none")
            return replace(_told(item), task=self._libraries.fetch(item.id, spec.source), again=True)
        machine = self._deployed(where)
        if machine is None:
            return self._deploy(item, where, marker)
        _claim(machine, where, marker)
        if machine.several:
            self._take_back(item, machine.id)
        if not machine.template:
            if item.uuid is not None and machine.uuid != item.uuid:
                return self._name(item, machine.id)
            self._mark(machine.id)
        return Started(machine.id)

    def finish(self, item: str | None, marker: Marker | None) -> None:
        """Deletes the item that a template names. Notes get copied: one that is not of the same owner stays."""
        known = self._libraries.get(item) if item is not None else None
        if item is not None and (known is None or same_owner(known.marker, marker)):
            self._libraries.delete(item)
            self._picture.let_go(appliance_words.known_as(item))

    def forget(self, template: str) -> Started[Image]:
        """Takes the item out of the notes of a template: a read, and one ReconfigVM_Task."""
        reference = self._vm(template)
        chosen = collector.selection({vim.VirtualMachine: (seen.NOTES,)}, collector.start(reference))
        read = next((one for one in collector.retrieve(self._session, chosen) if one.id == template), None)
        if read is None or seen.NOTES not in read.properties:
            raise Busy(f"the notes of {template} cannot be read")
        notes = appliance_words.forgotten(str(read.properties[seen.NOTES] or ""))
        task = reference.ReconfigVM_Task(vim.vm.ConfigSpec(annotation=notes))
        return Started(template, task=self._task(task, "FinishAppliance"))

    def delete(self, found: Image) -> Started[Image]:
        """An item, after what was made of it."""
        item = self._libraries.get(appliance_words.item_id(found.id))
        if item is None:
            return self._gone(found)
        prove(found, item.marker)
        machine = self._deployed(item.where) if item.where is not None else None
        if machine is not None and same_owner(machine.marker, found.marker):
            what = self._vapp(machine.id) if machine.several else self._vm(machine.id)
            return Started(found.id, task=self._task(what.Destroy_Task(), "Destroy"), again=True)
        self._libraries.delete(item.id)
        self._several.discard(item.id)
        return self._gone(found)

    # ---------------------------------------------------------------- of a machine

    def _gone(self, found: Image) -> Started[Image]:
        self._picture.let_go(found.id)
        return Started(found.id, replace(found, state=State.GONE))

    def _proven(self, found: Image, marker: Marker) -> Item:
        item = self._libraries.get(appliance_words.item_id(found.id))
        if item is None:
            raise NotProven(f"{found.name} ({found.id}) is gone")
        prove_for(found, item.marker, marker)
        return item

    def _deploy(self, item: Item, where: Where, marker: Marker) -> Started[Image]:
        if item.id in self._several:
            raise _unsupported()
        notes = appliance_words.template_notes(marker, item.id)
        made = self._libraries.deploy(where.of or item.id, where, notes, item.uuid or item.id)
        if made.several:
            self._take_back(item, made.id)
        return self._name(item, made.id)

    def _take_back(self, item: Item, vapp: str) -> NoReturn:
        """Destroys the vApp that was made of an item, and raises Refused: no template comes of several machines."""
        self._several.add(item.id)
        try:
            self._task(self._vapp(vapp).Destroy_Task(), "Destroy")
        except CloudError as error:
            if proof.absent(error) != vapp:
                raise
        raise _unsupported()

    def _deployed(self, where: Where) -> Deployed | None:
        """What has the name that the template is to have: two requests, or one where nothing has."""
        folder = vim.Folder(where.folder, self._session.calls)
        child = self._session.content.searchIndex.FindChild(folder, where.name)
        if child is not None and collector.kind_of(child) == "VirtualApp":
            return self._deployed_vapp(moid(child))
        if child is None or collector.kind_of(child) != "VirtualMachine":
            return None
        reference = self._vm(moid(child))
        chosen = collector.selection({vim.VirtualMachine: _READ}, collector.start(reference))
        read = next((one for one in collector.retrieve(self._session, chosen) if one.id == moid(child)), None)
        if read is None or "config.template" not in read.properties:
            raise Busy(f"what has the name {where.name} cannot be read yet")
        words = read.properties
        uuid = words.get(seen.UUID)
        return Deployed(
            read.id,
            read_notes(str(words.get(seen.NOTES) or "")),
            str(uuid).lower() if uuid else None,
            bool(words["config.template"]),
        )

    def _deployed_vapp(self, vapp: str) -> Deployed:
        chosen = collector.selection({vim.VirtualApp: ("vAppConfig",)}, collector.start(self._vapp(vapp)))
        read = next((one for one in collector.retrieve(self._session, chosen) if one.id == vapp), None)
        if read is None or "vAppConfig" not in read.properties:
            raise Busy(f"{vapp} cannot be read yet")
        notes = getattr(read.properties["vAppConfig"], "annotation", None)
        return Deployed(vapp, read_notes(str(notes or "")), several=True)

    def _name(self, item: Item, machine_id: str) -> Started[Image]:
        """Gives the machine the UUID of the attempt."""
        change = vim.vm.ConfigSpec(instanceUuid=item.uuid)
        try:
            task = self._vm(machine_id).ReconfigVM_Task(change)
        except Refused as error:
            raise _unless_disabled(error) from error.__cause__
        return replace(_told(item), task=self._task(task, "NameAppliance"), again=True)

    def _mark(self, machine_id: str) -> None:
        """Makes it a template, which a vCenter does not before all of it is there."""
        try:
            self._vm(machine_id).MarkAsTemplate()
        except Refused as error:
            raise _unless_disabled(error) from error.__cause__

    def _task(self, reference: Any, operation: str) -> Task:
        task = Task(moid(reference), operation, time.time())
        self._picture.started(task)
        return task

    def _vm(self, machine_id: str) -> Any:
        return vim.VirtualMachine(machine_id, self._session.calls)

    def _vapp(self, vapp: str) -> Any:
        return vim.VirtualApp(vapp, self._session.calls)


def _computes(layout: Layout) -> list[str]:
    """The paths of all clusters, the largest first, and of hosts that are alone."""
    hosts = Counter(moid(one.properties["parent"]) for one in layout.of(inventory.HOSTS))
    every = sorted(layout.of(inventory.COMPUTE), key=lambda one: (-hosts[one.id], layout.name(one.id)))
    return [layout.path(one.id) for one in every]


def _within(spec: MachineSpec, cluster: str) -> MachineSpec:
    return replace(spec, placement={**spec.placement, "cluster": cluster})


def _claim(machine: Deployed, where: Where, marker: Marker) -> None:
    """Raises Refused NAME_TAKEN for what is not ours."""
    if not same_owner(machine.marker, marker):
        raise Refused(Reason.NAME_TAKEN, f"{where.name} exists in its folder as {machine.id}, and it is not ours")


def _unsupported() -> Refused:
    return Refused(
        Reason.UNSUPPORTED, "spec.source: the appliance is a vApp of several machines, and a template is one"
    )


def _unless_disabled(error: Refused) -> Refused | Busy:
    """A vCenter disables the methods of a machine as long as it fills its disks."""
    return Busy(error.message) if caused_by(error, "MethodDisabled") else error


def _told(item: Item) -> Started[Image]:
    image = appliance_words.image(item)
    return Started(image.id, image)
