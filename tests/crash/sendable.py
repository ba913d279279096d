"""Every request by which a driver can change something, read from its code: a new one has to be reached by a life."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Final

import pyVmomi.VmomiSupport

from hybridge.drivers.aws.subset import OPERATIONS
from lab.faultproxy import Cloud
from lab.faultproxy_operations import identify

# pyvmomi makes its classes at run time, so that its names have no static types.
_vmomi: Final[Any] = pyVmomi.VmomiSupport
_ON_HOSTS = ("AddPortGroup", "RemovePortGroup", "UpdatePortGroup")
#: What no life comes upon, and why.
UNREACHED: Mapping[Cloud, Mapping[str, str]] = {
    "aws": {"ReplaceRoute": "only a route that leads nowhere any more is led to the network's gateway again"},
    "proxmox": {"Resume": "only a guest that somebody suspended is resumed"},
    "vsphere": {
        "CancelLibraryUpdate": "only an Image that is deleted while its file is fetched has an update to end",
        "DeleteLibraryUpdate": "only an update that came to nothing is deleted, and the lab's files are as they should be",
        **dict.fromkeys(_ON_HOSTS, "a Network's on a standard switch, which the lab's operator may not make"),
    },
}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
#: Methods of the clients of Proxmox VE and of vSphere's Automation API that change something; the first argument is what the
#: request is called.
_CHANGING = frozenset({"post", "put", "delete", "upload", "make"})


def sendable(cloud: Cloud) -> set[str]:
    """Names of these requests, as the operator's metrics have them."""
    match cloud:
        case "aws":
            return {
                name for name in OPERATIONS if identify("aws", "POST", "/", _FORM, f"Action={name}".encode()).mutating
            }
        case "proxmox":
            return {name for tree in _modules(cloud) for name in _requested(tree, "_client")}
        case "vsphere":
            trees = list(_modules(cloud))
            return {name for tree in trees for name in (*_vsphere(tree), *_requested(tree, "_api"))}


def _modules(cloud: Cloud) -> Iterator[ast.Module]:
    for file in resources.files(f"hybridge.drivers.{cloud}").iterdir():
        if file.name.endswith(".py"):
            yield ast.parse(file.read_text())


def _requested(tree: ast.Module, client: str) -> Iterator[str]:
    """Of a client with methods for HTTP's, by the attribute that it is."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and _is_request(call.func, client):
                yield from _texts(call.args[0], function)


def _is_request(called: ast.expr, client: str) -> bool:
    if not (isinstance(called, ast.Attribute) and called.attr in _CHANGING):
        return False
    return isinstance(called.value, ast.Attribute) and called.value.attr == client


def _texts(word: ast.expr, function: ast.FunctionDef) -> Iterator[str]:
    """What an argument can be: a text, or one of those that its variable is given in the function."""
    if isinstance(word, ast.Name):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and word.id in {
                one.id for one in node.targets if isinstance(one, ast.Name)
            }:
                yield from _texts(node.value, function)
    elif isinstance(word, ast.IfExp):
        yield from _texts(word.body, function)
        yield from _texts(word.orelse, function)
    else:
        assert isinstance(word, ast.Constant), f"the name of a request that cannot be read: {ast.unparse(word)}"
        yield str(word.value)


def _vsphere(tree: ast.Module) -> Iterator[str]:
    """Also what is called elsewhere than where it is named."""
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for name in filter(_is_method, named):
        if identify("vsphere", "POST", "/sdk", {}, f"<Body><{name}/>".encode()).mutating:
            yield name


def _is_method(name: str) -> bool:
    """Whether the vSphere API has a method of this name."""
    try:
        _vmomi.GetWsdlMethod("urn:vim25", name)
    except KeyError:
        return False
    return True
