"""What the plan for a machine looks at besides what all kinds have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from hybridge.core import situation
from hybridge.core.machine import Machine, MachineSpec, Power, Restart, Revert, Traits
from hybridge.core.plan import Refuse, Wait


@dataclass(frozen=True, slots=True)
class Record(situation.Record):
    """``restart``: the last one that was asked for; None where that is not known. ``revert``: the last one; None where there
    was none, or, without ``restart``, nobody knows. ``given``: what cloud-init was given last, as ``cloudinit.described``
    tells it; None where that is not known.
    """

    restart: Restart | None = None
    revert: Revert | None = None
    given: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Situation(situation.Situation[MachineSpec, Machine]):
    """A machine's.

    ``neighbours``: names, by host, of other machines of the anti-affinity group. Of the volumes that it has, ``volumes``
    are the ids of those that are this cluster's, and ``detachable`` of those that are provably Volumes' which its spec could
    name; ``others``: in words, whose those are that another cluster has marked, by id; ``unread``: of these it is not known
    yet whose they are. ``held``: what keeps a volume from being attached now, by the name of its entry; see
    ``machine_volumes.hold``. ``unconnected``: what keeps an interface from being connected to the Network that it names.
    ``irreversible``: what keeps the machine from the snapshot to which it is to go back; ``resumes``:
    that holds the running guest.
    """

    noun: ClassVar[str] = "machine"

    record: Record
    traits: Traits
    neighbours: Mapping[str, str] = field(default_factory=dict)
    volumes: Collection[str] = ()
    detachable: Collection[str] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    unread: Collection[str] = ()
    held: Mapping[str, Wait | Refuse] = field(default_factory=dict)
    unconnected: Mapping[str, Wait | Refuse] = field(default_factory=dict)
    irreversible: Wait | Refuse | None = None
    resumes: bool = False

    @property
    def is_fresh(self) -> bool:
        """Whether its initialization is next, so that one read is saved."""
        intent, record, machine = self.intent, self.record, self.sight.recorded
        made = self.traits.initialize and intent is not None and intent.attempt > 0
        new = made and not record.created and not record.deleting
        return new and machine is not None and machine.power is Power.STOPPED and not machine.lock
