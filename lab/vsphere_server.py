"""The process that serves a vCenter of the lab: its accounts, its pace, and the faults that it is told to have."""

from __future__ import annotations

import json
import secrets
import shutil
import ssl
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from lab import permissions
from lab.cache import go_program
from lab.permissions import Grant
from lab.pki import Authority
from lab.process import Process, clean_environment, free_port
from lab.vsphere_estate import GRANTS, OPERATOR, PERSON, READONLY
from lab.vsphere_session import VERSION, VsphereSession

_TIMEOUT = 30.0


def program() -> Path:
    """The simulator's program, built when it is not yet. LabError when it does not build."""
    return go_program("vcsim", Path(__file__).parent / "go" / "vcsim", expect="about 3 min, only once")


class VsphereServer:
    """VMware's simulator, extended. It keeps nothing when it ends.

    ``task_delay`` is how long each task takes, ``boot_delay`` how long after power-on a guest's tools run; in seconds.
    """

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
        port = free_port()
        self.endpoint = f"https://127.0.0.1:{port}"
        options: dict[str, object] = {
            "--listen": f"127.0.0.1:{port}",
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
        self._session = VsphereSession(port, self._tls, self._account(PERSON))

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
        self._session.forget()
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
        self._session.forget()
        self.process.stop()

    def __enter__(self) -> Self:
        return self.start().wait()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --------------------------------------------------------------- sessions

    def connect(self, credentials: Mapping[str, str] | None = None, version: str = VERSION) -> Any:
        """A new session as a pyvmomi ServiceInstance, by default the operator's. One thread may use it.

        ``vim.fault.InvalidLogin`` for a wrong user or password.
        """
        return self._session.login(
            self._session.stub(version), self.credentials if credentials is None else credentials
        )

    def end_sessions(self) -> int:
        """End all sessions but the person's, as an administrator can; returns how many there were."""
        with self._session.lock:
            manager = self._session.content.sessionManager
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

    def protect(self, moid: str, *, on: bool = True) -> None:
        """Disable the deletion of a machine, as backup products do while they read it."""
        self._settings({"protected": {moid: on}})

    def scatter(self, moid: str, *, so: bool = True) -> None:
        """Have the disks of a machine need consolidation, as after a snapshot whose files could not be merged."""
        self._settings({"scattered": {moid: so}})

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
