"""Connecting a Provider to its cloud: again when its spec or its Secret changes, and checked again now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from hybridge.api.provider import Provider
from hybridge.api.shared import SYNC_NOW
from hybridge.core.errors import CloudError, Refused
from hybridge.core.reasons import Reason
from hybridge.core.units import parse_duration
from hybridge.drivers.base import Connection, Driver, Right, Settings
from hybridge.engine import provider_settings
from hybridge.engine.clouds import connector
from hybridge.engine.cluster import Secret
from hybridge.engine.link import Change, Link
from hybridge.engine.meter import ProviderMeter
from hybridge.engine.world import World

log = logging.getLogger(__name__)

#: Seconds until a connection is checked again: which rights it has, and whether it still leads to the same cloud.
CHECK_AGE = 3600.0
#: The same while rights are missing or not proven, so that a grant takes effect by itself.
LACKING_AGE = 300.0
#: The same after a call or task was refused for want of a right, and after a check that failed.
DENIED_AGE = 60.0


@dataclass(slots=True)
class _Checked:
    """What a connection was made with, and how its last check went; ``at`` in monotonic seconds."""

    settings: str
    sync_now: str | None
    at: float
    denials: int = 0
    failed: bool = False


def patience(connection: Connection, *, denied: bool = False, failed: bool = False) -> float:
    """Seconds for which a check is good. ``denied``: something was refused since; ``failed``: the last check ended so."""
    if denied or failed:
        return DENIED_AGE
    return LACKING_AGE if connection.missing or connection.optional or not connection.proven else CHECK_AGE


class Connections:
    """The links of all Providers. ``on_change`` and ``on_error`` are called after sweeps."""

    def __init__(
        self,
        world: World,
        meter: ProviderMeter,
        *,
        on_change: Callable[[Link, Change], None],
        on_error: Callable[[Link, CloudError], None],
    ) -> None:
        self._world = world
        self._meter = meter
        self._on_change = on_change
        self._on_error = on_error
        self._checked: dict[str, _Checked] = {}

    async def ensure(self, provider: Provider) -> Link:
        """The link for this spec and Secret, checked lately. Raises CloudError, and leaves no link then: a Secret that
        was taken away ends the work with what it held.
        """
        try:
            return await self._ensure(provider)
        except CloudError:
            await self.close(provider.metadata.name)
            raise

    async def close(self, name: str) -> None:
        """Disconnects from this Provider's cloud. A failure that is told already stays, until it is known to be over."""
        link = self._world.link(name)
        self._checked.pop(name, None)
        if link is not None:
            del self._world.providers[name]
            await link.close()

    async def forget(self, name: str) -> None:
        """The Provider is gone."""
        await self.close(name)
        self._world.providers.pop(name, None)

    async def _ensure(self, provider: Provider) -> Link:
        name = provider.metadata.name
        secret = await self._secret(provider)
        wanted = provider_settings.fingerprint(provider, secret)
        link, checked = self._world.link(name), self._checked.get(name)
        if link is not None and checked is not None and checked.settings == wanted:
            if self._is_due(link, checked, provider):
                await self._check_again(link, checked, provider)
            return link
        await self.close(name)
        return await self._open(name, provider, secret, wanted)

    async def _open(self, name: str, provider: Provider, secret: Secret | None, wanted: str) -> Link:
        bulkhead = provider_settings.bulkhead(provider, self._world)
        settings = provider_settings.settings(provider, secret, bulkhead, self._meter)
        try:
            driver, connection = await bulkhead.sweep(_connect, provider.spec.type, settings)
            if provider.status.identity and provider.status.identity != connection.identity:
                await asyncio.to_thread(driver.close)
                raise _elsewhere(connection.identity, provider.status.identity)
        except CloudError:
            bulkhead.close()
            raise
        link = Link(
            name,
            driver,
            connection,
            bulkhead,
            clock=self._world.clock,
            monotonic=self._world.monotonic,
            interval=parse_duration(provider.spec.sweep_interval),
            kinds=lambda: self._world.store.kinds_of(name),
            on_change=self._on_change,
            on_error=self._on_error,
        )
        self._world.providers[name] = link
        annotation = provider.metadata.annotations.get(SYNC_NOW)
        self._checked[name] = _Checked(wanted, annotation, self._world.monotonic())
        self._meter.tls_verification_disabled(name, disabled=provider.spec.tls.insecure_skip_verify)
        link.start()
        log.info("connected to %s (%s)", connection.identity, connection.version, extra={"provider": name})
        return link

    def _is_due(self, link: Link, checked: _Checked, provider: Provider) -> bool:
        if provider.metadata.annotations.get(SYNC_NOW) != checked.sync_now:
            return True
        age = self._world.monotonic() - checked.at
        return age >= patience(link.connection, denied=link.denials != checked.denials, failed=checked.failed)

    async def _check_again(self, link: Link, checked: _Checked, provider: Provider) -> None:
        """Looks again who the cloud is and which rights there are. A cloud that does not answer is told by the sweeps."""
        checked.sync_now = provider.metadata.annotations.get(SYNC_NOW)
        try:
            found = await link.bulkhead.call(link.driver.check)
        except CloudError as error:
            log.info("the check failed: %s", error.message, extra={"provider": link.name})
            checked.failed = True
            if error.reason is Reason.NOT_PERMITTED:
                link.connection = replace(link.connection, missing=(Right(error.message, "", "reading"),))
        else:
            checked.failed = False
            if found.identity != link.connection.identity:
                raise _elsewhere(found.identity, link.connection.identity)
            link.connection = found
        checked.at, checked.denials = self._world.monotonic(), link.denials

    async def _secret(self, provider: Provider) -> Secret | None:
        reference = provider.spec.credentials.secret_ref
        if reference is None:
            return None
        secret = await self._world.cluster.secret(reference.namespace, reference.name)
        if secret is None:
            raise Refused(
                Reason.SECRET_NOT_FOUND,
                f"Secret {reference.namespace}/{reference.name} does not exist, or the operator may not get it",
            )
        return secret


def _connect(cloud: str, settings: Settings) -> tuple[Driver, Connection]:
    driver = connector(cloud)(settings)
    try:
        return driver, driver.check()
    except CloudError:
        driver.close()
        raise


def _elsewhere(found: str, known: str) -> Refused:
    words = f"the endpoint and credentials lead to {found}, not to {known}"
    return Refused(Reason.PROVIDER_IDENTITY_MISMATCH, words)
