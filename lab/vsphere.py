"""A vCenter of the lab: start it, read it directly, and be the person behind the operator's back."""

from __future__ import annotations

import json
import secrets
import shutil
import ssl
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import pyVmomi

from lab import permissions
from lab.cache import go_program
from lab.fleet import Wanted, batches
from lab.permissions import Grant
from lab.pki import Authority
from lab.process import LabError, Process, clean_environment, free_port

# pyvmomi makes its classes at run time, so that its names have no static types.
sdk: Final[Any] = pyVmomi
vim: Final[Any] = sdk.vim
vmodl: Final[Any] = sdk.vmodl

OPERATOR: Final = "hybridge@vsphere.local"
READONLY: Final = "readonly@vsphere.local"
PERSON: Final = "person@vsphere.local"

_SHIPPED: Final = permissions.vsphere()
#: Objects of the shipped page's example, and what stands for each of them in the lab.
_PLACES: Final[Mapping[str, Sequence[str]]] = {
    "/DC0/vm/hybridge": ("/DC0/vm/hybridge", "/DC0/vm/archive", "/DC0/vm"),
    "/DC0/host/Cluster/Resources": ("/DC0/host/DC0_C0/Resources", "/DC0/host/DC0_H0/Resources"),
    "/DC0/datastore/ds1": ("/DC0/datastore/LocalDS_0", "/DC0/datastore/LocalDS_1"),
    "/DC0/network/frontend": ("/DC0/network/frontend", "/DC0/network/backend", "/DC0/network/VM Network"),
}
#: What the shipped roles grant to the operator, with the lab's names.
GRANTS: Final = tuple(
    Grant(place, grant.right) for grant in _SHIPPED for place in _PLACES.get(grant.place, (grant.place,))
)

_VERSION = "vim.version.v8_0_3_0"
_TIMEOUT = 30.0
_TASK_TIMEOUT = 120.0
_READ = [
    "name",
    "parent",
    "config.instanceUuid",
    "config.uuid",
    "config.annotation",
    "config.extraConfig",
    "config.template",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.device",
    "runtime.powerState",
    "runtime.host",
    "guest.net",
]


@dataclass(frozen=True, slots=True)
class VsphereMachine:
    """One virtual machine or template as the vCenter itself holds it.

    ``memory`` is in MiB, ``disks`` are sizes in bytes, ``folder`` and ``host`` names, ``networks`` the names of port
    groups and standard networks. ``power`` is ``poweredOn``, ``poweredOff`` or ``suspended``.
    """

    moid: str
    name: str
    instance_uuid: str
    bios_uuid: str
    power: str
    cpus: int
    memory: int
    annotation: str
    folder: str
    host: str
    template: bool
    addresses: tuple[str, ...]
    disks: tuple[int, ...]
    networks: tuple[str, ...]
    extra_config: Mapping[str, str] = field(repr=False)


def program() -> Path:
    """The simulator's program, built when it is not yet. LabError when it does not build."""
    return go_program("vcsim", Path(__file__).parent / "go" / "vcsim", expect="about 3 min, only once")


