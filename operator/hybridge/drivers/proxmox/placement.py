"""From what is wanted to the exact words of a clone: which template, node, storages and networks. Only reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.machine import MachineSpec, Nic
from hybridge.core.names import not_found
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.core.units import format_bytes
from hybridge.drivers.base import Prepared, Settings
from hybridge.drivers.proxmox import seed
from hybridge.drivers.proxmox.answers import Bridge, Resource
from hybridge.drivers.proxmox.errors import Missing
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration, Words, cloud_init_drive, drives, root_disk
from hybridge.drivers.proxmox.nodes import Need, Nodes
from hybridge.drivers.proxmox.picture import Picture, Storage

#: Seconds that a reading of a template or of a node's bridges is good for.
_FRESH = 300.0
#: Seconds after which something that was not found is looked for again.
_DOUBT = 3.0
#: Types of storage that take the whole size of a disk from the beginning; others take what is written to it.
_THICK = frozenset({"lvm", "iscsi", "iscsidirect"})


@dataclass(frozen=True, slots=True)
class _Template:
    vmid: int
    node: str
    memory: int
    configuration: Configuration
    read_at: float


class Placement:
    """Chooses where and from what machines are made. Safe for threads."""

    def __init__(self, estate: Estate, settings: Settings) -> None:
        self._estate = estate
        self._defaults = settings.defaults
        self._picture_age = max(2 * settings.sweep_interval, _DOUBT)
        self._templates: dict[str, _Template] = {}
        self._bridges: dict[str, tuple[float, frozenset[str]]] = {}
        self._nodes = Nodes(settings.defaults.get("node") or None)
        #: Held while something is read that many threads want at the same time.
        self._reading = threading.Lock()

    def prepare(self, spec: MachineSpec, taken: Collection[str], apart: Collection[Placed]) -> Prepared:
        """See the port. No request at all when picture, template and bridges have been read lately."""
        with self._reading:
            template = self._template(spec)
            picture = self._estate.picture(self._picture_age)
        full = spec.options.get("fullClone") is not False
        storage = self._storage(spec, picture, full=full)
        _check_disk(spec, template)
        need = _need(spec, picture, template, storage, full=full)
        placed, bridges = self._place(spec, picture, need, apart)
        node = placed.host or template.node
        parameters = {
            "template": template.vmid,
            "templateNode": template.node,
            "node": node,
            "full": full,
            "storage": storage,
            "pool": spec.options.get("pool") or None,
            "bridges": bridges,
            **self._cloud_init(spec, picture, template, node, storage),
        }
        vmid = self._estate.vmids.take(picture.used, taken)
        return Prepared({key: value for key, value in parameters.items() if value is not None}, str(vmid), placed)

    def seed_storage(self, spec: MachineSpec, node: str) -> str:
        """Where the seed of a guest on this node goes. Raises Refused (NOT_FOUND, CAPACITY, UNSUPPORTED)."""
        return _seed_storage(spec, self._estate.picture(self._picture_age), node)

    def completed(self, intent: Intent, spec: MachineSpec, node: str, words: Words) -> Intent:
        """The intent with all that initializing its clone after this spec takes, which may have been edited since.

        ``words``: the clone's configuration; ``node``: where it is. Raises Refused.
        """
        parameters = dict(intent.parameters)
        if not _fit(parameters.get("bridges"), spec.networks):
            parameters["bridges"] = self.networks(spec, node)
        if seed.is_needed(spec):
            if "seedStorage" not in parameters:
                parameters["seedStorage"] = self.seed_storage(spec, node)
        elif "cloudInitStorage" not in parameters:
            parameters |= _own_cd(spec, words, None)
        return replace(intent, parameters=parameters)

    # ------------------------------------------------------------------ image

    def _template(self, spec: MachineSpec) -> _Template:
        row = self._find_template(spec.image or "", self._estate.picture(self._picture_age))
        kept = self._templates.get(str(row.vmid))
        if kept and kept.node == row.node and time.monotonic() - kept.read_at < _FRESH:
            return kept
        try:
            node, configuration = self._estate.read(str(row.vmid))
        except Missing as error:
            raise Refused(Reason.IMAGE_NOT_FOUND, f"template {row.vmid} is gone: {error}") from error
        template = _Template(row.vmid, node, row.maxmem, configuration, time.monotonic())
        self._templates[str(row.vmid)] = template
        return template

    def _find_template(self, image: str, picture: Picture) -> Resource:
        found = _templates(picture, image)
        if not found and time.monotonic() - picture.taken_at > _DOUBT:
            picture = self._estate.look()
            found = _templates(picture, image)
        if len(found) > 1:
            ids = ", ".join(str(row.vmid) for row in found)
            raise Refused(Reason.INVALID_SPEC, f"image: {image!r} names several templates: give one of the VMIDs {ids}")
        if found:
            return found[0]
        guest = picture.guests.get(image)
        if guest is not None:
            raise Refused(Reason.IMAGE_NOT_FOUND, f"guest {image} ({guest.name}) is not a template")
        known = [word for row in picture.guests.values() if row.template for word in (row.name, str(row.vmid))]
        raise Refused(Reason.IMAGE_NOT_FOUND, not_found("template", image, known))

    # ---------------------------------------------------------------- storage

    def _storage(self, spec: MachineSpec, picture: Picture, *, full: bool) -> str | None:
        """Where the disks of a full clone go; None: where the template's are."""
        asked = spec.root_disk_class or spec.placement.get("storage")
        if not full:
            if asked:
                raise Refused(
                    Reason.INVALID_SPEC,
                    f"storage: a linked clone cannot be on {asked!r}: its disks share the template's",
                )
            return None
        wanted = asked or self._defaults.get("storage")
        if wanted and picture.storages:
            storage = picture.storages.get(wanted)
            names = [name for name, known in picture.storages.items() if "images" in known.content]
            if storage is None:
                raise Refused(Reason.NOT_FOUND, not_found("storage", wanted, names))
            if "images" not in storage.content:
                raise Refused(
                    Reason.INVALID_SPEC, f"storage: {wanted!r} does not hold disk images; {', '.join(sorted(names))} do"
                )
        return wanted

    # -------------------------------------------------------- node and network

    def _place(
        self, spec: MachineSpec, picture: Picture, need: Need, apart: Collection[Placed]
    ) -> tuple[Placed, list[str] | None]:
        """The best node that has the networks; and the bridge of each interface, see ``_networks``."""
        unfit: dict[str, str] = {}
        first: Refused | None = None
        while True:
            try:
                placed = self._nodes.choose(spec, picture, need, apart, unfit)
            except Refused as refusal:
                raise first or refusal from None
            node = placed.host or need.home
            try:
                return placed, self.networks(spec, node)
            except Refused as refusal:
                if refusal.reason is not Reason.NOT_FOUND:
                    raise
                first = first or refusal
                unfit[node] = "does not have the network"
                if node not in picture.nodes:
                    raise

    def networks(self, spec: MachineSpec, node: str) -> list[str] | None:
        """The bridge of each interface; None: the template's interfaces stay. Refused (NOT_FOUND) with near names."""
        wanted = [nic.network or self._defaults.get("network", "") for nic in spec.networks]
        if not wanted and self._defaults.get("network"):
            wanted = [self._defaults["network"]]
        if not wanted:
            return None
        with self._reading:
            known = self._known_bridges(node, _FRESH)
            if known and not known.issuperset(wanted):
                known = self._known_bridges(node, _DOUBT)
        for bridge in wanted:
            if known and bridge not in known:
                raise Refused(Reason.NOT_FOUND, not_found(f"on node {node}, the bridge or VNet", bridge, known))
        return wanted

    def _known_bridges(self, node: str, most: float) -> frozenset[str]:
        """Bridges and VNets that this account may use on a node; none when it may not see them."""
        kept = self._bridges.get(node)
        if kept and time.monotonic() - kept[0] < most:
            return kept[1]
        found = self._estate.client.get("Bridges", list[Bridge], "nodes", node, "network", type="any_bridge")
        names = frozenset(bridge.iface for bridge in found)
        self._bridges[node] = (time.monotonic(), names)
        return names

    # ------------------------------------------------------------- cloud-init

    @staticmethod
    def _cloud_init(
        spec: MachineSpec, picture: Picture, template: _Template, node: str, storage: str | None
    ) -> Mapping[str, object]:
        """How cloud-init is reached: ``seedStorage`` for a CD of ours, ``cloudInitStorage`` for PVE's own."""
        if seed.is_needed(spec):
            seed.refuse_snippets(template.configuration.upcoming, template.vmid)
            return {"seedStorage": _seed_storage(spec, picture, node)}
        return _own_cd(spec, template.configuration.upcoming, storage)


