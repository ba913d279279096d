"""``lab.json``: where a running lab's servers are, for every other process that wants to use them.

The lab's process holds a lock on ``lab.lock`` beside it for as long as it lives, so a file that a killed lab left behind
is told from one that is true.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lab.process import LabError

_STATE = "lab.json"
_LOCK = "lab.lock"
_END_TIMEOUT = 60.0


class CloudState(msgspec.Struct, frozen=True, rename="camel"):
    """One cloud. The operator is given ``endpoint``: its fault proxy when it has one, else the cloud itself.

    ``credentials`` are the operator's account, ``person`` the admin's.
    """

    endpoint: str
    direct: str
    credentials: dict[str, str]
    person: dict[str, str]


class ProxyState(msgspec.Struct, frozen=True, rename="camel"):
    """The fault proxy of a cloud: where requests for the cloud go, and where orders to break them go."""

    endpoint: str
    control: str


class KubernetesState(msgspec.Struct, frozen=True, rename="camel"):
    """The control plane; ``environment`` is what points a client at it as the admin, ``kubectl`` a program that fits."""

    url: str
    kubeconfig: str
    kubectl: str
    environment: dict[str, str]


class LabState(msgspec.Struct, frozen=True, rename="camel"):
    """A whole lab. ``ca`` is the CA of all clouds and proxies as PEM text; ``processes`` are PIDs by server."""

    pid: int
    ca: str
    kubernetes: KubernetesState
    clouds: dict[str, CloudState]
    proxies: dict[str, ProxyState]
    processes: dict[str, int]
    prometheus: str | None = None

    def write(self, folder: Path) -> None:
        """Replace ``lab.json`` in one step; only its owner can read it."""
        fresh = folder / f".{_STATE}.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))
        fresh.rename(folder / _STATE)


def read(folder: Path) -> LabState:
    """The lab that runs in ``folder`` and is ready. LabError when there is none."""
    if not running(folder):
        raise LabError(f"no lab runs in {folder}: start one with `python -m lab up --folder {folder}`")
    try:
        return msgspec.json.decode((folder / _STATE).read_bytes(), type=LabState)
    except FileNotFoundError as error:
        raise LabError(f"the lab in {folder} is not ready yet") from error


def running(folder: Path) -> bool:
    """Whether the process of a lab lives in ``folder``, ready or not."""
    try:
        with (folder / _LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def ready(folder: Path) -> bool:
    """Whether the lab in ``folder`` runs and all its servers have answered."""
    return running(folder) and (folder / _STATE).exists()


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the lab of ``folder``: what another one left there is forgotten. LabError when one still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError(f"a lab runs in {folder} already: end it with `python -m lab down`") from error
        (folder / _STATE).unlink(missing_ok=True)
        try:
            yield
        finally:
            (folder / _STATE).unlink(missing_ok=True)


def end(folder: Path) -> None:
    """Tell the lab in ``folder`` to end, and return when all its servers have. LabError when there is none."""
    state = read(folder)
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _END_TIMEOUT
    while running(folder):
        if time.monotonic() > deadline:
            raise LabError(f"the lab in {folder} (process {state.pid}) does not end")
        time.sleep(0.05)