class VsphereCloud:
    """A vCenter 8.0.3 with datacenter DC0: cluster DC0_C0 of three hosts, the host DC0_H0, datastores LocalDS_0 and 1.

    Port groups ``VM Network`` (standard), ``frontend`` and ``backend`` (distributed); resource pool ``gold`` of the
    cluster; machine folders ``hybridge``, ``archive`` and ``templates``, in which are debian-12 and ubuntu-24.04 with a
    disk of 10 GiB and a NIC on ``VM Network``.

    ``task_delay`` is how long each task takes, ``boot_delay`` how long after power-on a guest's tools run; in seconds.
    """

    datacenter: Final = "DC0"
    cluster: Final = "DC0_C0"
    folder: Final = "hybridge"
    datastores: Final = ("LocalDS_0", "LocalDS_1")

    def __init__(self, folder: Path, authority: Authority, *, task_delay: float = 0.0, boot_delay: float = 0.0) -> None:
        """Builds the simulator when it is not built yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self._scratch = folder / "datastores"
        #: PEM file of the CA that signed the server's certificate.
        self.ca = authority.bundle
        #: What ``about.instanceUuid`` says, also after a restart (which forgets everything else).
        self.instance_uuid = str(uuid.uuid4())
        self._tls = ssl.create_default_context(cafile=str(self.ca))
        self._passwords = {name: secrets.token_urlsafe(16) for name in (OPERATOR, READONLY, PERSON)}
        self._accounts = folder / "accounts.json"
        self._accounts.touch(mode=0o600)
        pair = authority.issue("vsphere")
        self._port = free_port()
        self.endpoint = f"https://127.0.0.1:{self._port}"
        options: dict[str, object] = {
            "--listen": f"127.0.0.1:{self._port}",
            "--tls-cert": pair.certificate,
            "--tls-key": pair.key,
            "--accounts": self._accounts,
            "--instance-uuid": self.instance_uuid,
            "--task-delay": f"{task_delay}s",
            "--boot-delay": f"{boot_delay}s",
        }
        self.process = Process(
            "vsphere",
            [program(), *(str(word) for option in options.items() for word in option)],
            log=folder / "vsphere.log",
            ready=self._answers,
            environment=clean_environment({"TMPDIR": str(self._scratch)}),
        )
        self._lock = threading.RLock()
        self._person: Any = None
        self._person_stub: Any = None

    @property
    def credentials(self) -> dict[str, str]:
        """The operator's account, with the keys of a Provider's Secret."""
        return self._account(OPERATOR)

    @property
    def person_credentials(self) -> dict[str, str]:
        """The admin's account."""
        return self._account(PERSON)

    @property
    def readonly_credentials(self) -> dict[str, str]:
        """An account that may look at everything and change nothing."""
        return self._account(READONLY)

    # -------------------------------------------------------------- lifecycle

    def start(self) -> Self:
        """Spawn the server and return at once."""
        self._person = None
        shutil.rmtree(self._scratch, ignore_errors=True)  # a server that was killed left it
        self._scratch.mkdir()
        accounts: dict[str, dict[str, object]] = {
            name: {"password": word, "readOnly": name == READONLY} for name, word in self._passwords.items()
        }
        accounts[OPERATOR]["grants"] = permissions.by_place(GRANTS)
        self._accounts.write_text(json.dumps(accounts))
        self.process.start()
        return self

    def wait(self) -> Self:
        """Block until it answers."""
        self.process.wait()
        return self

    def stop(self) -> None:
        """End the server; its state is gone with it."""
        self._person = None
        self.process.stop()

    def __enter__(self) -> Self:
        return self.start().wait()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---------------------------------------------------------------- reading

    def connect(self, credentials: Mapping[str, str] | None = None, version: str = _VERSION) -> Any:
        """A new session as a pyvmomi ServiceInstance, by default the operator's. One thread may use it.

        ``vim.fault.InvalidLogin`` for a wrong user or password.
        """
        return self._login(self._stub(version), self.credentials if credentials is None else credentials)

    def machines(self) -> list[VsphereMachine]:
        """All machines, templates included, in order of their names."""
        with self._lock:
            names = self._names()
            return sorted(
                (_machine(moid, values, names) for moid, values in self._properties(vim.VirtualMachine, _READ).items()),
                key=lambda machine: (machine.name, machine.moid),
            )

    def machine(self, moid: str) -> VsphereMachine:
        """The machine with this managed object id; LabError when there is none."""
        for machine in self.machines():
            if machine.moid == moid:
                return machine
        raise LabError(f"vSphere has no machine {moid}")

    @property
    def templates(self) -> dict[str, str]:
        """Managed object ids of the templates, by name."""
        return {machine.name: machine.moid for machine in self.machines() if machine.template}

    def running(self, ids: Sequence[str]) -> dict[str, bool]:
        """Whether these machines are powered on, by managed object id."""
        query = vmodl.query.PropertyCollector
        with self._lock:
            wanted = query.FilterSpec(
                objectSet=[query.ObjectSpec(obj=self._vm(moid)) for moid in ids],
                propSet=[query.PropertySpec(type=vim.VirtualMachine, pathSet=["runtime.powerState"])],
            )
            found = self._session().content.propertyCollector.RetrieveContents([wanted])
            return {_moid(item.obj): item.propSet[0].val == "poweredOn" for item in found}

    # ------------------------------------------------- behind the operator's back

    def seed(self, wanted: Sequence[Wanted]) -> list[str]:
        """Has these machines from now on, clones of debian-12 in folder ``hybridge``; their ids, in the same order."""
        ids: list[str] = []
        for part in batches(wanted):
            ids += json.loads(self._open("/lab/machines", json.dumps([machine.words() for machine in part]).encode()))
        return ids

    def power(self, moid: str, *, on: bool) -> None:
        """Power a machine on, or pull its plug."""
        self._task(lambda: self._vm(moid).PowerOnVM_Task() if on else self._vm(moid).PowerOffVM_Task())

    def set_cpus(self, moid: str, cpus: int) -> None:
        """Change the number of CPUs; a running machine that cannot take it is off for a moment."""
        self._hardware(moid, vim.vm.ConfigSpec(numCPUs=cpus))

    def set_memory(self, moid: str, mebibytes: int) -> None:
        """Change the memory; a running machine that cannot take it is off for a moment."""
        self._hardware(moid, vim.vm.ConfigSpec(memoryMB=mebibytes))

    def cores_per_socket(self, moid: str) -> int:
        """How many cores each socket of a machine has."""
        with self._lock:
            path = "config.hardware.numCoresPerSocket"
            return int(self._properties(vim.VirtualMachine, [path])[moid][path])

    def set_hardware(self, moid: str, option: str, value: object) -> None:
        """Change an option of a ``vim.vm.ConfigSpec``; a running machine that cannot take it is off for a moment."""
        self._hardware(moid, vim.vm.ConfigSpec(**{option: value}))

    def set_extra_config(self, moid: str, values: Mapping[str, str]) -> None:
        """Set advanced options; an empty value removes one.

        Two are the lab's: with ``lab.noTools`` set a guest never has running tools, with ``lab.ignoreShutdown`` it
        stays on when it is asked to shut down.
        """
        options = [vim.option.OptionValue(key=key, value=value) for key, value in values.items()]
        self.reconfigure(moid, vim.vm.ConfigSpec(extraConfig=options))

    def reconfigure(self, moid: str, spec: Any) -> None:
        """Apply a ``vim.vm.ConfigSpec``. LabError when the vCenter refuses it."""
        self._task(lambda: self._vm(moid).ReconfigVM_Task(spec))

    def set_policy(
        self, moid: str, *, home: str | None = None, root_disk: str | None = None, second_disk: str | None = None
    ) -> None:
        """Give a machine's home, or the first or second of its disks, another storage policy, by name."""
        with self._lock:
            known = self._policies()
            profiles = {name: [vim.vm.DefinedProfileSpec(profileId=policy)] for name, policy in known.items()}
            disks = [device for device in self._vm(moid).config.hardware.device if hasattr(device, "capacityInKB")]
            edits = [
                vim.vm.device.VirtualDeviceSpec(operation="edit", device=disk, profile=profiles[name])
                for disk, name in zip(disks, (root_disk, second_disk), strict=False)
                if name
            ]
        self.reconfigure(moid, vim.vm.ConfigSpec(vmProfile=profiles.get(home or ""), deviceChange=edits))

    def policies(self, moid: str) -> dict[str, str]:
        """The names of the storage policies that a machine has: of ``home``, and of disks by their keys."""
        with self._lock:
            names = {policy: name for name, policy in self._policies().items()}
            disks = [device.key for device in self._vm(moid).config.hardware.device if hasattr(device, "capacityInKB")]
            asked = [sdk.pbm.ServerObjectRef(objectType="virtualMachine", key=moid)]
            asked += [sdk.pbm.ServerObjectRef(objectType="virtualDiskId", key=f"{moid}:{key}") for key in disks]
            answer = self._profiles().PbmQueryAssociatedProfiles(asked)
            return {
                entry.object.key.partition(":")[2] or "home": names[entry.profileId[0].uniqueId]
                for entry in answer
                if entry.profileId
            }

    def _profiles(self) -> Any:
        self._session()
        session = self._person_stub.cookie.partition(";")[0].partition("=")[2].strip('"')
        stub = sdk.SoapStubAdapter(
            "127.0.0.1",
            self._port,
            version="pbm.version.version1",
            path="/pbm",
            sslContext=self._tls,
            httpConnectionTimeout=_TIMEOUT,
            requestContext={"vcSessionCookie": session},
        )
        return sdk.pbm.profile.ProfileManager("ProfileManager", stub)

    def _policies(self) -> dict[str, str]:
        """Ids of the storage policies by name."""
        manager = self._profiles()
        storage = sdk.pbm.profile.ResourceType(resourceType="STORAGE")
        found = manager.PbmRetrieveContent(manager.PbmQueryProfile(storage, "REQUIREMENT"))
        return {profile.name: profile.profileId.uniqueId for profile in found}

    def rename(self, moid: str, name: str) -> None:
        """Give a machine another name."""
        self._task(lambda: self._vm(moid).Rename_Task(name))

    def destroy(self, moid: str) -> None:
        """Power a machine off and delete it from disk."""
        if self.machine(moid).power != "poweredOff":
            self.power(moid, on=False)
        self._task(lambda: self._vm(moid).Destroy_Task())

    def clone_by_hand(self, source: str, name: str, *, on: bool = False) -> str:
        """Clone a machine or template into folder ``hybridge``, its advanced options included; returns the new moid."""
        with self._lock:
            where = vim.vm.RelocateSpec(pool=self._named(vim.ClusterComputeResource, self.cluster).resourcePool)
            spec = vim.vm.CloneSpec(location=where, powerOn=on, template=False)
            folder = self._named(vim.Folder, self.folder)
            return self._made(lambda: self._vm(source).CloneVM_Task(folder, name, spec))

    def create(self, name: str, devices: Sequence[Any] = ()) -> str:
        """Make a machine in folder ``hybridge``, which nobody but this person knows; returns its moid.

        ``devices`` are to be added to it: without any it has no disk and no card.
        """
        with self._lock:
            pool = self._named(vim.ClusterComputeResource, self.cluster).resourcePool
            added = [_added(device) for device in devices]
            spec = vim.vm.ConfigSpec(
                name=name,
                files=vim.vm.FileInfo(vmPathName=f"[{self.datastores[0]}]"),
                numCPUs=1,
                memoryMB=512,
                guestId="otherGuest64",
                deviceChange=added,
            )
            folder = self._named(vim.Folder, self.folder)
            return self._made(lambda: folder.CreateVM_Task(spec, pool))

    def make_template(self, moid: str) -> None:
        """Turn a machine that is off into a template."""
        with self._lock:
            self._vm(moid).MarkAsTemplate()

    def relocate(
        self, moid: str, *, host: str | None = None, datastore: str | None = None, pool: str | None = None
    ) -> None:
        """Move a machine to another host, datastore or resource pool, by their names.

        With a host it goes into the pool of all that the host's cluster has.
        """
        with self._lock:
            there = self._named(vim.HostSystem, host) if host else None
            within = self._named(vim.ResourcePool, pool) if pool else there.parent.resourcePool if there else None
            store = self._named(vim.Datastore, datastore) if datastore else None
            spec = vim.vm.RelocateSpec(pool=within, host=there, datastore=store)
            self._task(lambda: self._vm(moid).RelocateVM_Task(spec))

    def move(self, moid: str, folder: str) -> None:
        """Move a machine into another folder, by its name."""
        self._task(lambda: self._named(vim.Folder, folder).MoveIntoFolder_Task([self._vm(moid)]))

    def upgrade(self, moid: str, version: str) -> None:
        """Give a machine that is off newer virtual hardware, such as ``vmx-19``."""
        self._task(lambda: self._vm(moid).UpgradeVM_Task(version))

    def connect_card(self, moid: str, number: int, network: str) -> None:
        """Put a card of a machine, counted from 0, on another network."""
        with self._lock:
            card = self._cards(moid)[number]
            card.backing = self.network(network)
            change = vim.vm.device.VirtualDeviceSpec(operation="edit", device=card)
            self.reconfigure(moid, vim.vm.ConfigSpec(deviceChange=[change]))

    def add_card(self, moid: str, network: str) -> None:
        """Give a machine one more card, on this network."""
        with self._lock:
            card = vim.vm.device.VirtualVmxnet3(key=-1, backing=self.network(network))
            change = vim.vm.device.VirtualDeviceSpec(operation="add", device=card)
            self.reconfigure(moid, vim.vm.ConfigSpec(deviceChange=[change]))

    def remove_card(self, moid: str) -> None:
        """Take the last card of a machine away."""
        with self._lock:
            change = vim.vm.device.VirtualDeviceSpec(operation="remove", device=self._cards(moid)[-1])
            self.reconfigure(moid, vim.vm.ConfigSpec(deviceChange=[change]))

    def _cards(self, moid: str) -> list[Any]:
        devices = self._properties(vim.VirtualMachine, ["config.hardware.device"])[moid]["config.hardware.device"]
        cards = [device for device in devices if isinstance(device, vim.vm.device.VirtualEthernetCard)]
        return sorted(cards, key=lambda card: int(card.key))

    def network(self, name: str) -> Any:
        """What a card has to be given to be on a network: a standard one or a port group."""
        kinds = vim.vm.device.VirtualEthernetCard
        for values in self._properties(vim.dvs.DistributedVirtualPortgroup, ["name", "key"]).values():
            if values["name"] == name:
                (switch,) = self._properties(vim.DistributedVirtualSwitch, ["uuid"]).values()
                port = vim.dvs.PortConnection(portgroupKey=values["key"], switchUuid=switch["uuid"])
                return kinds.DistributedVirtualPortBackingInfo(port=port)
        return kinds.NetworkBackingInfo(deviceName=name, network=self._named(vim.Network, name))

    def protect(self, moid: str, *, on: bool = True) -> None:
        """Disable the deletion of a machine, as backup products do while they read it."""
        self._settings({"protected": {moid: on}})

    def tune_host(
        self,
        name: str,
        *,
        maintenance: bool | None = None,
        connected: bool | None = None,
        memory: int | None = None,
    ) -> None:
        """Put a host into maintenance, cut it off, or change its memory (bytes); what is None stays."""
        wanted = {"maintenance": maintenance, "connected": connected, "memory": memory}
        self._settings({"hosts": {name: {key: value for key, value in wanted.items() if value is not None}}})

    def end_sessions(self) -> int:
        """End all sessions but the person's, as an administrator can; returns how many there were."""
        with self._lock:
            manager = self._session().content.sessionManager
            own = manager.currentSession.key
            keys = [session.key for session in manager.sessionList if session.key != own]
            if keys:
                manager.TerminateSession(keys)
            return len(keys)

    # ----------------------------------------------------------------- tuning

    def tune(
        self,
        *,
        task_delay: float | None = None,
        boot_delay: float | None = None,
        hot_plug_not_supported: bool | None = None,
    ) -> None:
        """Change the pace (seconds), or the fault for hardware changed under a running machine; what is None stays.

        With ``hot_plug_not_supported`` that fault is CpuHotPlugNotSupported or MemoryHotPlugNotSupported, else it is
        InvalidPowerState: the API reference allows both.
        """
        wanted = {"taskDelay": task_delay, "bootDelay": boot_delay, "hotPlugNotSupported": hot_plug_not_supported}
        self._settings({name: value for name, value in wanted.items() if value is not None})

    def deny(self, privileges: Sequence[str]) -> None:
        """Take these privileges (``VirtualMachine.Interact.PowerOn``) from the operator's account; all others it has."""
        self._settings({"denied": {OPERATOR: list(privileges)}})

    def grant(self, *grants: Grant) -> None:
        """Give the operator these privileges and no others; without any: those of the shipped roles."""
        self._settings({"grants": {OPERATOR: permissions.by_place(grants or GRANTS)}})

    def grant_everything(self) -> None:
        """Let the operator do everything, everywhere."""
        self._settings({"grants": {OPERATOR: None}})

    def change_password(self) -> None:
        """Give the operator's account a new password, which ``credentials`` then shows; sessions go on."""
        self._passwords[OPERATOR] = secrets.token_urlsafe(16)
        self._settings({"passwords": {OPERATOR: self._passwords[OPERATOR]}})

    # -------------------------------------------------------------- transport

    def _account(self, name: str) -> dict[str, str]:
        return {"username": name, "password": self._passwords[name]}

    def _open(self, path: str, body: bytes | None = None) -> bytes:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        with opener.open(urllib.request.Request(self.endpoint + path, body), timeout=_TIMEOUT) as answer:
            content: bytes = answer.read()
            return content

    def _answers(self) -> bool:
        self._open("/sdk/vimServiceVersions.xml")
        return True

    def _settings(self, values: Mapping[str, object]) -> None:
        self._open("/lab/settings", json.dumps(values).encode())

    def _stub(self, version: str = _VERSION) -> Any:
        return sdk.SoapStubAdapter(
            "127.0.0.1", self._port, version=version, sslContext=self._tls, httpConnectionTimeout=_TIMEOUT
        )

    def _login(self, stub: Any, account: Mapping[str, str]) -> Any:
        instance = vim.ServiceInstance("ServiceInstance", stub)
        instance.RetrieveContent().sessionManager.Login(account["username"], account["password"])
        return instance

    def _session(self) -> Any:
        if self._person is None:
            stub = self._stub()
            self._person = self._login(stub, self._account(PERSON))
            self._person_stub = stub
        return self._person

    def _object(self, kind: Any, moid: str) -> Any:
        self._session()
        return kind(moid, self._person_stub)

    def _vm(self, moid: str) -> Any:
        return self._object(vim.VirtualMachine, moid)

    def _task(self, begin: Callable[[], Any]) -> Any:
        with self._lock:
            try:
                return finished(self._session(), begin())
            except (vmodl.MethodFault, vmodl.RuntimeFault) as fault:
                raise LabError(f"vSphere refused: {type(fault).__name__}: {fault.msg}") from fault

    def _made(self, begin: Callable[[], Any]) -> str:
        return _moid(self._task(begin))

    def _hardware(self, moid: str, spec: Any) -> None:
        with self._lock:
            try:
                self.reconfigure(moid, spec)
            except LabError:
                if self.machine(moid).power == "poweredOff":
                    raise
                self.power(moid, on=False)
                self.reconfigure(moid, spec)
                self.power(moid, on=True)

    def _named(self, kind: Any, name: str) -> Any:
        for moid, values in self._properties(kind, ["name"]).items():
            if values["name"] == name:
                return self._object(kind, moid)
        raise LabError(f"vSphere has no {kind.__name__} {name}")

    def _names(self) -> dict[str, str]:
        kinds = (vim.Folder, vim.HostSystem, vim.dvs.DistributedVirtualPortgroup)
        return {moid: values["name"] for kind in kinds for moid, values in self._properties(kind, ["name"]).items()}

    def _properties(self, kind: Any, paths: list[str]) -> dict[str, dict[str, Any]]:
        query = vmodl.query.PropertyCollector
        content = self._session().content
        view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
        try:
            step = query.TraversalSpec(type=vim.view.ContainerView, path="view", skip=False)
            found = content.propertyCollector.RetrieveContents(
                [
                    query.FilterSpec(
                        objectSet=[query.ObjectSpec(obj=view, skip=True, selectSet=[step])],
                        propSet=[query.PropertySpec(type=kind, pathSet=paths)],
                    )
                ]
            )
        finally:
            view.DestroyView()
        return {_moid(item.obj): {one.name: one.val for one in item.propSet} for item in found}


