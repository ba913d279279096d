"""A Proxmox VE cluster of the lab: start it, read it directly, and be the person behind the operator's back."""

from __future__ import annotations

import base64
import io
import json
import secrets
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pycdlib import PyCdlib

from lab.fleet import Wanted, batches
from lab.permissions import Grant
from lab.pki import Authority
from lab.process import LabError, Process, free_port
from lab.proxmox_estate import GRANTS, OPERATOR, PERSON, READONLY, TEMPLATES
from lab.proxmox_person import Firewalls, MachineSnapshots, Sdn

_TASK_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class ProxmoxMachine:
    """One virtual machine or template as the cluster itself holds it. ``memory`` is in bytes."""

    vmid: int
    node: str
    name: str
    status: str
    cpus: int
    memory: int
    description: str
    tags: tuple[str, ...]
    smbios_uuid: str
    template: bool
    lock: str | None
    config: Mapping[str, Any] = field(repr=False)
    pending: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProxmoxVolume:
    """A disk image. ``vmid`` owns it, whether or not there is such a guest; ``node``: the only one that has it."""

    volid: str
    vmid: int
    size: int
    format: str
    node: str | None


class ProxmoxCloud:
    """Three nodes (pve1 to pve3), shared storages ``ceph`` and ``nfs``, and the templates 9000 and 9001 on pve1.

    ``task_seconds`` is how long each task takes; ``resources_lag`` how old a guest's state in ``/cluster/resources``
    may be (10 s on a real cluster).
    """

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        *,
        task_seconds: float = 0.0,
        resources_lag: float = 0.0,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = authority.pem
        self.templates = {name: vmid for vmid, name in TEMPLATES.items()}
        self._tokens = {token: secrets.token_hex(16) for token in (OPERATOR, READONLY, PERSON)}
        self._tls = ssl.create_default_context(cadata=self.ca)
        pair = authority.issue("proxmox")
        config = folder / "proxmox.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps({"tokens": self._tokens}))
        port = free_port()
        self.endpoint = f"https://127.0.0.1:{port}"
        self._options = {
            "--port": port,
            "--cert": pair.certificate,
            "--key": pair.key,
            "--config": config,
            "--task-seconds": task_seconds,
            "--resources-lag": resources_lag,
        }
        argv = [sys.executable, "-m", "lab.proxmox_server"]
        argv += [str(word) for option in self._options.items() for word in option]
        self.process = Process("proxmox", argv, log=folder / "proxmox.log", ready=self._answers)
        self.sdn = Sdn(self._api, self._task)
        self.firewalls = Firewalls(self._api, self._nodes)
        self.snapshots = MachineSnapshots(self._api, self._task, self._nodes)

    @property
    def credentials(self) -> dict[str, str]:
        """The operator's API token, with the keys of a Provider's Secret."""
        return {"tokenID": OPERATOR, "tokenSecret": self._tokens[OPERATOR]}

    @property
    def person_credentials(self) -> dict[str, str]:
        """The admin's API token."""
        return {"tokenID": PERSON, "tokenSecret": self._tokens[PERSON]}

    @property
    def readonly_credentials(self) -> dict[str, str]:
        """A token that may look at everything and change nothing."""
        return {"tokenID": READONLY, "tokenSecret": self._tokens[READONLY]}

    # -------------------------------------------------------------- lifecycle

    def start(self) -> Self:
        """Spawn the server and return at once."""
        self.process.start()
        return self

    def wait(self) -> Self:
        """Block until it answers."""
        self.process.wait()
        return self

    def stop(self) -> None:
        """End the server; its state is gone with it."""
        self.process.stop()

    def __enter__(self) -> Self:
        return self.start().wait()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---------------------------------------------------------------- reading

    def machines(self) -> list[ProxmoxMachine]:
        """All guests, templates included, in order of their VMID."""
        found = [_machine(item) for item in self._call("GET", "/lab/machines")]
        return sorted(found, key=lambda machine: machine.vmid)

    def machine(self, vmid: int) -> ProxmoxMachine:
        """The guest with this VMID; LabError when there is none."""
        for machine in self.machines():
            if machine.vmid == vmid:
                return machine
        raise LabError(f"Proxmox has no machine {vmid}")

    def _nodes(self) -> dict[int, str]:
        """Where each machine is, templates left out."""
        return {machine.vmid: machine.node for machine in self.machines() if not machine.template}

    def volumes(self) -> list[ProxmoxVolume]:
        """All disk images."""
        return [ProxmoxVolume(**item) for item in self._call("GET", "/lab/volumes")]

    def isos(self) -> list[str]:
        """The volume ids of all ISO images, such as ``local:iso/seed.iso``."""
        return list(self._call("GET", "/lab/isos"))

    def files(self) -> list[str]:
        """The volume ids of all files that were downloaded to be imported."""
        return list(self._call("GET", "/lab/files"))

    def strays(self) -> list[str]:
        """In words, vnets that are not in effect as they are written, and rules of guests that name no group."""
        return list(self._call("GET", "/lab/strays"))

    def publish(self, url: str, size: int, **checksums: str) -> None:
        """Has a file of so many bytes at this URL from now on; checksums by algorithm."""
        self._call("POST", "/lab/web", url=url, size=size, **checksums)

    def iso(self, volume: str) -> dict[str, str]:
        """The documents on an ISO image, by name."""
        return documents_of(base64.b64decode(self._call("GET", "/lab/iso", volume=volume)))

    def given(self, vmid: int) -> str:
        """All text that a guest finds in its configuration and on its CDs."""
        machine = self.machine(vmid)
        words = [machine.name, *map(str, machine.config.values())]
        for word in list(words):
            volume = word.partition(",")[0]
            if ":iso/" in volume and word.endswith("media=cdrom"):
                words += self.iso(volume).values()
        return urllib.parse.unquote("\n".join(words))

    def running(self, ids: Sequence[str]) -> dict[str, bool]:
        """Whether these machines run, by VMID."""
        rows = self._api("GET", "/cluster/resources", type="vm")
        states = {str(row["vmid"]): row["status"] == "running" for row in rows}
        return {machine_id: states[machine_id] for machine_id in ids}

    # ------------------------------------------------- behind the operator's back

    def tune(self, *, task_seconds: float | None = None, resources_lag: float | None = None) -> None:
        """Change the pace of a running cluster; what is None stays."""
        wanted = {"task_seconds": task_seconds, "resources_lag": resources_lag}
        self._call("POST", "/lab/tune", **{key: value for key, value in wanted.items() if value is not None})

    def grant(self, *grants: Grant) -> None:
        """Give the operator these rights and no others; without any: those that it had at first."""
        wanted = grants or GRANTS[OPERATOR]
        self._call("POST", "/lab/rights", account=OPERATOR, grants=json.dumps([(it.place, it.right) for it in wanted]))

    def set_node(self, node: str, *, online: bool = True, maintenance: bool = False) -> None:
        """Take a node off the cluster, or let the HA manager keep it for maintenance, or neither."""
        self._call("POST", "/lab/node", node=node, online=int(online), maintenance=int(maintenance))

    def hold(self, vmid: int) -> None:
        """Has a container hold this VMID that no account sees."""
        self._call("POST", "/lab/hold", vmid=vmid)

    def migrate(self, vmid: int, node: str) -> None:
        """Bring a machine to another node, while it runs."""
        here = self.machine(vmid).node
        self._task("POST", f"/nodes/{here}/qemu/{vmid}/migrate", target=node, online=1, **{"with-local-disks": 1})

    def move_disk(self, vmid: int, disk: str, storage: str) -> None:
        """Bring a disk of a machine to another storage."""
        path = f"/nodes/{self.machine(vmid).node}/qemu/{vmid}/move_disk"
        self._task("POST", path, disk=disk, storage=storage, delete=1)

    def allocate(self, storage: str, name: str, vmid: int, size: int, *, node: str = "pve1") -> str:
        """Make a disk image of this many MiB that no machine has; PVE's id of it."""
        path = f"/nodes/{node}/storage/{storage}/content"
        return str(self._api("POST", path, filename=name, vmid=vmid, size=f"{size}M"))

    def free(self, volume: str, *, node: str = "pve1") -> None:
        """Delete a disk image, whoever has it."""
        path = f"/nodes/{node}/storage/{volume.partition(':')[0]}/content/{urllib.parse.quote(volume, safe='')}"
        self._task("DELETE", path)

    def grow(self, vmid: int, disk: str, size: int) -> None:
        """Grow a disk of a machine to this many bytes."""
        self._task("PUT", f"/nodes/{self.machine(vmid).node}/qemu/{vmid}/resize", disk=disk, size=size)

    def set_pool(self, vmid: int, pool: str) -> None:
        """Put a machine into a pool, out of the one it is in."""
        self._api("PUT", "/pools", poolid=pool, vms=vmid, **{"allow-move": 1})

    def seed(self, wanted: Sequence[Wanted]) -> list[str]:
        """Has these machines from now on, clones of debian-12 on all nodes; their VMIDs, in the same order."""
        ids: list[str] = []
        for part in batches(wanted):
            ids += map(str, self._send("POST", "/lab/seed", json.dumps([machine.words() for machine in part]).encode()))
        return ids

    def power(self, vmid: int, *, on: bool) -> None:
        """Start a machine, or pull its plug."""
        self._task("POST", f"/nodes/{self.machine(vmid).node}/qemu/{vmid}/status/{'start' if on else 'stop'}")

    def set_config(self, vmid: int, **values: str | int) -> None:
        """Change configuration values as in the web interface: in a running guest some of them stay pending."""
        self._api("PUT", f"/nodes/{self.machine(vmid).node}/qemu/{vmid}/config", **values)

    def destroy(self, vmid: int) -> None:
        """Stop and purge a machine."""
        machine = self.machine(vmid)
        if machine.status == "running":
            self.power(vmid, on=False)
        self._task("DELETE", f"/nodes/{machine.node}/qemu/{vmid}", purge=1)

    def next_id(self) -> int:
        """The lowest VMID that is free now, as whoever makes a guest by hand is offered it."""
        return int(self._api("GET", "/cluster/nextid"))

    def clone_by_hand(self, vmid: int, newid: int, **options: str | int) -> None:
        """Clone a machine or template, notes and all; ``options`` are those of PVE's clone call."""
        self._task("POST", f"/nodes/{self.machine(vmid).node}/qemu/{vmid}/clone", newid=newid, **options)

    def create(self, vmid: int, name: str, *, node: str = "pve1", **config: str | int) -> None:
        """Make an empty machine, which nobody but the person who made it knows. Without a name when that is empty."""
        named = {"name": name} if name else {}
        self._task("POST", f"/nodes/{node}/qemu", vmid=vmid, **named, **config)

    def make_template(self, vmid: int) -> None:
        """Turn a stopped machine into a template."""
        self._task("POST", f"/nodes/{self.machine(vmid).node}/qemu/{vmid}/template")

    # -------------------------------------------------------------- transport

    def _answers(self) -> bool:
        try:
            self._api("GET", "/version")
        except LabError:
            return False
        return True

    def _task(self, method: str, path: str, **values: str | int) -> None:
        upid = self._api(method, path, **values)
        status = f"/nodes/{upid.split(':')[1]}/tasks/{urllib.parse.quote(upid, safe='')}/status"
        deadline = time.monotonic() + _TASK_TIMEOUT
        while (task := self._api("GET", status))["status"] != "stopped":
            if time.monotonic() > deadline:
                raise LabError(f"Proxmox task {upid} did not end within {_TASK_TIMEOUT:.0f} s")
            time.sleep(0.05)
        if task["exitstatus"] != "OK":
            raise LabError(f"Proxmox task {upid} ended with: {task['exitstatus']}")

    def _api(self, method: str, path: str, **values: str | int) -> Any:
        return self._call(method, f"/api2/json{path}", **values)["data"]

    def _call(self, method: str, path: str, **values: object) -> Any:
        query = urllib.parse.urlencode(values)
        if method in {"GET", "DELETE"}:
            return self._send(method, f"{path}?{query}" if query else path)
        return self._send(method, path, query.encode())

    def _send(self, method: str, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.endpoint}{path}",
            method=method,
            data=body,
            headers={"Authorization": f"PVEAPIToken={PERSON}={self._tokens[PERSON]}"},
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._tls)
        )
        try:
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise LabError(f"Proxmox refused {method} {path}: {error.code} {error.reason}") from error


