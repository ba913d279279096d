"""Templates and Hybridge's images. Pure: no request is made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import KEYS, Marker, replace_notes
from hybridge.core.image import Copy, Download, Image, ImageSpec, Stored
from hybridge.core.machine import Machine, MachineSpec, Power
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import appliance_words, clone, guestinfo
from hybridge.drivers.vsphere.mapping import MAKING
from hybridge.drivers.vsphere.placement import Place
from hybridge.drivers.vsphere.sdk import vim
from hybridge.drivers.vsphere.templates import Template

_PLACES: Final = frozenset({"cluster", "folder", "storage"})
_STATES: Final = {Power.UNKNOWN: State.UNKNOWN, Power.GONE: State.GONE}


def normalize(spec: ImageSpec) -> ImageSpec:
    """Paths as they are told, no empty tags. Raises Refused for what vSphere does not have."""
    source = spec.source
    if isinstance(source, Download):
        appliance_words.file_name(source)
        appliance_words.checksum(source)
    if isinstance(source, Stored):
        raise Refused(Reason.UNSUPPORTED, "spec.source.s3 means nothing on vSphere: only AWS imports from S3")
    if isinstance(source, Copy) and appliance_words.is_item_id(source.id):
        raise Refused(
            Reason.UNSUPPORTED,
            f"spec.source.copy.id: {source.id} is an Image that is only half made; wait for its template",
        )
    if isinstance(source, Copy) and source.region is not None:
        raise Refused(Reason.UNSUPPORTED, "spec.source.copy.region means nothing on vSphere")
    if spec.find is not None and spec.find.owner is not None:
        raise Refused(Reason.UNSUPPORTED, "spec.source.find.owner means nothing on vSphere: templates have no owners")
    known = spec.imports.id if spec.imports is not None else None
    if known is not None and appliance_words.may_be_item(known):
        raise Refused(
            Reason.UNSUPPORTED,
            f"spec.source.id: {known} looks like an item of a content library, and machines start from templates; name it in"
            " spec.source.copy.id, which makes a template of it",
        )
    for name in sorted(key for key, value in spec.placement.items() if value and key not in _PLACES):
        raise Refused(Reason.UNSUPPORTED, f"spec.placement.{name} means nothing for an image on vSphere")
    return replace(
        spec,
        tags={key: text for key, text in spec.tags.items() if text},
        placement={key: path.strip("/") for key, path in spec.placement.items()},
    )


def image(machine: Machine) -> Image:
    """The image that a template is, which is a machine in all but name."""
    return Image(
        machine.id,
        machine.name,
        _STATES.get(machine.power, State.READY),
        marker=machine.marker,
        uuid=machine.uuid,
        tags=machine.tags,
        lock=machine.lock,
        unfit="" if machine.template else "a machine, and no template",
        created_at=machine.created_at,
        detailed=machine.detailed,
        size=machine.root_disk,
        architecture=_architecture(machine),
        missing=(appliance_words.REST,) if item_of(machine) else (),
    )


def item_of(machine: Machine) -> str | None:
    """The item of a library that it was made of, as long as its notes name one."""
    return next(iter(machine.settings.get(MAKING, ())), None)


def place_parameters(where: Place) -> dict[str, object]:
    """Where something comes, as JSON."""
    found = {"folder": where.folder, "pool": where.pool, "datastore": where.datastore, "host": where.host}
    return {key: value for key, value in found.items() if value is not None}


def _architecture(machine: Machine) -> str | None:
    """What the id of its guest tells. Source: VirtualMachineGuestOsIdentifier in the API reference."""
    guest = next(iter(machine.settings.get("vsphere.guestID", ())), "").removesuffix("Guest")
    if guest.startswith("arm"):
        return "arm64"
    return "x86_64" if guest.endswith("64") else None


def unseen(found: Image) -> Machine:
    """A template of which nothing is known any more but what it was."""
    return Machine(found.id, found.name, Power.UNKNOWN, marker=found.marker, template=True)


def as_machine(spec: ImageSpec) -> MachineSpec:
    """The spec in the words of machines, as far as a template has the same: name, tags, place."""
    return MachineSpec(name=spec.name, tags=spec.tags, placement=spec.placement, power=Power.STOPPED)


def parameters(source: Template, where: Place, *, published: bool, snapshot: str | None = None) -> dict[str, object]:
    """Everything that the call needs. ``published``: the source is a machine, whose volumes and user data stay its own.
    ``snapshot``: the id of the one that tells how it was.
    """
    found: dict[str, object] = {
        "snapshot": snapshot,
        "source": source.id,
        "sourceName": source.name,
        "folder": where.folder,
        "pool": where.pool,
        "datastore": where.datastore,
        "host": where.host,
        "without": [clone.grown(disk, disk.capacityInKB * 1024) for disk in source.volumes] if published else None,
        "forget": sorted(guestinfo.KEYS) if published else None,
        "notes": replace_notes(appliance_words.forgotten(source.notes), None),
    }
    return {key: value for key, value in found.items() if value is not None}


def lent(source: Template) -> set[tuple[int, str]]:
    """The volumes that a machine has, by key and file."""
    return {(int(disk.key), str(clone.grown(disk, 0)["file"])) for disk in source.volumes}


def left_out(intent: Intent) -> set[tuple[int, str]] | None:
    """The same of the volumes that an image is made without; None where it is made of no machine as it is now."""
    given: Mapping[str, Any] = intent.parameters
    if "without" not in given or "snapshot" in given:
        return None
    return {(int(disk["key"]), str(disk["file"])) for disk in given["without"]}


def clone_spec(intent: Intent, marker: Marker) -> Any:
    """The call's argument: a template with a UUID of its own, marked in its notes; a machine's own marker is left behind."""
    given: Mapping[str, Any] = intent.parameters
    config = vim.vm.ConfigSpec(
        instanceUuid=intent.uuid,
        deviceChange=[_removed(disk) for disk in given.get("without", ())],
        annotation=clone.notes(given["notes"], marker),
        extraConfig=clone.options(dict.fromkeys((*given.get("forget", ()), *KEYS), "")),
    )
    location = vim.vm.RelocateSpec(
        pool=vim.ResourcePool(given["pool"]),
        datastore=vim.Datastore(given["datastore"]),
        host=vim.HostSystem(given["host"]) if given.get("host") else None,
    )
    snapshot = vim.vm.Snapshot(given["snapshot"]) if given.get("snapshot") else None
    return vim.vm.CloneSpec(location=location, config=config, powerOn=False, template=True, snapshot=snapshot)


def _removed(disk: Mapping[str, Any]) -> Any:
    change = clone.disk_change(disk)
    change.operation = "remove"
    return change
