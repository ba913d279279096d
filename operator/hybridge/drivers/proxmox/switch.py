"""Starts and stops guests whose identity the caller has proven right before."""

from __future__ import annotations

import time

from hybridge.core.machine import Machine, MachineSpec, Power, PowerOff
from hybridge.core.task import Task
from hybridge.drivers.base import Started
from hybridge.drivers.proxmox.errors import AlreadySo
from hybridge.drivers.proxmox.estate import Estate
from hybridge.drivers.proxmox.guest import Configuration
from hybridge.drivers.proxmox.mapping import SUSPENDED
from hybridge.drivers.proxmox.tasks import begun

#: Since then a hard stop can end a shutdown that is under way.
_OVERRULES = (8, 2)


class Switch:
    """The power of one cluster's guests. Safe for threads."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate
        self._client = estate.client

    def start(self, vmid: str, node: str, configuration: Configuration, *, resume: bool = False) -> Started[Machine]:
        """Starts a guest, or lets one go on. Raises CloudError."""
        operation = "Resume" if resume else "Start"
        try:
            upid = self._client.post(operation, "nodes", node, "qemu", vmid, "status", operation.lower())
        except AlreadySo:
            return self._already(vmid, node, configuration, Power.RUNNING)
        if not resume and configuration.lock != SUSPENDED:
            configuration = configuration.started()
            self._estate.learn(vmid, configuration)
        return self._asked(vmid, node, configuration, Power.RUNNING, begun(upid, operation))

    def stop(self, vmid: str, node: str, configuration: Configuration, soft: MachineSpec | None) -> Started[Machine]:
        """Stops a guest, hard when ``soft`` does not say how. Raises CloudError."""
        operation = "Shutdown" if soft else "Stop"
        words = _patience(soft) if soft else self._overruling(vmid)
        try:
            upid = self._client.post(operation, "nodes", node, "qemu", vmid, "status", operation.lower(), **words)
        except AlreadySo:
            return self._already(vmid, node, configuration, Power.STOPPED)
        return self._asked(vmid, node, configuration, Power.STOPPED, begun(upid, operation))

    def _already(self, vmid: str, node: str, configuration: Configuration, power: Power) -> Started[Machine]:
        self._estate.powers.saw(vmid, power, time.monotonic())
        return Started(vmid, self._estate.machine(vmid, node, configuration, power))

    def _asked(
        self, vmid: str, node: str, configuration: Configuration, power: Power, task: Task | None
    ) -> Started[Machine]:
        self._estate.book.reached(vmid, ())
        self._estate.powers.asked(vmid, power, task.id if task else None, time.monotonic())
        state = Power.STARTING if power is Power.RUNNING else Power.STOPPING
        return Started(vmid, self._estate.machine(vmid, node, configuration, state), task)

    def _overruling(self, vmid: str) -> dict[str, int]:
        """Ends a shutdown that is under way; guests of the HA manager do not take it."""
        row = self._estate.row(vmid)
        managed = row is not None and bool(row.hastate)
        return {"overrule-shutdown": 1} if self._estate.version >= _OVERRULES and not managed else {}


def _patience(spec: MachineSpec) -> dict[str, int]:
    return {"timeout": int(spec.power_off_timeout), "forceStop": 1 if spec.power_off is PowerOff.TRY_SOFT else 0}
