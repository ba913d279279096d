"""``python -m lab person <cloud> …``: be the person who changes machines behind the operator's back.

The person uses the operator's account, and goes to the cloud itself instead of through its fault proxy.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Protocol
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]  # boto3 ships neither annotations nor stubs
import pyVim.connect
import pyVim.task
import pyVmomi
import typer
from botocore.config import Config
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from lab import state
from lab.aws import REGION
from lab.process import LabError
from lab.state import LabState

app = typer.Typer(help="Change machines of a cloud behind the operator's back.", no_args_is_help=True)

# pyvmomi makes its classes at run time, so that its names have no static types.
_connect: Final[Any] = pyVim.connect
_tasks: Final[Any] = pyVim.task
_vim: Final[Any] = pyVmomi.vim
_vmodl: Final[Any] = pyVmomi.vmodl

_TIMEOUT = 30.0
_POLL = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """One machine in the cloud's own words."""

    id: str
    name: str
    state: str


class Person(Protocol):
    """What a person can do in any cloud. LabError when the cloud refuses."""

    def machines(self) -> list[Found]:
        """All machines; no templates."""

    def power(self, machine_id: str, *, on: bool) -> None:
        """Start a machine, or pull its plug."""

    def destroy(self, machine_id: str) -> None:
        """Delete a machine for ever."""


class AwsPerson:
    """Somebody with an access key."""

    def __init__(self, lab: LabState) -> None:
        cloud = lab.clouds["aws"]
        self._ec2: Any = boto3.session.Session().client(
            "ec2",
            region_name=REGION,
            endpoint_url=cloud.direct,
            aws_access_key_id=cloud.person["accessKeyID"],
            aws_secret_access_key=cloud.person["secretAccessKey"],
            config=Config(proxies={}),
        )

    def machines(self) -> list[Found]:
        """All instances that are not terminated."""
        pages = self._ec2.get_paginator("describe_instances").paginate()
        instances = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
        return [
            Found(one["InstanceId"], _name(one.get("Tags", [])), one["State"]["Name"])
            for one in instances
            if one["State"]["Name"] != "terminated"
        ]

    def power(self, machine_id: str, *, on: bool) -> None:
        """StartInstances or StopInstances."""
        change = self._ec2.start_instances if on else self._ec2.stop_instances
        self._do(lambda: change(InstanceIds=[machine_id]))

    def destroy(self, machine_id: str) -> None:
        """TerminateInstances."""
        self._do(lambda: self._ec2.terminate_instances(InstanceIds=[machine_id]))

    def _do(self, call: Callable[[], object]) -> None:
        try:
            call()
        except ClientError as error:
            raise LabError(f"AWS refused: {error}") from error


class ProxmoxPerson:
    """Somebody with an API token."""

    def __init__(self, lab: LabState) -> None:
        cloud = lab.clouds["proxmox"]
        self._base = f"{cloud.direct}/api2/json"
        self._token = f"PVEAPIToken={cloud.person['tokenID']}={cloud.person['tokenSecret']}"
        tls = ssl.create_default_context(cadata=lab.ca)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        )

    def machines(self) -> list[Found]:
        """All guests of the cluster."""
        guests = [one for one in self._call("GET", "/cluster/resources?type=vm") if not one.get("template")]
        return [Found(str(one["vmid"]), one.get("name", ""), one["status"]) for one in guests]

    def power(self, machine_id: str, *, on: bool) -> None:
        """Start or stop, as the web interface's buttons do."""
        self._task("POST", f"/qemu/{machine_id}/status/{'start' if on else 'stop'}", machine_id)

    def destroy(self, machine_id: str) -> None:
        """Stop and remove, with the entries that name the guest."""
        self.power(machine_id, on=False)
        self._task("DELETE", f"/qemu/{machine_id}?purge=1", machine_id)

    def _task(self, method: str, path: str, vmid: str) -> None:
        nodes = [one["node"] for one in self._call("GET", "/cluster/resources?type=vm") if str(one["vmid"]) == vmid]
        if not nodes:
            raise LabError(f"Proxmox has no machine {vmid}")
        node = f"/nodes/{nodes[0]}"
        task = self._call(method, node + path)
        while (status := self._call("GET", f"{node}/tasks/{task}/status"))["status"] == "running":
            time.sleep(_POLL)
        if status["exitstatus"] != "OK":
            raise LabError(f"Proxmox did not do it: {status['exitstatus']}")

    def _call(self, method: str, path: str) -> Any:
        request = urllib.request.Request(self._base + path, method=method, headers={"Authorization": self._token})
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise LabError(f"Proxmox refused {method} {path}: {error.code} {error.reason}") from error


