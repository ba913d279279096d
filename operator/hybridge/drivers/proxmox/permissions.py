"""Which privileges the account lacks for what this driver does: one ``GET /access/permissions``.

The answer holds each path that somebody was granted something on, with all that the account has there (privileges of
pools and of paths above included) and whether it goes on to the paths below. What stands in ``docs/permissions`` is
looked for here. A place where everything was taken away again (role NoAccess) is not in the answer, and is judged by
the path above it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hybridge.drivers.base import Right, Settings
from hybridge.drivers.proxmox.client import Client
from hybridge.drivers.proxmox.picture import Picture, Storage

#: Privilege by path, with whether it also holds below.
Answer = Mapping[str, Mapping[str, int]]

#: What is needed where machines are made.
_GUESTS: Mapping[str, str] = {
    "VM.Audit": "seeing machines and templates",
    "VM.Allocate": "making and deleting machines",
    "VM.Config.CPU": "setting sizes",
    "VM.Config.Memory": "setting sizes",
    "VM.Config.Disk": "growing disks",
    "VM.Config.Network": "connecting machines",
    "VM.Config.Options": "notes and tags",
    "VM.Config.HWType": "marking machines",
    "VM.PowerMgmt": "starting and stopping machines",
}
#: What only cloud-init needs: drives for it where the template has none, and CDs with user data.
_CLOUD_INIT = ("VM.Config.CDROM", "VM.Config.Cloudinit")
_MIGRATE = "VM.Migrate"
#: What it takes to see in which pools machines are, and to move them between pools.
_ANY_POOL = "/pool"
_POOLS = ("Pool.Audit", "Pool.Allocate")
_MEDIA = ("Datastore.AllocateTemplate", "Datastore.Allocate")
#: What it takes to make volumes, to give them to guests, and to remove them. PVE wants the second for the removal of any
#: image that is no guest's; where it is held, none on the owner is asked for.
_VOLUMES = ("Datastore.AllocateSpace", "Datastore.Allocate")
_BRIDGES = "/sdn/zones/localnetwork"
#: What it takes on a node to download a file, where Sys.Modify at the top does not do.
_DOWNLOAD = "Sys.AccessNetwork"
#: What it takes to take snapshots of guests, to delete them and to go back to one.
_SNAPSHOTS = "VM.Snapshot"
#: What it takes to make security groups.
_GROUPS = "Sys.Modify"
#: What it takes to make vnets and to put them into effect, and to see who is in one.
_SDN, _NETWORKS = "/sdn", ("SDN.Audit", "SDN.Allocate")
#: The privilege to ask guest agents was another one before this version.
_AGENT = ((9,), "VM.GuestAgent.Audit", "VM.Monitor")
#: Most objects that one right is told of.
_MOST = 3


@dataclass(frozen=True, slots=True)
class Lacking:
    """What is missing for the life of machines, and for features of it."""

    missing: tuple[Right, ...]
    optional: tuple[Right, ...]


def check(client: Client, picture: Picture, settings: Settings, version: tuple[int, ...]) -> Lacking:
    """One request; ``picture`` tells which templates and storages there are. Raises CloudError."""
    answer = client.get("Permissions", dict[str, dict[str, int]], "access", "permissions")
    return lacking(answer, picture, settings.defaults, version)


def lacking(answer: Answer, picture: Picture, defaults: Mapping[str, str], version: tuple[int, ...]) -> Lacking:
    """What the account lacks. Pure."""
    held = Held(answer)
    since, agent, earlier = _AGENT
    guests = {**_GUESTS, agent if version >= since else earlier: "addresses of machines"}
    home = held.best(["/vms", *held.below("/pool")], (*guests, *_CLOUD_INIT), inside=True)
    missing = [Right(name, home, why) for name, why in guests.items() if not held.has(name, _inside(home))]
    missing += _templates(held, picture, home)
    missing += _disks(held, picture, defaults.get("storage"))
    if not any(held.has("SDN.Use", path) for path in (_inside(_BRIDGES), *held.below("/sdn"))):
        missing.append(Right("SDN.Use", _BRIDGES, "connecting machines"))
    optional = [Right(name, home, "cloud-init") for name in _CLOUD_INIT if not held.has(name, _inside(home))]
    if len(picture.nodes) > 1 and not held.has(_MIGRATE, _inside(home)):
        optional.append(Right(_MIGRATE, home, "moving machines to other nodes"))
    optional += _media(held, picture)
    optional += _volumes(held, picture, defaults.get("storage"))
    if not (held.has(_DOWNLOAD, _inside("/nodes")) or held.has("Sys.Modify", "/")):
        optional.append(Right(_DOWNLOAD, "/nodes", "images from URLs"))
    if not held.has(_SNAPSHOTS, _inside(home)):
        optional.append(Right(_SNAPSHOTS, home, "snapshots"))
    if not held.has(_GROUPS, "/"):
        optional.append(Right(_GROUPS, "/", "firewalls"))
    optional += [Right(name, _SDN, "networks") for name in _NETWORKS if not held.has(name, _SDN)]
    optional += _pools(held)
    optional += _views(held)
    return Lacking(tuple(missing), tuple(optional))


class Held:
    """The privileges that the account has."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def has(self, privilege: str, path: str) -> bool:
        """Whether the privilege holds on this path: by what is said of it, else of the nearest path above."""
        at = path
        while at not in self._answer:
            if at == "/":
                return False
            at = at.rpartition("/")[0] or "/"
        found = self._answer[at].get(privilege)
        return found is not None and (at == path or bool(found))

    def below(self, path: str) -> list[str]:
        """The paths below this one that something is said of."""
        return sorted(known for known in self._answer if known.startswith(f"{path}/"))

    def best(self, paths: Iterable[str], privileges: Collection[str], *, inside: bool) -> str:
        """The path on which most of these privileges hold, or for what is in it; the first of equals."""
        return max(
            paths, key=lambda path: sum(self.has(name, _inside(path) if inside else path) for name in privileges)
        )


