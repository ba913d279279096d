"""Images: templates, found by VMID, proven by their notes, and made in steps (see ``making``).

A VMID can be had once, so that repeating a creation fails and finds the same guest; VMIDs are used again, so each
change begins with a reading of its own. Linked clones keep a template: PVE itself does not delete it then, whoever they
belong to.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from urllib.parse import quote

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, IdTaken, NotProven, Refused
from hybridge.core.identity import Marker, write_notes
from hybridge.core.image import Copy, Download, Find, Image, ImageSpec, ImageTraits, Published, Taken
from hybridge.core.names import fits, not_found
from hybridge.core.place import Placed
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Prepared, Settings, Started
from hybridge.drivers.marked import same_owner
from hybridge.drivers.proxmox import changes, making, tags
from hybridge.drivers.proxmox.answers import Image as ImageRow
from hybridge.drivers.proxmox.answers import Resource
from hybridge.drivers.proxmox.errors import Missing, NoStorage
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.gallery import Gallery
from hybridge.drivers.proxmox.guest import Configuration, Values
from hybridge.drivers.proxmox.images import FILES
from hybridge.drivers.proxmox.limits import check_words
from hybridge.drivers.proxmox.making import DISK, TEMPLATE, Making
from hybridge.drivers.proxmox.origins import Origins
from hybridge.drivers.proxmox.picture import Picture, Storage
from hybridge.drivers.proxmox.proof import (
    claimed,
    compare,
    confirm_absence,
    is_being_made,
    marker_of,
    read_meant,
    unclear,
)
from hybridge.drivers.proxmox.tasks import begun

#: Seconds that PVE may take to remove a file before it answers.
_PATIENCE = 10


class Templates:
    """See ``hybridge.drivers.base.ImageDriver``."""

    def __init__(self, estate: Estate, gallery: Gallery, settings: Settings) -> None:
        self.traits = ImageTraits(visibility=30.0, token_lifetime=86400.0)
        self._estate = estate
        self._client = estate.client
        self._gallery = gallery
        self._origins = Origins(estate)
        self._defaults = settings.defaults
        self._age = 2 * settings.sweep_interval

    def normalize(self, spec: ImageSpec) -> ImageSpec:
        """See the port."""
        check_words("spec.placement", spec.placement, {"node", "storage"})
        for key, value in spec.tags.items():
            tags.encode(key, value)
        if spec.imports is not None and spec.imports.id is not None and not spec.imports.id.isdecimal():
            raise Refused(
                Reason.INVALID_SPEC,
                f"spec.source.id: {spec.imports.id!r} is no VMID; spec.source.find.name finds a template by its name",
            )
        if spec.find is not None and spec.find.owner is not None:
            raise Refused(Reason.UNSUPPORTED, "spec.source.find.owner: templates of Proxmox VE have no owner")
        source = spec.source
        if isinstance(source, Copy) and source.region is not None:
            raise Refused(Reason.UNSUPPORTED, "spec.source.copy.region: Proxmox VE has no regions")
        if isinstance(source, Download):
            making.format_of(source)
        elif source is not None and not isinstance(source, Copy | Published | Taken):
            raise Refused(
                Reason.UNSUPPORTED, "spec.source.s3: Proxmox VE imports from URLs; give it as spec.source.url"
            )
        return spec

    def prepare(self, spec: ImageSpec, taken: Collection[str]) -> Prepared:
        """See the port. Where nothing is named: shared storages before others, then those with the most room."""
        picture = self._estate.picture(self._age)
        parameters, node = (
            self._downloading(spec, spec.source, picture)
            if isinstance(spec.source, Download)
            else self._origins.choose(spec, picture)
        )
        vmid = str(self._estate.vmids.take(picture.used, taken))
        if isinstance(spec.source, Download):
            parameters["file"] = f"{parameters['files']}:import/{making.file_name(vmid, spec.source)}"
        return Prepared(parameters, vmid, Placed(node))

    def create(self, intent: Intent, spec: ImageSpec, marker: Marker) -> Started[Image]:
        """See the port. What it makes says in its notes what is left to do.

        Raises Busy (UPDATING) when a volume was lent to the guest that it clones since the intent was prepared.
        """
        words, vmid = intent.parameters, str(intent.id)
        node, dropped = str(words["node"]), words.get("dropped")
        file = str(words["file"]) if "file" in words else None
        begins = Making(file, tuple(map(str, dropped)) if isinstance(dropped, list | tuple) else ())
        notes = f"{write_notes(marker)}\n{begins.note}"
        if file is None:
            try:
                self._origins.confirm(intent)
            except (Refused, Busy) as changed:
                # What was made before stays what it is.
                return self._claimed(vmid, marker, changed)
        try:
            if file is not None:
                labels = tags.merge((), spec.tags)
                blank = {**making.BLANK, "name": intent.name, "description": notes, "tags": labels}
                upid = self._client.post("CreateGuest", "nodes", node, "qemu", vmid=vmid, **blank)
            else:
                upid = self._client.post(
                    "Clone",
                    *("nodes", str(words["home"]), "qemu", words["source"], "clone"),
                    newid=vmid,
                    name=intent.name,
                    description=notes,
                    full=1,
                    storage=words.get("storage"),
                    target=node if node != words["home"] else None,
                    snapname=words.get("snapshot"),
                )
        except IdTaken as taken:
            return self._claimed(vmid, marker, taken)
        except Missing as missing:
            raise Refused(Reason.NOT_FOUND, f"spec.source: {missing.message}") from missing
        made = Image(vmid, intent.name, lock="create", detailed=False)
        return Started(vmid, made, begun(upid, "CreateImage", vmid))

    def find(self, marker: Marker, intent: Intent | None) -> list[Image]:
        """See the port. A guest that was read before without our marker is not read again: nobody else writes it."""
        picture = self._estate.look()
        chosen = intent.id if intent else None
        found = []
        for vmid, row in picture.guests.items():
            if vmid != chosen and not self._may_carry(vmid, row, marker):
                continue
            if not picture.online(row.node):
                raise unclear(f"guest {vmid} is on node {row.node}, which is offline, and cannot be read")
            try:
                configuration = self._estate.read_at(row.node, vmid)
            except Missing:
                continue
            if vmid == chosen and is_being_made(configuration):
                raise Busy(f"guest {vmid} is still being made, and its notes are not written yet")
            image = self._gallery.learn(vmid, row.node, configuration)
            if image is not None and same_owner(image.marker, marker):
                found.append(image)
        return found

    def get(self, known_id: str) -> Image | None:
        """See the port. None takes a node's word, a fresh list without the guest, and a cluster that has quorum; or a
        guest that is no template.
        """
        try:
            node, configuration = self._estate.read(known_id)
        except Missing as missing:
            confirm_absence(self._estate, known_id, missing)
            return None
        if is_being_made(configuration):
            raise Busy(f"guest {known_id} is still being made, and its notes are not written yet")
        return self._gallery.learn(known_id, node, configuration)

    def seek(self, find: Find) -> list[Image]:
        """See the port. One request for the list, and one for each template of such a name that was never read."""
        picture = self._estate.look()
        found = []
        for vmid, row in picture.guests.items():
            if row.template and fits(find.name, row.name):
                image = self._gallery.known(vmid)
                image = image or (self.get(vmid) if picture.online(row.node) else None)
                if image is not None:
                    found.append(replace(image, name=row.name))
        return found

    def configure(
        self, found: Image, spec: ImageSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Image]:
        """See the port. What is left to do is done one after the other."""
        node, configuration = read_meant(self._estate, found.id)
        compare(found, marker, configuration)
        words = configuration.upcoming
        begun_ = making.noted(words.get("description", ""))
        left = making.missing(words)
        if begun_ is not None and left and f"parts.{left[0]}" in fields:
            return self._complete(found, spec, node, configuration, begun_, left[0], intent)
        values: Values = {}
        if "name" in fields and words.get("name") != spec.name:
            values["name"] = spec.name
        if any(field.startswith("tags") for field in fields):
            merged = tags.merge(tags.split(words.get("tags", "")), spec.tags)
            values |= {} if sorted(tags.split(words.get("tags", ""))) == tags.split(merged) else {"tags": merged}
        return self._put(found, node, configuration, values)

    def mark(self, found: Image, marker: Marker | None) -> Started[Image]:
        """See the port. Our tag comes and goes with the marker."""
        node, configuration = read_meant(self._estate, found.id)
        carried = marker_of(configuration)
        compare(found, carried if marker is not None and carried == marker else found.marker, configuration)
        return self._put(found, node, configuration, changes.marked(configuration.upcoming, marker))

    def delete(self, found: Image) -> Started[Image]:
        """See the port. A file that was downloaded for it goes first: as long as the guest is there its notes name it."""
        try:
            node, configuration = self._estate.read(found.id)
        except Missing:
            return Started(found.id)
        if found.marker is None:
            raise NotProven(f"guest {found.id} carries no marker")
        compare(found, found.marker, configuration)
        clones = self._estate.book.clones().get(found.id)
        if clones:
            raise Refused(Reason.HAS_DEPENDANTS, f"guest {', '.join(sorted(clones))} is a linked clone of {found.id}")
        begins = making.noted(configuration.upcoming.get("description", ""))
        if begins is not None:
            self._remove(node, begins, found)
        options = {"purge": 1, "destroy-unreferenced-disks": 0}
        upid = self._client.delete("Delete", "nodes", node, "qemu", found.id, **options)
        self._gallery.forget(found.id)
        return Started(found.id, task=begun(upid, "Delete"))

    # ------------------------------------------------------------------ steps

    def _complete(
        self,
        found: Image,
        spec: ImageSpec,
        node: str,
        configuration: Configuration,
        begins: Making,
        part: str,
        intent: Intent | None,
    ) -> Started[Image]:
        guest = ("nodes", node, "qemu", found.id)
        if part == DISK:
            return self._bring(found, spec, guest, configuration, begins, intent)
        if part == TEMPLATE:
            gone = sorted(making.personal(configuration.upcoming, begins))
            values: Values = {"tags": tags.merge((), spec.tags)}
            if gone:
                values |= {"delete": ",".join(gone), "force": 1}
            if gone or values["tags"] != configuration.upcoming.get("tags"):
                self._client.put("Configure", *guest, "config", **values, digest=configuration.digest)
            upid = self._client.post("MakeTemplate", *guest, "template")
            self._gallery.forget(found.id)
            return Started(found.id, replace(found, missing=(making.REST,)), begun(upid, "MakeTemplate"), again=True)
        self._remove(node, begins, found)
        notes = making.forgotten(configuration.upcoming.get("description", ""))
        return self._put(found, node, configuration, {"description": notes})

    def _bring(
        self,
        found: Image,
        spec: ImageSpec,
        guest: tuple[str, ...],
        configuration: Configuration,
        begins: Making,
        intent: Intent | None,
    ) -> Started[Image]:
        """Downloads the file, or imports it where it is there."""
        source = spec.source
        if begins.file is None or not isinstance(source, Download):
            raise Refused(Reason.REJECTED, f"guest {found.id} was begun from a file, and spec.source.url names none")
        if not making.is_file_of(found.id, begins.file):
            raise Refused(Reason.REJECTED, f"the notes of guest {found.id} name a file that is none of its own")
        files, _, name = begins.file.partition(":import/")
        path = (*guest[:2], "storage", files)
        rows = self._client.get("Files", list[ImageRow], *path, "content", content="import")
        if any(row.volid == begins.file for row in rows):
            words = intent.parameters if intent is not None and "storage" in intent.parameters else None
            words = words or self._downloading(spec, source, self._estate.picture(self._age))[0]
            values = making.imported(str(words["storage"]), begins.file)
            upid = self._client.post("ImportDisk", *guest, "config", **values, digest=configuration.digest)
            self._gallery.forget(found.id)
            return Started(found.id, task=begun(upid, "ImportDisk"), again=True)
        algorithm, _, checksum = source.checksum.partition(":")
        sums = {"checksum": checksum, "checksum-algorithm": algorithm}
        file = {"content": "import", "filename": name, "url": source.url}
        upid = self._client.post("Download", *path, "download-url", **file, **sums)
        return Started(found.id, task=begun(upid, "Download"), again=True)

    def _remove(self, node: str, begins: Making, found: Image) -> None:
        """Removes what was downloaded for it. Another file that its notes name stays. Raises CloudError."""
        file = begins.file
        if file is None or not making.is_file_of(found.id, file):
            return
        path = ("nodes", node, "storage", file.partition(":")[0], "content", quote(file, safe=""))
        try:
            upid = self._client.delete("DeleteFile", *path, delay=_PATIENCE)
        except (Missing, NoStorage):
            return
        if upid is not None:
            raise Busy(f"{file} is being removed")

    def _put(self, found: Image, node: str, configuration: Configuration, values: Values) -> Started[Image]:
        """Changes the configuration that was read, and shows what it is then."""
        if values:
            path = ("nodes", node, "qemu", found.id, "config")
            self._client.put("Configure", *path, **values, digest=configuration.digest)
            configuration = configuration.changed(values, running=False)
            self._estate.learn(found.id, configuration)
        return Started(found.id, self._gallery.learn(found.id, node, configuration))

    # ------------------------------------------------------------------ proof

    def _may_carry(self, vmid: str, row: Resource, marker: Marker) -> bool:
        if not (row.template or self._estate.book.could_be_ours(row)):
            return False
        known = self._estate.book.get(vmid)
        return known is None or known.details.lock is not None or same_owner(known.details.marker, marker)

    def _claimed(self, vmid: str, marker: Marker, taken: CloudError) -> Started[Image]:
        """See ``proof.claimed``."""
        node, configuration = claimed(self._estate, vmid, marker, taken)
        return Started(vmid, self._gallery.learn(vmid, node, configuration))

    # ---------------------------------------------------------------- prepare

    def _downloading(self, spec: ImageSpec, source: Download, picture: Picture) -> tuple[dict[str, object], str]:
        able = {name: one for name, one in picture.storages.items() if "images" in one.content}
        files = [
            one for one in picture.storages.values() if "import" in one.content and one.kind in FILES and one.nodes
        ]
        if not files:
            words = (
                "spec.source.url: no storage of files in sight has the content type import, to which it is downloaded"
            )
            raise Refused(Reason.UNSUPPORTED, words)
        wanted = spec.placement.get("node") or self._defaults.get("node") or None
        if wanted is not None and wanted not in picture.nodes:
            raise Refused(Reason.NOT_FOUND, not_found("spec.placement.node: the node", wanted, picture.nodes))
        named = spec.placement.get("storage") or self._defaults.get("storage") or None
        if named is not None and named not in able:
            raise Refused(Reason.NOT_FOUND, not_found("spec.placement.storage: the storage for images", named, able))
        choices = [able[named]] if named else sorted(able.values(), key=_roomy, reverse=True)
        for disks in choices:
            for source_ in sorted(files, key=_roomy, reverse=True):
                nodes = [node for node in sorted(disks.nodes & source_.nodes) if wanted in {None, node}]
                node = next((node for node in nodes if picture.online(node)), None)
                if node is not None:
                    found: dict[str, object] = {"node": node, "storage": disks.name, "files": source_.name}
                    return {**found, "url": source.url, "checksum": source.checksum}, node
        raise Refused(Reason.CAPACITY, "no node that is up has both a storage for images and one for downloaded files")


def _roomy(storage: Storage) -> tuple[bool, int, str]:
    return storage.shared, max(storage.free.values(), default=0), storage.name