def _added(device: Any) -> Any:
    spec = vim.vm.device.VirtualDeviceSpec(operation="add", device=device)
    if isinstance(device, vim.vm.device.VirtualDisk):
        spec.fileOperation = "create"
    return spec


def finished(instance: Any, task: Any) -> Any:
    """Wait for a task's end and return its result, or raise its fault; LabError when it takes minutes.

    Not pyvmomi's ``WaitForTask``: that one reads the task's machine and takes the task for deleted when it is gone.
    """
    query = vmodl.query.PropertyCollector
    collector = instance.content.propertyCollector.CreatePropertyCollector()
    try:
        collector.CreateFilter(
            query.FilterSpec(
                objectSet=[query.ObjectSpec(obj=task)],
                propSet=[query.PropertySpec(type=vim.Task, pathSet=["info.state", "info.result", "info.error"])],
            ),
            partialUpdates=False,
        )
        known: dict[str, Any] = {}
        version = ""
        deadline = time.monotonic() + _TASK_TIMEOUT
        while time.monotonic() < deadline:
            answer = collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=10))
            if answer is None:
                continue
            version = answer.version
            for update in (item for part in answer.filterSet for item in part.objectSet):
                known |= {change.name: change.val for change in update.changeSet}
            if known["info.state"] == "error":
                raise known["info.error"]
            if known["info.state"] == "success":
                return known.get("info.result")
    finally:
        collector.DestroyPropertyCollector()
    raise LabError(f"{task} did not end within {_TASK_TIMEOUT:.0f} s")