def documents_of(image: bytes) -> dict[str, str]:
    """The documents on an ISO image, by name."""
    disc, found = PyCdlib(), {}
    disc.open_fp(io.BytesIO(image))
    for child in disc.list_children(joliet_path="/"):
        if child is not None and child.is_file():
            name, content = child.file_identifier().decode("utf-16-be"), io.BytesIO()
            disc.get_file_from_iso_fp(content, joliet_path=f"/{name}")
            found[name] = content.getvalue().decode()
    disc.close()
    return found


def _machine(item: dict[str, Any]) -> ProxmoxMachine:
    config = item["config"]
    smbios = dict(part.partition("=")[::2] for part in str(config.get("smbios1", "")).split(","))
    return ProxmoxMachine(
        vmid=item["vmid"],
        node=item["node"],
        name=item["name"],
        status=item["status"],
        cpus=int(config.get("cores", 1)) * int(config.get("sockets", 1)),
        memory=int(str(config.get("memory", 512)).split("=")[-1]) * 2**20,
        description=config.get("description", ""),
        tags=tuple(tag for tag in str(config.get("tags", "")).split(";") if tag),
        smbios_uuid=smbios.get("uuid", ""),
        template=item["template"],
        lock=item["lock"],
        config=config,
        pending=item["pending"],
    )
