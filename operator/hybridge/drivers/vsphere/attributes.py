"""Tags as custom attributes: a name that the vCenter defines once, and a text on each machine that has it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hybridge.core.errors import CloudError
from hybridge.core.machine import Machine
from hybridge.drivers.vsphere import collector, mapping
from hybridge.drivers.vsphere.client import Session
from hybridge.drivers.vsphere.errors import caused_by
from hybridge.drivers.vsphere.picture import Picture
from hybridge.drivers.vsphere.sdk import vim


class Attributes:
    """Custom attributes of machines."""

    def __init__(self, session: Session, picture: Picture) -> None:
        self._session = session
        self._picture = picture
        self._defining = threading.Lock()

    def set(self, machine: Machine, tags: Mapping[str, str]) -> Machine:
        """Gives the machine the tags that it lacks, one SetField each; what it is then."""
        manager = self._session.content.customFieldsManager
        for name, text in tags.items():
            if machine.tags.get(name) == text:
                continue
            with self._defining:
                # Machines that are tagged at once must not both define the same name.
                key = self._picture.attributes().get(name)
                if key is None:
                    key = self._define(manager, name)
                    self._picture.add_attribute(key, name)
            manager.SetField(vim.VirtualMachine(machine.id, self._session.calls), key, text)
            machine = replace(machine, tags={**machine.tags, name: text})
        return machine

    def _define(self, manager: Any, name: str) -> int:
        """The key of a new custom attribute, or of one that somebody else has defined since we last heard."""
        try:
            return int(manager.AddCustomFieldDef(name, vim.VirtualMachine).key)
        except CloudError as error:
            if not caused_by(error, "DuplicateName"):
                raise
            chosen = collector.selection({vim.CustomFieldsManager: ("field",)}, collector.start(manager))
            (found,) = collector.retrieve(self._session, chosen)
            known = mapping.attribute_names(found.properties.get("field"))
            for key, known_name in known.items():
                if known_name == name:
                    return key
            raise
