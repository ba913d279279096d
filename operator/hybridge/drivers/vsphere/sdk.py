"""pyvmomi behind one door.

Its classes are made at run time, so its names have no static types: what leaves this folder has.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from pyVmomi import SoapAdapter, VmomiSupport
from pyVmomi import pbm as _pbm
from pyVmomi import vim as _vim
from pyVmomi import vmodl as _vmodl
from pyVmomi import vslm as _vslm

#: Types of the vSphere API and of its object model.
vim: Final[Any] = _vim
vmodl: Final[Any] = _vmodl
#: Types of the API of storage policies, which a vCenter serves beside its own.
pbm: Final[Any] = _pbm
#: Types of the API of the catalog of first-class disks, which a vCenter serves beside its own as well.
vslm: Final[Any] = _vslm
soap: Final[Any] = SoapAdapter

#: The versions of the API that are spoken, oldest first. A vCenter answers in the words of the version it is asked in.
VERSIONS: Final = {
    (7, 0): "vim.version.v7_0",
    (7, 0, 2): "vim.version.v7_0_2_0",
    (8, 0, 0): "vim.version.v8_0_0_0",
    (8, 0, 1): "vim.version.v8_0_1_0",
    (8, 0, 2): "vim.version.v8_0_2_0",
    (8, 0, 3): "vim.version.v8_0_3_0",
}


def version_for(api_version: str) -> str:
    """The newest version that both sides know. ``api_version``: ``about.apiVersion``, such as ``8.0.3.0``."""
    offered = tuple(int(part) for part in api_version.split(".") if part.isdecimal())
    known = [version for number, version in VERSIONS.items() if number <= offered]
    return known[-1] if known else VERSIONS[7, 0]


def may_be_nothing(method: Any) -> bool:
    """Whether the answer to a method, as pyvmomi describes it, may be without a result."""
    return method.result is type(None) or bool(method.resultFlags & VmomiSupport.F_OPTIONAL)


def fault_name(fault: object) -> str:
    """The name of a fault as the API's documentation has it, such as ``DuplicateName``."""
    return type(fault).__name__.rpartition(".")[2]


def ancestry(fault: object) -> list[str]:
    """Names of a fault's type and of those that it extends, nearest first."""
    return [kind.__name__.rpartition(".")[2] for kind in type(fault).__mro__]


#: The id of a managed object, such as ``vm-42``; pyvmomi has no public name for it.
moid: Final[Callable[[Any], str]] = attrgetter("_moId")
