"""Kubernetes' own programs: one found on this machine when it fits, else the pinned one, built.

``KUBEBUILDER_ASSETS`` (envtest's folder of binaries) wins over PATH: who sets it wants what is in it.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from lab.cache import go_program, run
from lab.process import LabError, clean_environment

#: The version in ``go/kubernetes/go.mod``; the servers do not know it unless the linker tells them.
KUBERNETES = "1.36.3"

_GO = Path(__file__).parent / "go"
_MAJOR, _MINOR, _ = (int(number) for number in KUBERNETES.split("."))
_VERSION_PACKAGE = "k8s.io/component-base/version"
_VERSION_FLAGS = " ".join(
    f"-X {_VERSION_PACKAGE}.{name}={value}"
    for name, value in (
        ("gitVersion", f"v{KUBERNETES}"),
        ("gitMajor", _MAJOR),
        ("gitMinor", _MINOR),
        ("gitTreeState", "clean"),
    )
)
#: From here on etcd reports watch progress, and the API server answers consistent lists from its watch cache.
_ETCD_FLOOR = (3, 5, 13)

_Version = tuple[int, ...]


def _same_minor(version: _Version) -> bool:
    return version[:2] == (_MAJOR, _MINOR)


def _within_one_minor(version: _Version) -> bool:
    return version[0] == _MAJOR and abs(version[1] - _MINOR) <= 1


def _new_enough_etcd(version: _Version) -> bool:
    return version >= _ETCD_FLOOR


@functools.cache
def kube_apiserver() -> Path:
    """The API server. LabError when it cannot be built."""
    return _found("kube-apiserver", "--version", _same_minor) or _kubernetes("kube-apiserver", "about 5 min, only once")


@functools.cache
def kube_controller_manager() -> Path:
    """The controllers of Kubernetes itself. LabError when it cannot be built."""
    found = _found("kube-controller-manager", "--version", _same_minor)
    return found or _kubernetes("kube-controller-manager", "1 to 4 min, only once")


@functools.cache
def kubectl() -> Path:
    """A kubectl that may speak to the API server by Kubernetes' version-skew policy. LabError when not to be built."""
    found = _found("kubectl", "version --client", _within_one_minor)
    return found or _kubernetes("kubectl", "1 to 3 min, only once")


@functools.cache
def etcd() -> Path:
    """The API server's store. LabError when it cannot be built."""
    found = _found("etcd", "--version", _new_enough_etcd)
    return found or go_program("etcd", _GO / "etcd", "go.etcd.io/etcd/server/v3", expect="about 1 min, only once")


def _kubernetes(name: str, expect: str) -> Path:
    package = f"k8s.io/kubernetes/cmd/{name}"
    return go_program(name, _GO / "kubernetes", package, ldflags=_VERSION_FLAGS, expect=expect)


def _found(name: str, ask: str, fits: Callable[[_Version], bool]) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (given := Path(assets) / name).is_file():
        return given
    on_path = shutil.which(name)
    if on_path is None:
        return None
    try:
        answer = run([on_path, *ask.split()], cwd=Path("/"), environment=clean_environment())
    except (OSError, LabError):
        return None
    version = re.search(r"(\d+)\.(\d+)\.(\d+)", answer)
    return Path(on_path) if version and fits(tuple(map(int, version.groups()))) else None
