"""What a request asks for, of a cloud or of the API server: the name of its operation, and whether it may change anything.

Names are what rules match and counts are kept by, so they hold no identifiers:

- AWS: ``ec2:RunInstances``; a dry run is ``ec2:RunInstances:DryRun``;
- Proxmox VE: ``POST /nodes/{node}/qemu/{vmid}/clone`` (without ``/api2/json``); what is sent to where things are made, and
  changes one by its old name, ends in ``:rename``;
- vSphere: the SOAP method, ``CloneVM_Task``; its REST doors as ``GET /api/vcenter/vm/{id}``, with ``?action`` if any;
- Kubernetes: ``PATCH /apis/hybridge.io/v1alpha1/namespaces/{namespace}/virtualmachines/{name}/status``; a watch is no GET
  but ``WATCH /api/v1/secrets``, what it tells is ``EVENT MODIFIED /api/v1/secrets``, and a dry run ends in ``:DryRun``.

Anything else is named by method and path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

Cloud: TypeAlias = Literal["aws", "proxmox", "vsphere"]
#: What a fault proxy can stand before.
Api: TypeAlias = Literal["aws", "proxmox", "vsphere", "kubernetes"]


#: How names of events begin.
EVENT = "EVENT "


class Operation(NamedTuple):
    """A name without identifiers, and whether the request may change something."""

    name: str
    mutating: bool

    @property
    def streams(self) -> bool:
        """Whether the answer has no end, so that each part of it has to pass as it comes."""
        return self.name.startswith("WATCH ")

    @property
    def told(self) -> bool:
        """Whether it is an event of a watch, not a request."""
        return self.name.startswith(EVENT)

    def event(self, kind: str) -> Operation:
        """What a watch tells: an event of this kind."""
        return Operation(f"{EVENT}{kind} {self.name.removeprefix('WATCH ')}", mutating=False)


_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_AWS_ACTION = re.compile(r"(?:^|[&?])Action=(\w+)")
_AWS_DRY_RUN = re.compile(r"&DryRun=true\b", re.IGNORECASE)
_AWS_SERVICE = re.compile(r"Credential=[^/,]+/\d+/[^/]+/([^/]+)/")
_AWS_READS = ("Describe", "Get", "List", "Search", "Lookup", "Assume", "Decode")

_UPID = re.compile(r"^UPID(?::|%3A)", re.IGNORECASE)

#: The segment after one of these words is an identifier of that name.
_PVE_COLLECTIONS = {
    "nodes": "{node}",
    "qemu": "{vmid}",
    "lxc": "{vmid}",
    "storage": "{storage}",
    "tasks": "{upid}",
    "snapshot": "{snapname}",
    "pools": "{poolid}",
    "backup": "{id}",
    "replication": "{id}",
    "resources": "{sid}",
    "zones": "{zone}",
    "vnets": "{vnet}",
    "subnets": "{subnet}",
    "network": "{iface}",
    "services": "{service}",
    "users": "{userid}",
    "token": "{tokenid}",
    "groups": "{groupid}",
    "roles": "{roleid}",
    "domains": "{realm}",
    "rules": "{pos}",
    "aliases": "{name}",
    "ipset": "{name}",
}
_PVE_RENAME = re.compile(rb"(?:^|&)rename=")
#: POSTs that change nothing: a login, and a question to a guest agent.
_PVE_READS = frozenset({"POST /access/ticket", "POST /nodes/{node}/qemu/{vmid}/agent/ping"})

_SOAP_METHOD = re.compile(rb"<(?:[\w.-]+:)?Body(?:\s[^>]*)?>\s*<(?:[\w.-]+:)?([\w.-]+)")
#: SOAP methods that change nothing but the caller's own session: reads, filters, views, collectors, tickets, checks.
_SOAP_READS = re.compile(
    r"""
      (?:Pbm|Vslm)? (?: Retrieve | ContinueRetrieve | CancelRetrieve | Query | Find | Fetch | Check | Validate | Estimate
                 | Search | List | Get | Lookup | Recommend | Has | CurrentTime ) \w*
    | (?: WaitForUpdates | CheckForUpdates | CancelWaitForUpdates | Login | Logout | Acquire ) \w*
    | SessionIsActive | CloneSession | ImpersonateUser | RequestSecurityToken
    | (?: Create | Modify | Reset | Destroy ) \w* View (?: FromView )?
    | CreateFilter | DestroyPropertyFilter | (?: Create | Destroy ) PropertyCollector
    | CreateCollectorFor \w+ | DestroyCollector | ResetCollector | RewindCollector | SetCollectorPageSize
    | Read (?: Next | Previous ) \w+ | HttpNfcLeaseGetManifest
    """,
    re.VERBOSE,
)

_ACTION_PARAMETER = re.compile(r"(?:^|&)(?:~|%7E)?action=([\w-]+)", re.IGNORECASE)
_READING_ACTION = re.compile(r"^(?:list|get|find|check|validate)\b")
_VSPHERE_ID = re.compile(
    r"^(?:\d+|[a-z-]+-[a-z]?\d+(?::.*)?|(?:urn|id)(?::|%3A).*|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$",
    re.IGNORECASE,
)
_VSPHERE_SESSION = re.compile(r"/(?:api|rest/com/vmware/cis)/session$")

_KUBERNETES_WATCH = re.compile(r"(?:^|&)watch=(?:1|true)(?:&|$)", re.IGNORECASE)
_KUBERNETES_DRY_RUN = re.compile(r"(?:^|&)dryRun=All(?:&|$)")
#: Groups whose objects are questions: a POST is answered and nothing is kept.
_KUBERNETES_QUESTIONS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


def identify(api: Api, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Operation:
    """The operation of one request; ``target`` is path and query as sent, ``headers`` ignore case."""
    path, _, query = target.partition("?")
    if api == "aws":
        return _aws(method, path, query, headers, body)
    if api == "proxmox":
        named = _proxmox(method, path)
        return named._replace(name=f"{named.name}:rename") if _PVE_RENAME.search(body) else named
    if api == "kubernetes":
        watches = method == "GET" and _KUBERNETES_WATCH.search(query) is not None
        return _kubernetes(method, path, watches, _KUBERNETES_DRY_RUN.search(query) is not None)
    found = _SOAP_METHOD.search(body) if method == "POST" else None
    if found:
        return _soap(found[1].decode("ascii", "replace"))
    action = _ACTION_PARAMETER.search(query)
    return _vsphere_rest(method, path, action[1] if action else "")


def _aws(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Operation:
    json_target = headers.get("X-Amz-Target")
    if json_target:
        return _aws_action(_aws_service(headers), json_target.rpartition(".")[2], dry_run=False)
    if method == "POST" and "form-urlencoded" in headers.get("Content-Type", ""):
        query = body.decode("ascii", "replace")
    action = _AWS_ACTION.search(query)
    if action:
        return _aws_action(_aws_service(headers), action[1], dry_run=_AWS_DRY_RUN.search(query) is not None)
    return Operation(f"{method} {path}", method not in _SAFE_METHODS)


def _aws_service(headers: Mapping[str, str]) -> str:
    """The service that the signature is scoped to; ``ec2`` when a request carries none."""
    scope = _AWS_SERVICE.search(headers.get("Authorization", ""))
    return scope[1] if scope else "ec2"


@lru_cache(maxsize=4096)
def _aws_action(service: str, action: str, *, dry_run: bool) -> Operation:
    if dry_run:
        return Operation(f"{service}:{action}:DryRun", mutating=False)
    return Operation(f"{service}:{action}", not action.startswith(_AWS_READS))


@lru_cache(maxsize=4096)
def _proxmox(method: str, path: str) -> Operation:
    segments = [part for part in path.split("/") if part]
    if segments[:1] == ["api2"]:
        segments = segments[2:]
    named: list[str] = []
    before = ""
    for segment in segments:
        if before == "content":
            # A volume's name may hold slashes: it is the rest of the path.
            named.append("{volume}")
            break
        if _UPID.match(segment):
            word = "{upid}"
        elif before in _PVE_COLLECTIONS:
            word = _PVE_COLLECTIONS[before]
        elif segment.isdigit():
            word = "{number}"
        else:
            word = segment
        named.append(word)
        before = word
    name = f"{method} /{'/'.join(named)}"
    return Operation(name, method not in _SAFE_METHODS and name not in _PVE_READS)


@lru_cache(maxsize=4096)
def _soap(method: str) -> Operation:
    return Operation(method, _SOAP_READS.fullmatch(method) is None)


@lru_cache(maxsize=4096)
def _vsphere_rest(method: str, path: str, action: str) -> Operation:
    kind = path.split("/", 2)[1] if path.startswith("/") else ""
    if kind in {"folder", "nfc"}:
        named = f"/{kind}/{{file}}"
    else:
        named = "/".join("{id}" if _VSPHERE_ID.match(part) else part for part in path.split("/"))
    reads = method in _SAFE_METHODS or _READING_ACTION.match(action) or _VSPHERE_SESSION.search(path)
    return Operation(f"{method} {named}" + (f"?{action}" if action else ""), not reads)


@lru_cache(maxsize=4096)
def _kubernetes(method: str, path: str, watches: bool, dry_run: bool) -> Operation:
    """Paths are those of the API concepts: /api/v1 or /apis/GROUP/VERSION, then [namespaces/NAME/]PLURAL[/NAME[/PART]]."""
    parts = path.strip("/").split("/")
    base = {"api": 2, "apis": 3}.get(parts[0], len(parts))
    named, rest = parts[:base], parts[base:]
    if len(rest) > 2 and rest[0] == "namespaces":
        named += ["namespaces", "{namespace}"]
        rest = rest[2:]
    if len(rest) > 1:
        rest[1] = "{name}"
    verb = "WATCH" if watches else method
    reads = method in _SAFE_METHODS or dry_run or (len(named) > 1 and named[1] in _KUBERNETES_QUESTIONS)
    name = f"{verb} /{'/'.join([*named, *rest])}" + (":DryRun" if dry_run else "")
    return Operation(name, not reads)
