"""The Secret behind ``spec.cloudInit.userData``: its content where a call needs it, else only which version it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from hybridge.core.attempt import SecretVersion
from hybridge.core.cloudinit import HOSTNAME, SSH_KEYS, USER_DATA, described
from hybridge.core.errors import Refused
from hybridge.core.machine import Machine, MachineSpec
from hybridge.core.reasons import Reason
from hybridge.core.units import parse_duration
from hybridge.drivers.base import Started
from hybridge.engine.machines.case import Case
from hybridge.engine.machines.memo import Memo
from hybridge.engine.world import World

#: Fields of which any brings all that cloud-init reads to the spec.
RENDERED = frozenset({"initialize", HOSTNAME, USER_DATA})


async def read(world: World, case: Case) -> tuple[MachineSpec, tuple[SecretVersion, ...]]:
    """The spec with the content of its Secret, and which version of the Secret that is. Raises Refused."""
    user_data = case.object.spec.cloud_init.user_data
    if user_data is None:
        return case.spec, ()
    reference, namespace = user_data.secret_ref, case.object.metadata.namespace
    secret = await world.cluster.secret(namespace, reference.name)
    if secret is None:
        raise Refused(Reason.SECRET_NOT_FOUND, f"Secret {namespace}/{reference.name} does not exist")
    if reference.key not in secret.data:
        keys = ", ".join(sorted(secret.data)[:8])
        raise Refused(
            Reason.SECRET_NOT_FOUND,
            f"Secret {namespace}/{reference.name} has no key {reference.key!r}; it has: {keys}",
        )
    version = SecretVersion(secret.name, secret.uid, secret.resource_version)
    text = secret.data[reference.key]
    _note(case.memo, version, reference.key, text, world.clock())
    cloud_init = replace(case.spec.cloud_init, user_data=text, source=case.memo.source)
    return replace(case.spec, cloud_init=cloud_init), (version,)


async def compare(world: World, case: Case) -> float | None:
    """Has the spec of a machine that exists tell which version of the Secret there is now; seconds until it is to be
    looked at again, None where there is nothing to look at.
    """
    if case.object.spec.cloud_init.user_data is None or case.deleting or case.spec.observed or case.memo.id is None:
        return None
    return await look(world, case)


async def look(world: World, case: Case) -> float | None:
    """Like ``compare``, also of a machine that is yet to be taken over. It is read once for each ``syncInterval``.

    A Secret that is gone says nothing of a machine that has read it.
    """
    user_data, memo = case.object.spec.cloud_init.user_data, case.memo
    if user_data is None:
        return None
    now, most = world.clock(), parse_duration(case.object.spec.sync_interval)
    age = most if memo.source_at is None else now - memo.source_at
    if age >= most:
        age = 0.0
        reference = user_data.secret_ref
        secret = await world.cluster.secret(case.object.metadata.namespace, reference.name)
        if secret is not None and reference.key in secret.data:
            version = SecretVersion(secret.name, secret.uid, secret.resource_version)
            _note(memo, version, reference.key, secret.data[reference.key], now)
        else:
            memo.source, memo.source_at = None, now
    case.spec = replace(case.spec, cloud_init=replace(case.spec.cloud_init, source=memo.source, certain=memo.certain))
    return most - age


def rendered(case: Case, spec: MachineSpec, fields: Collection[str], started: Started[Machine]) -> None:
    """Remembers what cloud-init was given by a change, from when that has taken effect."""
    memo, text = case.memo, spec.cloud_init.user_data
    if not RENDERED.intersection(fields) or started.again:
        return
    given = dict(described(spec.cloud_init))
    if "initialize" not in fields:
        given.pop(SSH_KEYS, None)  # A guest takes keys over with its first start alone.
        given |= {path: words for path, words in (memo.given or {}).items() if path == SSH_KEYS}
    memo.given_hash = None if text is None else hash(text)
    if started.task is None:
        memo.given = given
    else:
        memo.after_given = given


def _note(memo: Memo, version: SecretVersion, key: str, text: str, now: float) -> None:
    """What was read. Another version of the same text, because a label was changed, is what a machine was given.

    After a restart of ours only the version is known of what was given before.
    """
    memo.source, memo.source_at = _words(version, key), now
    given = memo.given.get(USER_DATA) if memo.given else None
    if given == memo.source:
        memo.given_hash = hash(text)
    elif given is not None and memo.given_hash == hash(text):
        memo.given = {**(memo.given or {}), USER_DATA: memo.source}
    memo.certain = given is None or memo.given_hash is not None


def _words(version: SecretVersion, key: str) -> str:
    return f"version {version.resource_version} of Secret {version.name}, key {key}"