class VspherePerson:
    """Somebody with a user name and a password."""

    def __init__(self, lab: LabState) -> None:
        cloud = lab.clouds["vsphere"]
        url = urlsplit(cloud.direct)
        self._service: Any = _connect.SmartConnect(
            host=url.hostname,
            port=url.port,
            user=cloud.person["username"],
            pwd=cloud.person["password"],
            sslContext=ssl.create_default_context(cadata=lab.ca),
        )

    def machines(self) -> list[Found]:
        """All machines of the vCenter."""
        summaries = [machine.summary for machine in self._view()]
        return [
            Found(_moid(summary.vm), summary.config.name, str(summary.runtime.powerState))
            for summary in summaries
            if not summary.config.template
        ]

    def power(self, machine_id: str, *, on: bool) -> None:
        """Power on, or power off without asking the guest."""
        machine = self._machine(machine_id)
        self._do(machine.PowerOnVM_Task if on else machine.PowerOffVM_Task)

    def destroy(self, machine_id: str) -> None:
        """Power off and delete from disk."""
        machine = self._machine(machine_id)
        if machine.summary.runtime.powerState != "poweredOff":
            self._do(machine.PowerOffVM_Task)
        self._do(machine.Destroy_Task)

    def _view(self) -> list[Any]:
        content = self._service.RetrieveContent()
        view = content.viewManager.CreateContainerView(content.rootFolder, [_vim.VirtualMachine], True)
        machines = list(view.view)
        view.Destroy()
        return machines

    def _machine(self, machine_id: str) -> Any:
        for machine in self._view():
            if _moid(machine) == machine_id:
                return machine
        raise LabError(f"vSphere has no machine {machine_id}")

    def _do(self, begin: Callable[[], Any]) -> None:
        try:
            _tasks.WaitForTask(begin(), si=self._service)
        except (_vmodl.MethodFault, _vmodl.RuntimeFault) as fault:
            raise LabError(f"vSphere refused: {fault.msg}") from fault


_PERSONS: Final[Mapping[str, Callable[[LabState], Person]]] = {
    "aws": AwsPerson,
    "proxmox": ProxmoxPerson,
    "vsphere": VspherePerson,
}

Machine = Annotated[str, typer.Argument(help="The machine's id or name in the cloud; `list` shows both.")]


@app.callback()
def choose(
    context: typer.Context,
    cloud: Annotated[str, typer.Argument(help="aws, proxmox or vsphere")],
    folder: Annotated[Path, typer.Option(help="Where the lab lives.")] = Path(".lab"),
) -> None:
    """Change machines of a cloud behind the operator's back."""
    # Found when a command runs, so that its help needs no lab.
    context.obj = lambda: _person(cloud, folder)


@app.command("list")
def show(context: typer.Context) -> None:
    """Show the machines as the cloud itself has them."""
    with _told():
        machines = context.obj().machines()
    table = Table("id", "name", "state")
    for machine in machines:
        table.add_row(machine.id, machine.name, machine.state)
    Console().print(table)


@app.command()
def start(context: typer.Context, machine: Machine) -> None:
    """Start a machine."""
    with _told():
        person = context.obj()
        person.power(_id(person, machine), on=True)


@app.command()
def stop(context: typer.Context, machine: Machine) -> None:
    """Pull a machine's plug."""
    with _told():
        person = context.obj()
        person.power(_id(person, machine), on=False)


@app.command()
def destroy(context: typer.Context, machine: Machine) -> None:
    """Delete a machine for ever."""
    with _told():
        person = context.obj()
        person.destroy(_id(person, machine))


def _person(cloud: str, folder: Path) -> Person:
    lab = state.read(folder)
    if cloud not in _PERSONS or cloud not in lab.clouds:
        raise LabError(f"the lab has no cloud {cloud}; it has {', '.join(sorted(lab.clouds))}")
    return _PERSONS[cloud](lab)


def _id(person: Person, words: str) -> str:
    matches = [machine.id for machine in person.machines() if words in {machine.id, machine.name}]
    if len(matches) != 1:
        raise LabError(f"{len(matches)} machines have the id or name {words}")
    return matches[0]


def _moid(machine: Any) -> str:
    """The id in a managed object's text form, ``'vim.VirtualMachine:vm-42'``."""
    return str(machine).strip("'").rpartition(":")[2]


def _name(tags: list[dict[str, str]]) -> str:
    return next((tag["Value"] for tag in tags if tag["Key"] == "Name"), "")


@contextmanager
def _told() -> Iterator[None]:
    """A LabError becomes a sentence and exit code 1."""
    try:
        yield
    except LabError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
