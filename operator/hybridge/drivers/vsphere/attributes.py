"""Tags as custom attributes: a name that the vCenter defines once for a type, and a text on each object that has it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from hybridge.core.errors import CloudError
from hybridge.core.machine import Machine
from hybridge.core.network import Network
from hybridge.drivers.vsphere import collector, mapping
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import vim

T = TypeVar("T", Machine, Network)


class Attributes:
    """Custom attributes of machines and networks."""

    def __init__(self, session: Session, picture: Picture) -> None:
        self._session = session
        self._picture = picture
        self._defining = threading.Lock()

    def set(self, found: T, reference: Any, tags: Mapping[str, str]) -> T:
        """Gives what was found, whose managed object is ``reference``, the tags that it lacks, one SetField each; what it is
        then.
        """
        missing = {name: text for name, text in tags.items() if found.tags.get(name) != text}
        self.write(reference, missing)
        return replace(found, tags={**found.tags, **missing})

    def write(self, reference: Any, texts: Mapping[str, str]) -> None:
        """Gives a managed object these custom attributes, one SetField each, in this order; an empty text takes one away."""
        manager, kind = self._session.content.customFieldsManager, collector.kind_of(reference)
        for name, text in texts.items():
            with self._defining:
                # Objects that are tagged at once must not both define the same name.
                key = self._picture.attributes(kind).get(name)
                if key is None:
                    key = self._define(manager, name, type(reference))
                    self._picture.add_attribute(key, name, kind)
            manager.SetField(reference, key, text)

    def _define(self, manager: Any, name: str, kind: Any) -> int:
        """The key of a new custom attribute, or of one that somebody else has defined since we last heard."""
        try:
            return int(manager.AddCustomFieldDef(name, kind).key)
        except CloudError as error:
            if not caused_by(error, "DuplicateName"):
                raise
            chosen = collector.selection({vim.CustomFieldsManager: ("field",)}, collector.start(manager))
            (found,) = collector.retrieve(self._session, chosen)
            known = mapping.attribute_names(found.properties.get("field"), kind)
            for key, known_name in known.items():
                if known_name == name:
                    return key
            raise