def _own_cd(spec: MachineSpec, words: Words, storage: str | None) -> Mapping[str, object]:
    """``cloudInitStorage`` where PVE's own CD is wanted and missing: ``storage``, else that of the root disk."""
    wanted = bool(spec.cloud_init) or any(nic.addresses for nic in spec.networks)
    if not wanted or cloud_init_drive(words) is not None:
        return {}
    disk = root_disk(words)
    return {"cloudInitStorage": storage or (disk.storage if disk else None)}


def _fit(bridges: object, networks: Sequence[Nic]) -> bool:
    """Whether these bridges were chosen for these networks."""
    if not isinstance(bridges, Sequence) or not networks or len(bridges) != len(networks):
        return False
    return all(nic.network in {"", bridge} for nic, bridge in zip(networks, bridges, strict=True))


def _templates(picture: Picture, image: str) -> list[Resource]:
    by_id = picture.guests.get(image)
    if by_id is not None and by_id.template:
        return [by_id]
    return [row for row in picture.guests.values() if row.template and row.name == image]


def _need(spec: MachineSpec, picture: Picture, template: _Template, storage: str | None, *, full: bool) -> Need:
    """What the clone takes. PVE clones to another node only what is on shared storage, before and after."""
    disks = [drive for drive in drives(template.configuration.upcoming) if drive.storage]
    names = {drive.storage for drive in disks if drive.storage}
    local = sorted(
        name for name in {*names, *([storage] if storage else [])} if not _shared(picture.storages.get(name))
    )
    where = "the storage of the clone" if storage in local else f"the template {template.vmid}"
    space: dict[str, int] = {}
    for drive in disks:
        if not drive.cdrom and drive.storage:
            name = storage or drive.storage
            space[name] = space.get(name, 0) + (drive.size or 0 if full else 0)
    root = root_disk(template.configuration.upcoming)
    if full and root and root.storage and spec.root_disk and root.size:
        name = storage or root.storage
        known = picture.storages.get(name)
        if known is not None and known.kind in _THICK:
            space[name] += spec.root_disk - root.size
    return Need(
        home=template.node,
        memory=spec.memory or template.memory,
        space=space,
        bound=f"{where} is local to {template.node} ({', '.join(local)})" if local else "",
    )


