"""The machine and the versions with which figures were measured."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from lab import programs
from lab.cache import run

_PACKAGES: Sequence[str] = ("kopf", "aiohttp", "uvloop", "boto3", "proxmoxer", "pyvmomi", "moto", "fakepve")
_MODULES = {
    Path(__file__).parent / "controller-runtime" / "go.mod": "sigs.k8s.io/controller-runtime",
    Path(programs.__file__).parent / "go" / "vcsim" / "go.mod": "github.com/vmware/govmomi",
}


def describe() -> list[str]:
    """Hardware and versions, a sentence each."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    etcd = run([programs.etcd(), "--version"], cwd=Path("/")).splitlines()[0]
    modules = [f"{name.rpartition('/')[2]} {_pinned(path, name)}" for path, name in _MODULES.items()]
    return [
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, {platform.system()} {platform.release()}",
        f"Kubernetes {programs.KUBERNETES} (API server and kubectl, with RBAC), {etcd}; etcd's data is in memory",
        f"Python {platform.python_version()}; {', '.join(f'{name} {version(name)}' for name in _PACKAGES)}",
        f"Go modules: {', '.join(modules)}",
    ]


def load() -> str:
    """The load averages of now: above the number of cores, the machine had other work and rates are too low."""
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _pinned(path: Path, module: str) -> str:
    found = re.search(rf"{re.escape(module)} (v\S+)", path.read_text())
    return found[1] if found else "of unknown version"
