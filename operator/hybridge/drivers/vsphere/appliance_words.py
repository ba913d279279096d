"""How an Image is made of an appliance: what says how far it is, and in which words. Pure.

First there is an item of a content library, which carries the marker and says in its description what is to become of it.
The file is fetched into it, unless another item has it already; then a machine is made of that, which gets the UUID of the
attempt and becomes a template. From then on the template is the Image; its notes name the item until that is deleted. So
the vCenter itself tells what is left to do, whenever somebody begins anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker, read_notes, write_notes
from hybridge.core.image import Download, Image
from hybridge.core.managed import State
from hybridge.core.reasons import Reason

#: What is left to do, in order.
FILE, TEMPLATE, REST = "file", "template", "rest"
#: The key of the line in the description of an item, or in the notes of a template, as long as something is left to do.
_NOTE: Final = "hybridge.io/making: "
_ID, _NAME = "item-", "hybridge-"
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_ALGORITHMS: Final = {"sha256": "SHA256", "sha512": "SHA512"}


@dataclass(frozen=True, slots=True)
class Where:
    """The name of the template, and ids of where it comes; without a host the vCenter chooses one.

    ``of``: the item that it is made of, by the vCenter's own id; None: of what is fetched.
    """

    name: str
    folder: str
    pool: str
    datastore: str
    host: str | None = None
    of: str | None = None

    @classmethod
    def read(cls, words: Mapping[str, object]) -> Where | None:
        """From JSON; None for what it is not."""
        known = {key: words.get(key) for key in ("name", "folder", "pool", "datastore")}
        if not all(isinstance(value, str) and value for value in known.values()):
            return None
        optional = {key: str(words[key]) for key in ("host", "of") if isinstance(words.get(key), str)}
        return cls(**{key: str(value) for key, value in known.items()}, **optional)

    def words(self) -> dict[str, str]:
        """As JSON."""
        found = {"name": self.name, "folder": self.folder, "pool": self.pool, "datastore": self.datastore}
        return found | ({"host": self.host} if self.host else {}) | ({"of": self.of} if self.of else {})


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a library as the vCenter shows it. ``size``: bytes of its content; 0 while it has none. ``type``: such as
    ``ovf``.
    """

    id: str
    name: str
    notes: str
    size: int = 0
    type: str = ""

    @property
    def marker(self) -> Marker | None:
        """Whose it is."""
        return read_notes(self.notes)

    @property
    def uuid(self) -> str | None:
        """The UUID of the attempt that it was made for."""
        found = self.name.removeprefix(_NAME)
        return found if self.name != found and _is_uuid(found) else None

    @property
    def where(self) -> Where | None:
        """What is to become of it; None where it is none of Hybridge's."""
        text = _noted(self.notes)
        try:
            words = json.loads(text) if text else None
        except ValueError:
            return None
        return Where.read(words) if isinstance(words, dict) else None


def is_item_id(known_id: str) -> bool:
    """Whether this is the id of an Image that is an item still."""
    return known_id.startswith(_ID) and _is_uuid(known_id.removeprefix(_ID))


def may_be_item(known_id: str) -> bool:
    """Whether somebody who says this may mean an item, by the vCenter's own id: those of templates are no UUIDs."""
    return _is_uuid(known_id)


def known_as(item: str) -> str:
    """The id of the Image that an item is."""
    return _ID + item


def item_id(known_id: str) -> str:
    """The vCenter's own id of it."""
    return known_id.removeprefix(_ID)


def item_name(uuid: str) -> str:
    """The name of the item of an attempt."""
    return _NAME + uuid


def library_name(datastore: str) -> str:
    """The name of the library for appliances that come to a datastore."""
    return _NAME + datastore


def is_fetched(parameters: Mapping[str, object]) -> bool:
    """Whether an intent with these parameters is to fetch an appliance: all others are made of something, if anything."""
    return "folder" in parameters and "source" not in parameters


def described(marker: Marker, where: Where) -> str:
    """The description of an item."""
    return f"{write_notes(marker)}\n{_NOTE}{json.dumps(where.words(), sort_keys=True)}"


def template_notes(marker: Marker, item: str) -> str:
    """The notes of a template as long as there is its item."""
    return f"{write_notes(marker)}\n{_NOTE}{item}"


def made_of(notes: str) -> str | None:
    """The item that notes of a template name, by the vCenter's own id."""
    found = _noted(notes)
    return found if found is not None and _is_uuid(found) else None


def forgotten(notes: str) -> str:
    """The notes without that line."""
    return "\n".join(line for line in notes.rstrip("\n").splitlines() if not line.startswith(_NOTE))


def image(item: Item) -> Image:
    """The Image that an item is to become."""
    where = item.where
    return Image(
        known_as(item.id),
        where.name if where else item.name,
        State.READY,
        marker=item.marker,
        uuid=item.uuid,
        unfit="an item of a library, and no template",
        missing=(TEMPLATE,) if item.size or (where and where.of) else (FILE, TEMPLATE),
    )


def checksum(source: Download) -> dict[str, str]:
    """The checksum as the vCenter wants it. Raises Refused."""
    algorithm, _, digits = source.checksum.partition(":")
    if algorithm not in _ALGORITHMS:
        raise Refused(
            Reason.UNSUPPORTED, f"spec.source.url.checksum: a vCenter knows sha256 and sha512, not {algorithm!r}"
        )
    return {"algorithm": _ALGORITHMS[algorithm], "checksum": digits}


def file_name(source: Download) -> str:
    """The name of the file of an appliance. Raises Refused for what a vCenter does not import."""
    name = PurePosixPath(urlsplit(source.url).path).name
    if not name.lower().endswith(".ova"):
        raise Refused(
            Reason.UNSUPPORTED,
            f"spec.source.url: vSphere imports appliances; give it the URL of a file that ends with .ova, not {name!r}",
        )
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-80:]


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _noted(notes: str) -> str | None:
    lines = (line for line in notes.splitlines() if line.startswith(_NOTE))
    found = next(lines, None)
    return None if found is None else found.removeprefix(_NOTE).strip()