def _moid(reference: Any) -> str:
    """The id in a managed object's text form, ``'vim.VirtualMachine:vm-42'``."""
    return str(reference).strip("'").rpartition(":")[2]


def _machine(moid: str, values: Mapping[str, Any], names: Mapping[str, str]) -> VsphereMachine:
    devices = values["config.hardware.device"]
    cards = [device for device in devices if isinstance(device, vim.vm.device.VirtualEthernetCard)]
    return VsphereMachine(
        moid=moid,
        name=values["name"],
        instance_uuid=values["config.instanceUuid"],
        bios_uuid=values["config.uuid"],
        power=str(values["runtime.powerState"]),
        cpus=values["config.hardware.numCPU"],
        memory=values["config.hardware.memoryMB"],
        annotation=values.get("config.annotation", ""),
        folder=names[_moid(values["parent"])],
        host=names[_moid(values["runtime.host"])],
        template=values["config.template"],
        addresses=tuple(address for card in values["guest.net"] for address in card.ipAddress),
        disks=tuple(device.capacityInBytes for device in devices if isinstance(device, vim.vm.device.VirtualDisk)),
        networks=tuple(_network(card.backing, names) for card in cards),
        extra_config={option.key: str(option.value) for option in values["config.extraConfig"]},
    )


def _network(backing: Any, names: Mapping[str, str]) -> str:
    port = getattr(backing, "port", None)
    return str(backing.deviceName) if port is None else names[port.portgroupKey]
