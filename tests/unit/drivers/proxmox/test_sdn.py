"""Rows of vnets: what is written, what of it runs, and whose it is."""

from __future__ import annotations

import pytest

from hybridge.core.identity import Marker
from hybridge.drivers.proxmox.aliases import write
from hybridge.drivers.proxmox.answers_sdn import Vnet
from hybridge.drivers.proxmox.sdn import Written, written
from hybridge.drivers.proxmox.segments import shown

UID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OURS = write("frontend", Marker("lab", UID, "Network", "shop", "frontend"))


@pytest.mark.parametrize(
    ("row", "is_written"),
    [
        (Vnet("a", "shop", "x", 7), Written("a", "shop", "x", 7, running_alias="x")),
        (
            Vnet("a", state="new", pending={"zone": "shop", "tag": 7, "alias": "x"}),
            Written("a", "shop", "x", 7, waits=frozenset({"zone", "tag", "alias"})),
        ),
        (
            Vnet("a", "shop", "x", 7, state="changed", pending={"tag": "8", "alias": "deleted"}),
            Written("a", "shop", "", 8, waits=frozenset({"tag", "alias"}), running_alias="x"),
        ),
        (
            Vnet("a", "shop", "x", 7, state="changed", pending={"tag": "deleted"}),
            Written("a", "shop", "x", None, waits=frozenset({"tag"}), running_alias="x"),
        ),
        (Vnet("a", "shop", "x", 7, state="deleted"), Written("a", "shop", "x", 7, gone=True, running_alias="x")),
    ],
)
def test_what_is_written_is_read_from_what_runs_and_what_waits(row: Vnet, is_written: Written) -> None:
    assert written(row) == is_written
    assert written(row).applied == (row.state == "")


@pytest.mark.parametrize(
    ("row", "whose"),
    [
        (Vnet("a", state="new", pending={"zone": "shop", "alias": OURS}), True),
        (Vnet("a", "shop", OURS, 7, state="changed", pending={"tag": 8}), True),
        (Vnet("a", "shop", OURS, 7, state="changed", pending={"alias": "let go"}), True),
        (Vnet("a", "shop", OURS, state="deleted"), True),
        (Vnet("a", "shop", OURS, state="changed", pending={"isolate-ports": 1}), False),
        (Vnet("a", state="new", pending={"zone": "shop", "alias": "DMZ"}), False),
        (Vnet("a", state="new", pending={"zone": "shop", "alias": OURS.replace("lab/", "other/")}), False),
    ],
)
def test_a_change_that_waits_is_ours_or_not(row: Vnet, whose: bool) -> None:
    assert written(row).is_of("lab") is whose


def test_a_vnet_is_shown_with_its_alias_as_its_name() -> None:
    network = shown(written(Vnet("dmz", "shop", OURS, 7)), ["101", "100"])

    assert (network.id, network.name, network.attaches) == ("dmz", "frontend", "dmz")
    assert network.marker is not None
    assert dict(network.settings) == {"vlan": ("7",), "proxmox.vnet": ("dmz",), "proxmox.sdnZone": ("shop",)}
    assert (network.parts, network.machines) == (("applied",), ("100", "101"))


def test_without_an_alias_its_name_is_its_id() -> None:
    assert shown(written(Vnet("dmz", "plain")), ()).name == "dmz"
