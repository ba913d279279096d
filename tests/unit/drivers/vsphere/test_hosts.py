"""Which host a machine goes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import hosts
from hybridge.drivers.vsphere.hosts import Host, Need, Promised

GIB = 1 << 30
STORES = frozenset({"datastore-1"})
ONE = Host("host-1", "esx1", 16, 64 * GIB, 32 * GIB, STORES, frozenset({"network-1"}))
TWO = replace(ONE, id="host-2", name="esx2", free=48 * GIB)
THREE = replace(ONE, id="host-3", name="esx3", free=8 * GIB)
NEED = Need(cpus=2, memory=16 * GIB, datastores=STORES, networks=frozenset({"network-1"}))


def test_the_host_with_most_free_memory_takes_it() -> None:
    best, why = hosts.choose("lab", [ONE, TWO, THREE], NEED)

    assert best is TWO
    assert why == (
        "esx2: most free memory of 2 hosts that fit (48.0 of 64.0 GiB); esx3 has 8.0 of 64.0 GiB of memory free"
    )


def test_equal_hosts_are_taken_by_name() -> None:
    assert hosts.choose("lab", [replace(TWO, free=ONE.free), ONE], NEED)[0] is ONE


@pytest.mark.parametrize(
    ("worse", "need", "words"),
    [
        (replace(TWO, unfit="is in maintenance"), NEED, "esx2 is in maintenance"),
        (replace(TWO, threads=1), NEED, "esx2 has 1 CPUs of the 2 that are needed"),
        (replace(TWO, datastores=frozenset({"datastore-2"})), NEED, "esx2 reaches no datastore that fits"),
        (replace(TWO, networks=frozenset()), NEED, "esx2 is not on all of the networks"),
        (TWO, replace(NEED, group="web", apart=frozenset({"esx2"})), "esx2 holds a machine of group web"),
        (TWO, replace(NEED, apart=frozenset({"host-2"})), "esx2 holds a machine of group the same"),
    ],
)
def test_a_host_that_does_not_fit_is_passed_over_and_told(worse: Host, need: Need, words: str) -> None:
    best, why = hosts.choose("lab", [ONE, worse], need)

    assert best is ONE
    assert why == f"esx1: the only host that fits (32.0 of 64.0 GiB); {words}"


def test_where_none_fits_all_that_is_wrong_is_told() -> None:
    crowd = [replace(ONE, id=f"host-{n}", name=f"esx{n}", unfit="is not connected") for n in range(5)]

    with pytest.raises(Refused) as caught:
        hosts.choose("lab", crowd, NEED)

    assert caught.value.reason is Reason.CAPACITY
    assert caught.value.message == (
        "no host of lab can take it: esx0 is not connected, esx1 is not connected, esx2 is not connected and 2 more"
    )


def test_a_network_that_no_host_tells_of_counts_for_none() -> None:
    assert hosts.choose("lab", [ONE], replace(NEED, networks=frozenset({"opaque-1"})))[0] is ONE


def test_a_host_that_was_asked_for_has_to_be_up() -> None:
    hosts.admit(replace(ONE, free=0), NEED)

    with pytest.raises(Refused) as caught:
        hosts.admit(replace(ONE, unfit="is in maintenance"), NEED)

    assert caught.value.reason is Reason.CAPACITY
    assert caught.value.message == "spec.placement.node asks for host esx1, which is in maintenance"


def test_what_was_promised_counts_until_the_host_tells_of_it_itself() -> None:
    now = 0.0
    promised = Promised(clock=lambda: now)
    promised.add("web-1", "host-1", GIB)
    promised.add("web-1", "host-1", GIB)
    now = 60.0
    promised.add("web-2", "host-1", 2 * GIB)

    assert promised.by_host(besides="web-3") == {"host-1": 3 * GIB}
    assert promised.by_host(besides="web-2") == {"host-1": GIB}
    now = 100.0
    assert promised.by_host(besides="web-3") == {"host-1": 2 * GIB}
