"""Aliases of vnets: a name for people, and whose the vnet is."""

from __future__ import annotations

import re

import pytest

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.drivers.proxmox.aliases import plain_name, read, write

CLUSTER, UID = "0d4b5bd1-3b9a-4c53-9d3f-0a1f6d2f9b11", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OURS = Marker(CLUSTER, UID, "Network", "shop", "frontend")
#: pve-network, VnetPlugin.pm.
ALLOWED = re.compile(r"[\(\)-_.\w\d\s]{0,256}", re.ASCII)


def test_a_marker_comes_back_from_an_alias() -> None:
    alias = write("frontend-7c9e6679", OURS)

    assert read(alias) == ("frontend-7c9e6679", OURS)
    assert ALLOWED.fullmatch(alias)


@pytest.mark.parametrize("cluster", ["lab", "eu.prod-1", "0b5d3c1e-contract"])
def test_cluster_ids_of_other_forms_fit(cluster: str) -> None:
    marker = Marker(cluster, UID, "Network", "shop", "frontend")

    assert read(write("x", marker)) == ("x", marker)


def test_a_long_name_of_an_object_is_left_out() -> None:
    marker = Marker(CLUSTER, UID, "Network", "n" * 63, "o" * 253)

    alias = write("f" * 63, marker)

    assert len(alias) <= 256
    assert read(alias) == ("f" * 63, Marker(CLUSTER, UID, "Network", "", ""))


@pytest.mark.parametrize("cluster", ["", "a b", "a)", "ü", "x" * 65])
def test_a_cluster_id_that_does_not_fit_is_refused(cluster: str) -> None:
    with pytest.raises(Refused, match="cluster id"):
        write("x", Marker(cluster, UID, "Network", "shop", "frontend"))


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("", ""),
        ("DMZ of the shop", "DMZ of the shop"),
        ("DMZ (old)", "DMZ (old)"),
        ("x (hybridge.io/owner=nobody)", "x (hybridge.io/owner=nobody)"),
        ("x (hybridge.io/owner=/) y", "x (hybridge.io/owner=/) y"),
    ],
)
def test_what_people_write_is_no_marker(alias: str, name: str) -> None:
    assert read(alias) == (name, None)


def test_a_person_may_change_the_name_before_the_marker() -> None:
    _, _, rest = write("frontend", OURS).partition(" ")

    assert read(f"Front end {rest}") == ("Front end", OURS)
    assert read(rest) == ("", OURS)


def test_names_are_cut_to_what_an_alias_holds() -> None:
    name = plain_name('Büro "web"/50% ' + "x" * 80)

    assert ALLOWED.fullmatch(name)
    assert (len(name) <= 63, plain_name(name)) == (True, name)
