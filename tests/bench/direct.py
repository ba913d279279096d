"""What a simulator itself can do: machines made through the cloud's own SDK by many threads, with no operator at all.

The calls are the least that gives the machine which ``lab.manifests.machine`` asks for: 2 CPUs, 4 GiB, running.
"""

from __future__ import annotations

import itertools
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import proxmoxer  # type: ignore[import-untyped]  # it ships neither annotations nor stubs
import pyVim.task
import pyVmomi

from lab.aws import AwsCloud
from lab.bed import Lab
from lab.faultproxy import Cloud
from lab.manifests import IMAGE
from lab.process import LabError
from lab.proxmox import ProxmoxCloud
from lab.vsphere import VsphereCloud

# pyvmomi makes its classes at run time, so that its names have no static types.
vim: Final[Any] = pyVmomi.vim
tasks: Final[Any] = pyVim.task

THREADS = 16
#: Machines of the operator are below (see ``lab.manifests``).
_FIRST_VMID: Final = 3000

#: Makes one machine of this name.
Maker = Callable[[str], None]


def rate(makers: list[Maker], count: int, prefix: str) -> float:
    """Machines a second, when each of ``makers`` works in a thread of its own at a time."""
    free: queue.SimpleQueue[Maker] = queue.SimpleQueue()
    for maker in makers:
        free.put(maker)

    def make(number: int) -> None:
        maker = free.get()
        try:
            maker(f"{prefix}-{number}")
        finally:
            free.put(maker)

    with ThreadPoolExecutor(len(makers)) as pool:
        started = time.perf_counter()
        list(pool.map(make, range(count)))
        return count / (time.perf_counter() - started)


def makers(cloud: Cloud, lab: Lab) -> list[Maker]:
    """One for each thread, connected and logged in."""
    match cloud:
        case "aws":
            return _aws(lab.aws)
        case "proxmox":
            numbers = itertools.count(_FIRST_VMID)
            return [_proxmox(lab.proxmox, str(lab.authority.bundle), numbers) for _ in range(THREADS)]
        case "vsphere":
            return [_vsphere(lab.vsphere) for _ in range(THREADS)]


def _aws(cloud: AwsCloud) -> list[Maker]:
    client = cloud.client(credentials=cloud.credentials)
    image, subnet = cloud.images[IMAGE], cloud.subnets[0]

    def make(name: str) -> None:
        client.run_instances(
            ImageId=image,
            InstanceType="t3.medium",
            SubnetId=subnet,
            MinCount=1,
            MaxCount=1,
            ClientToken=str(uuid.uuid4()),
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
        )

    return [make] * THREADS


def _proxmox(cloud: ProxmoxCloud, ca: str, numbers: Iterator[int]) -> Maker:
    user, _, token = cloud.credentials["tokenID"].partition("!")
    host = cloud.endpoint.removeprefix("https://")
    secret = cloud.credentials["tokenSecret"]
    api = proxmoxer.ProxmoxAPI(host, user=user, token_name=token, token_value=secret, verify_ssl=ca)
    node, template = api.nodes("pve1"), cloud.templates[IMAGE]

    def finished(upid: str) -> None:
        while (task := node.tasks(upid).status.get())["status"] != "stopped":
            time.sleep(0.05)
        if task["exitstatus"] != "OK":
            raise LabError(f"{upid}: {task['exitstatus']}")

    def make(name: str) -> None:
        number = next(numbers)
        finished(node.qemu(template).clone.post(newid=number, name=name))
        node.qemu(number).config.put(cores=2, memory=4096)
        finished(node.qemu(number).status.start.post())

    return make


def _vsphere(cloud: VsphereCloud) -> Maker:
    instance: Any = cloud.connect()
    content = instance.RetrieveContent()
    template = vim.VirtualMachine(cloud.templates[IMAGE], instance._stub)  # pyvmomi has no public name for it
    center = next(child for child in content.rootFolder.childEntity if child.name == cloud.datacenter)
    folder = next(child for child in center.vmFolder.childEntity if child.name == cloud.folder)
    cluster = next(child for child in center.hostFolder.childEntity if child.name == cloud.cluster)
    where = vim.vm.RelocateSpec(pool=cluster.resourcePool, datastore=cluster.datastore[0])

    def make(name: str) -> None:
        config = vim.vm.ConfigSpec(numCPUs=2, memoryMB=4096)
        spec = vim.vm.CloneSpec(location=where, config=config, powerOn=True, template=False)
        tasks.WaitForTask(template.CloneVM_Task(folder=folder, name=name, spec=spec), si=instance)

    return make