def _shared(storage: Storage | None) -> bool:
    return storage is not None and storage.shared


def _check_disk(spec: MachineSpec, template: _Template) -> None:
    if spec.root_disk is None:
        return
    disk = root_disk(template.configuration.upcoming)
    if disk is None or disk.size is None:
        raise Refused(Reason.UNSUPPORTED, f"rootDisk: the template {template.vmid} has no disk that could grow")
    if spec.root_disk < disk.size:
        raise Refused(
            Reason.INVALID_SPEC,
            f"rootDisk: {format_bytes(spec.root_disk)} is less than the {format_bytes(disk.size)} of the template"
            f" {template.vmid}, and disks never shrink",
        )


def _seed_storage(spec: MachineSpec, picture: Picture, node: str) -> str:
    asked = str(spec.options.get("isoStorage") or "")
    able = {name: storage for name, storage in picture.storages.items() if "iso" in storage.content}
    if asked:
        if asked not in able:
            raise Refused(Reason.NOT_FOUND, not_found("isoStorage: the storage for ISO images", asked, able))
        if node not in able[asked].nodes:
            raise Refused(Reason.CAPACITY, f"isoStorage: {asked!r} is not available on node {node}")
        return asked
    here = sorted((not storage.shared, name) for name, storage in able.items() if node in storage.nodes)
    if not here:
        raise Refused(
            Reason.UNSUPPORTED,
            f"cloudInit: user data and hostname travel in an ISO image, and no storage on node {node} that this account"
            " sees allows ISO images",
        )
    return here[0][1]