def _inside(path: str) -> str:
    """A path for something that is, or will be, in this place. A pool holds nothing by path: it is asked for itself."""
    return path if path.startswith("/pool/") else f"{path}/0"


def _templates(held: Held, picture: Picture, home: str) -> Iterator[Right]:
    """VM.Clone has to hold on one template at least."""
    paths = [f"/vms/{vmid}" for vmid, row in picture.guests.items() if row.template] or [_inside("/vms")]
    if not any(held.has("VM.Clone", path) for path in paths):
        seen = [path for path in paths if path != _inside("/vms")]
        yield Right("VM.Clone", _some(seen) or home, "making machines")


def _disks(held: Held, picture: Picture, default: str | None) -> Iterator[Right]:
    """Datastore.AllocateSpace has to hold on the default storage, or on one for disk images (one not in sight may be)."""
    names = [default] if default else _holding("images", picture.storages.values())
    paths = [f"/storage/{name}" for name in names]
    able = paths if default else [*paths, *_unseen(held)]
    if not any(held.has("Datastore.AllocateSpace", path) for path in able):
        yield Right("Datastore.AllocateSpace", _some(paths) or "/storage", "disks of machines")


def _media(held: Held, picture: Picture) -> Iterator[Right]:
    """User data needs a storage for ISO images where they can be uploaded and removed."""
    paths = [f"/storage/{name}" for name in _holding("iso", picture.storages.values())]
    best = held.best([*paths, *_unseen(held)] or ["/storage"], _MEDIA, inside=False)
    return (Right(name, best, "user data") for name in _MEDIA if not held.has(name, best))


def _volumes(held: Held, picture: Picture, default: str | None) -> Iterator[Right]:
    """Volumes need theirs together on one storage for disk images, the default one where there is one."""
    names = [default] if default else _holding("images", picture.storages.values())
    paths = [f"/storage/{name}" for name in names]
    best = held.best(paths if default else [*paths, *_unseen(held)] or ["/storage"], _VOLUMES, inside=False)
    return (Right(name, best, "volumes") for name in _VOLUMES[1:] if not held.has(name, best))


def _pools(held: Held) -> Iterator[Right]:
    """Pools need what they need on one of them at least."""
    paths = [f"{_ANY_POOL}/0", *held.below(_ANY_POOL)]
    for name in _POOLS:
        if not any(held.has(name, path) for path in paths):
            yield Right(name, _ANY_POOL, "pools of machines")


def _unseen(held: Held) -> list[str]:
    """Storages on which something is granted, but not to see them."""
    return [path for path in held.below("/storage") if not held.has("Datastore.Audit", path)]


def _views(held: Held) -> Iterator[Right]:
    """What is used without being seen: where it can be used, and how much room it has."""
    for path in _unseen(held):
        if any(held.has(name, path) for name in ("Datastore.AllocateSpace", *_MEDIA)):
            yield Right("Datastore.Audit", path, "choosing this storage, and its figures")
    if not held.has("Sys.Audit", _inside("/nodes")):
        yield Right("Sys.Audit", "/nodes", "choosing nodes by their load, and their figures")


def _holding(content: str, storages: Iterable[Storage]) -> list[str]:
    """Names of the storages for this content, shared ones first."""
    found = [storage for storage in storages if content in storage.content]
    return [storage.name for storage in sorted(found, key=lambda storage: (not storage.shared, storage.name))]


def _some(paths: Collection[str]) -> str:
    """One of several paths will do."""
    named = sorted(paths)[:_MOST]
    return " or ".join(named) + (" or another" if len(paths) > _MOST else "")
