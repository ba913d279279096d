"""Connecting: who the cloud is, and why it cannot be reached."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from pathlib import Path

import pytest

from hybridge.core.errors import Refused, Unreachable
from hybridge.core.kinds import CloudKind
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Driver, SweepRequest
from hybridge.engine.bulkhead import Breaker, Bulkhead, TokenBucket
from lab.pki import Authority
from lab.process import free_port
from tests.contract.bed import Bed, Requests
from tests.contract.eye import Eye

WRONG_FINGERPRINT = "0" * 64


def test_a_check_tells_who_the_cloud_is(bed: Bed, driver: Driver) -> None:
    first, second = driver.check(), driver.check()

    assert first.identity == second.identity
    assert first.identity
    assert first.version


def test_the_identity_is_the_clouds_and_not_the_connections(bed: Bed, driver: Driver) -> None:
    with bed.connected(credentials=bed.readonly_credentials, provider="another") as other:
        assert other.check().identity == driver.check().identity


def test_a_check_changes_nothing(bed: Bed, driver: Driver) -> None:
    bed.proxy.reset_counts()

    driver.check()

    assert bed.proxy.mutating() == 0


def test_capacity_makes_sense_where_it_is_told(bed: Bed, driver: Driver) -> None:
    capacity = driver.check().capacity

    assert all(0 <= storage.used <= storage.total for storage in capacity.storage)
    assert capacity.cpus is None or capacity.cpus > 0
    assert capacity.memory is None or capacity.memory > 0


def test_wrong_credentials_are_named_as_such(bed: Bed) -> None:
    with bed.connected(credentials=bed.wrong_credentials) as driver, pytest.raises(Refused) as caught:
        driver.check()

    assert caught.value.reason is Reason.AUTHENTICATION_FAILED
    assert not caught.value.took_effect_possible


def test_missing_keys_are_refused(bed: Bed) -> None:
    keys = list(bed.cloud.credentials)

    with pytest.raises(Refused) as caught, bed.connected(credentials={keys[0]: "something"}) as driver:
        driver.check()

    assert caught.value.reason in {Reason.SECRET_NOT_FOUND, Reason.AUTHENTICATION_FAILED}


def test_nobody_listens(bed: Bed) -> None:
    nowhere = bed.at(f"https://127.0.0.1:{free_port()}")

    with bed.connected(cloud=nowhere) as driver, pytest.raises(Unreachable) as caught:
        driver.check()

    assert not caught.value.took_effect_possible


@pytest.mark.usefixtures("short_deadlines")
@pytest.mark.timeout(60)
def test_a_cloud_that_never_answers(bed: Bed, driver: Driver) -> None:
    bed.proxy.dark("silent")

    with pytest.raises(Unreachable):
        driver.check()


def test_a_cloud_comes_back(bed: Bed, driver: Driver, eye: Eye) -> None:
    identity = driver.check().identity
    eye.settle()
    bed.proxy.dark("refuse")
    with pytest.raises(Unreachable):
        driver.check()
    with pytest.raises(Unreachable):
        eye.look()

    bed.proxy.light()

    assert driver.check().identity == identity
    eye.until(lambda: bed.estate <= eye.machines.keys() | bed.estate and bool(eye.sweeps), "a sweep")


def test_an_unknown_authority_is_refused(bed: Bed, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "Somebody else's CA")

    with bed.connected(ca_bundle=stranger.pem) as driver, pytest.raises(Refused) as caught:
        driver.check()

    assert caught.value.reason is Reason.TLS_NOT_VERIFIED


def test_without_a_bundle_only_public_authorities_count(bed: Bed) -> None:
    with bed.connected(ca_bundle=None) as driver, pytest.raises(Refused) as caught:
        driver.check()

    assert caught.value.reason is Reason.TLS_NOT_VERIFIED


def test_no_variable_of_the_environment_adds_trust(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(bed.authority.bundle))

    with bed.connected(ca_bundle=None) as driver, pytest.raises(Refused) as caught:
        driver.check()

    assert caught.value.reason is Reason.TLS_NOT_VERIFIED


def test_a_bundle_that_is_none_is_refused(bed: Bed) -> None:
    with pytest.raises(Refused) as caught, bed.connected(ca_bundle="no certificate at all") as driver:
        driver.check()

    assert caught.value.reason is Reason.TLS_NOT_VERIFIED


@pytest.mark.parametrize("with_bundle", [False, True])
def test_the_right_fingerprint_is_enough(bed: Bed, with_bundle: bool) -> None:
    bundle = bed.authority.pem if with_bundle else None

    with bed.connected(ca_bundle=bundle, fingerprint=bed.fingerprint) as driver:
        assert driver.check().identity


@pytest.mark.parametrize("with_bundle", [False, True])
def test_a_wrong_fingerprint_is_refused(bed: Bed, with_bundle: bool) -> None:
    bundle = bed.authority.pem if with_bundle else None

    with (
        bed.connected(ca_bundle=bundle, fingerprint=WRONG_FINGERPRINT) as driver,
        pytest.raises(Refused) as caught,
    ):
        driver.check()

    assert caught.value.reason is Reason.TLS_NOT_VERIFIED


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("fingerprint", [None, WRONG_FINGERPRINT])
def test_insecure_means_that_nothing_is_verified(bed: Bed, fingerprint: str | None) -> None:
    with bed.connected(ca_bundle=None, insecure_skip_verify=True, fingerprint=fingerprint) as driver:
        assert driver.check().identity


def test_close_ends_threads_and_blocked_sweeps(bed: Bed) -> None:
    before = set(threading.enumerate())
    with bed.connected() as driver:
        driver.check()
        Eye(bed, driver).settle()
        request = SweepRequest(wait=25.0)
        sweeper = threading.Thread(target=driver.sweep, args=(request,))
        sweeper.start()
        sweeper.join(0.2)

    sweeper.join(10)

    assert not sweeper.is_alive()
    assert set(threading.enumerate()) <= before


def test_every_request_is_paid_for_and_metered_once(bed: Bed, driver: Driver, eye: Eye, requests: Requests) -> None:
    bed.proxy.reset_counts()
    driver.check()
    spec, marker = bed.spec(tags={"team": "shop"}), bed.marker()
    machine = eye.make(spec, marker)
    driver.machines.get(machine.id)
    driver.machines.find(marker, None)
    machine = eye.stop(machine, spec)
    eye.delete(machine, spec)

    total = bed.proxy.total()

    assert len(requests.metered) == requests.acquired == total
    assert all(operation and code and seconds >= 0 for operation, code, seconds in requests.metered)


def test_failed_requests_are_metered_too(bed: Bed) -> None:
    requests = Requests()
    with bed.connected(requests) as driver:
        driver.check()
        good = {code for _, code, _ in requests.metered}
        bed.proxy.dark("refuse")
        before = len(requests.metered)
        with pytest.raises(Unreachable):
            driver.check()

    failed = requests.metered[before:]
    assert failed
    assert failed[0][1] not in good


@pytest.mark.parametrize("fails", [False, True], ids=["well", "after an outage"])
def test_a_driver_that_was_closed_is_gone_at_once(bed: Bed, fails: bool) -> None:
    """It remembers what a whole cloud holds, and the interpreter seldom looks for cycles."""
    gc.collect()
    gc.disable()
    try:
        gone = _closed(bed, fails=fails)
        assert gone() is None
    finally:
        gc.enable()


def _closed(bed: Bed, *, fails: bool) -> weakref.ref[Driver]:
    clock = time.monotonic
    bucket = TokenBucket(99, 99, clock)
    bulkhead = Bulkhead("cloud", threads=1, bucket=bucket, breaker=Breaker(clock), leads=lambda: True)

    async def live(driver: Driver) -> None:
        wanted = SweepRequest(kinds=set(CloudKind), wait=0.0)
        await bulkhead.call(driver.check)
        await bulkhead.sweep(driver.sweep, wanted)
        if fails:
            bed.proxy.dark("refuse")
            with pytest.raises(Unreachable):
                await bulkhead.sweep(driver.sweep, wanted)
            bed.proxy.light()

    with bed.connected() as driver:
        asyncio.run(live(driver))
        gone = weakref.ref(driver)
    bulkhead.close()
    for thread in threading.enumerate():
        if thread.name.startswith("cloud-"):
            thread.join(10.0)
    return gone
