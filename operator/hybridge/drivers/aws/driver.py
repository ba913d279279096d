"""One connected region of one AWS account."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from xml.etree.ElementTree import ParseError

from hybridge.core.cloudobject import CloudObject
from hybridge.core.errors import Unreachable
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Machine
from hybridge.drivers.aws import attachments, disks, errors, permissions
from hybridge.drivers.aws.catalogue import Catalogue
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.disks import Disks
from hybridge.drivers.aws.firewalls import Firewalls
from hybridge.drivers.aws.images import Images
from hybridge.drivers.aws.machines import PAGE, Machines
from hybridge.drivers.aws.mapping import Seen
from hybridge.drivers.aws.membership import Membership
from hybridge.drivers.aws.networks import Networks
from hybridge.drivers.aws.pages import Pages
from hybridge.drivers.aws.placement import Placement
from hybridge.drivers.aws.snapshots import Snapshots
from hybridge.drivers.aws.survey import Survey
from hybridge.drivers.aws.volumes import Volumes
from hybridge.drivers.aws.zones import Zones
from hybridge.drivers.base import (
    Connection,
    Portion,
    Settings,
    Sweep,
    SweepRequest,
)

#: Version of the EC2 API.
VERSION = "2016-11-15"


def connect(settings: Settings) -> Driver:
    """A driver for this Provider. Sends nothing yet. Refused (SECRET_NOT_FOUND) when keys are missing."""
    return Driver(settings)


class Driver:
    """EC2 as the port asks for it. Sweeps list everything, in pages, without filters: EC2 serves that most cheaply."""

    push = False

    def __init__(self, settings: Settings) -> None:
        self._client = Client(settings)
        self._network = settings.defaults.get("network")
        families = settings.cloud.get("instanceFamilies") or ()
        assert isinstance(families, Sequence)
        self._catalogue = Catalogue(self._client, families)
        self._zones = Zones(self._client)
        self._disks = Disks(self._client)
        self._instances = Pages(self._client.shape("DescribeInstances"))
        placement = Placement(self._zones, settings.defaults)
        self.volumes = Volumes(self._client, placement, self._disks)
        self.networks = Networks(self._client, placement, self._zones)
        membership = Membership(self._client)
        self.firewalls = Firewalls(self._client, self._zones, membership, self._network)
        self.snapshots = Snapshots(self._client)
        self.images = Images(self._client, self.snapshots)
        self.machines = Machines(self._client, self._catalogue, self._zones, self._disks, placement, membership)

    def check(self) -> Connection:
        """Who the credentials are (STS), whether they may list instances of the region, and what they may not do."""
        account = self._client.identify()
        rights = permissions.check(self._client, self._network)
        return Connection(
            identity=f"aws:{account}:{self._client.region}",
            version=VERSION,
            missing=rights.missing,
            optional=rights.optional,
            proven=rights.proven,
        )

    def sweep(self, request: SweepRequest) -> Sweep:
        """All instances, a request for each 1000; disks and names of subnets when they are older than anybody accepts.

        Volumes are all disks, so they are read each time where they are asked for. Networks cost three requests more: of
        subnets, VPCs and route tables, while who is in them shows in the instances. Images cost a request, and another one
        for those of other accounts that are due; firewalls and snapshots cost one each. Tasks cost a request together while
        volumes are being changed, and one while images are imported. Disks of instances that somebody else has made since,
        or whose launch had no answer, are read as well: a disk of unknown size would differ from no spec.
        """
        before, now = self._client.sent, time.time()
        portions: dict[CloudKind, Portion[CloudObject]] = {}
        # Before the volumes: what has been changed by now is seen as it is then.
        tasks = dict(self.volumes.follow(request.tasks, now))
        survey = Survey(request, self.networks, self.images, self.firewalls, self.snapshots)
        tasks.update(survey.tasks)
        volumes = CloudKind.VOLUME in request.kinds
        if volumes:
            portions[CloudKind.VOLUME] = Portion(self.volumes.all(), full=True)
        age = self._disks.age
        due = {machine for machine, most in request.max_age.items() if most < age}.union(request.refresh)
        if not volumes and (age > request.default_max_age or len(due) > disks.PAGE):
            self._disks.read_all()
            volumes = True
        if volumes:
            self._zones.networks(age=request.default_max_age)
            due = set()
        machines: dict[str, Machine] = {}
        concerned = [task for task in request.tasks if attachments.is_mine(task)]
        sight: dict[str, Seen] = {}
        for found in self._pages():
            survey.see(found)
            if concerned:
                sight.update({seen.machine.id: seen for seen in found})
            self._disks.read({volume for seen in found if (volume := self._wanted(seen, due, request))})
            machines.update({machine.id: machine for machine in self.machines.complete(found)})
        portions[CloudKind.MACHINE] = Portion(machines, full=True)
        portions.update(survey.portions)
        tasks.update({task.id: attachments.judged(task, sight, now) for task in concerned})
        return Sweep(portions, tasks, requests=self._client.sent - before)

    def _wanted(self, seen: Seen, due: Collection[str], request: SweepRequest) -> str | None:
        """The root volume of an instance, when it is unknown, older than the instance's object accepts, or wanted now."""
        volume, most = seen.root_volume, request.max_age.get(seen.machine.id, request.default_max_age)
        if volume is None or seen.machine.id not in due:
            return self._disks.unknown(seen)
        old = seen.machine.id in request.refresh or self._disks.is_older(volume, most)
        return volume if old else self._disks.unknown(seen)

    def _pages(self) -> Iterator[list[Seen]]:
        following: dict[str, str] = {}
        while True:
            answer = self._client.unread("DescribeInstances", MaxResults=PAGE, **following)
            try:
                page = self._instances.read(answer)
            except (ParseError, ValueError, RecursionError) as error:
                raise errors.unreadable("DescribeInstances", error) from error
            yield page.found
            if page.token is None:
                break
            if page.token == following.get("NextToken"):
                raise Unreachable("DescribeInstances: a page leads to itself")
            following = {"NextToken": page.token}
        self._instances.forget()

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
