"""The call that makes a machine."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.machine import CloudInit, MachineSpec, Nic, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import clone
from hybridge.drivers.vsphere.collector import Found
from hybridge.drivers.vsphere.inventory import Layout
from hybridge.drivers.vsphere.placement import Place
from hybridge.drivers.vsphere.sdk import moid, vim
from hybridge.drivers.vsphere.templates import Template

GIB = 1 << 30
MARKER = Marker("cluster", "uid", "VirtualMachine", "shop", "web-1")
ROOTS = {name: vim.Folder(name) for name in ("vmFolder", "hostFolder", "datastoreFolder", "networkFolder")}
DEVICES = vim.vm.device


def found(kind: str, object_id: str, name: str, **properties: object) -> Found:
    return Found(object_id, kind, {"name": name, "parent": ROOTS["networkFolder"], **properties})


LAYOUT = Layout(
    Found("datacenter-1", "Datacenter", ROOTS),
    [
        found("Network", "network-1", "VM Network"),
        found(
            "DistributedVirtualPortgroup",
            "dvportgroup-1",
            "frontend",
            **{"key": "pg-key", "config.distributedVirtualSwitch": vim.DistributedVirtualSwitch("dvs-1")},
        ),
        found("VmwareDistributedVirtualSwitch", "dvs-1", "DVS", uuid="sw uuid"),
    ],
)
BACKING = DEVICES.VirtualDisk.FlatVer2BackingInfo(fileName="[ds] t/t.vmdk", diskMode="persistent", thinProvisioned=True)
TEMPLATE = Template(
    id="vm-1",
    name="debian-12",
    disk=DEVICES.VirtualDisk(
        key=2000,
        controllerKey=1000,
        unitNumber=0,
        capacityInKB=10 * GIB // 1024,
        capacityInBytes=10 * GIB,
        backing=BACKING,
    ),
    cards=(
        DEVICES.VirtualE1000e(key=4000, controllerKey=100, unitNumber=7),
        DEVICES.VirtualVmxnet3(key=4001, controllerKey=100, unitNumber=8),
    ),
    datastore="datastore-1",
    host="host-1",
)
PLACE = Place("group-v3", "resgroup-1", "datastore-1")


def parameters(spec: MachineSpec, default: str | None = None) -> dict[str, Any]:
    given = clone.parameters(spec, TEMPLATE, PLACE, LAYOUT, default)
    kept: Mapping[str, Any] = Intent(1, "t", "web-1", "the-uuid", "id", 0.0, given).parameters
    again: dict[str, Any] = json.loads(json.dumps(kept))
    assert again == kept
    return again


NOTHING = CloudInit()


def spec_of(given: Mapping[str, Any], cloud_init: CloudInit = NOTHING) -> Any:
    return clone.clone_spec(given, Intent(1, "t", "web-1", "the-uuid", "id", 0.0), cloud_init, MARKER)


def options(spec: Any) -> dict[str, str]:
    return {option.key: option.value for option in spec.config.extraConfig}


def test_what_is_made_is_marked_and_sized_in_one_call() -> None:
    spec = spec_of(parameters(MachineSpec("web-1", cpus=2, memory=4 * GIB)))

    assert spec.config.instanceUuid == "the-uuid"
    assert (spec.config.numCPUs, spec.config.memoryMB) == (2, 4096)
    assert options(spec) == MARKER.pairs()
    assert spec.powerOn is True
    assert spec.template is False
    assert (moid(spec.location.pool), moid(spec.location.datastore), spec.location.host) == (
        "resgroup-1",
        "datastore-1",
        None,
    )


def test_what_should_be_stopped_is_not_started() -> None:
    assert spec_of(parameters(MachineSpec("web-1", power=Power.STOPPED))).powerOn is False


def test_the_root_disk_grows_in_place() -> None:
    (change,) = spec_of(parameters(MachineSpec("web-1", root_disk=20 * GIB))).config.deviceChange

    assert change.operation == "edit"
    assert (change.device.key, change.device.controllerKey, change.device.unitNumber) == (2000, 1000, 0)
    assert (change.device.capacityInBytes, change.device.capacityInKB) == (20 * GIB, 20 * GIB // 1024)
    assert change.device.backing.fileName == "[ds] t/t.vmdk"


def test_a_disk_of_the_templates_size_is_left_alone() -> None:
    assert "disk" not in parameters(MachineSpec("web-1", root_disk=10 * GIB))


def test_a_disk_never_shrinks() -> None:
    with pytest.raises(Refused) as caught:
        parameters(MachineSpec("web-1", root_disk=GIB))

    assert caught.value.reason is Reason.INVALID_SPEC


def test_cards_are_edited_in_turn_and_the_rest_is_removed() -> None:
    first, second = spec_of(parameters(MachineSpec("web-1", networks=(Nic("a", "frontend"),)))).config.deviceChange

    assert first.operation == "edit"
    assert isinstance(first.device, DEVICES.VirtualE1000e)
    assert first.device.backing.port.portgroupKey == "pg-key"
    assert first.device.backing.port.switchUuid == "sw uuid"
    assert (second.operation, second.device.key) == ("remove", 4001)


def test_missing_cards_are_added() -> None:
    networks = (Nic("a", "frontend"), Nic("b", "frontend"), Nic("c", "network-1", mac="00:50:56:00:00:01"))

    *_, added = spec_of(parameters(MachineSpec("web-1", networks=networks))).config.deviceChange

    assert added.operation == "add"
    assert isinstance(added.device, DEVICES.VirtualVmxnet3)
    assert added.device.backing.deviceName == "VM Network"
    assert (added.device.addressType, added.device.macAddress) == ("manual", "00:50:56:00:00:01")


def test_without_networks_the_providers_default_counts() -> None:
    assert len(parameters(MachineSpec("web-1"), "VM Network")["cards"]) == 2
    assert "cards" not in parameters(MachineSpec("web-1"))


def test_cloud_init_reads_both_documents() -> None:
    cloud_init = CloudInit("web", ("ssh-ed25519 AAAA me",), "#cloud-config\nruncmd: []\n")
    networks = (Nic("nic0", "frontend", addresses=("10.0.0.5/24",), gateways=("10.0.0.1",), nameservers=("9.9.9.9",)),)

    found = options(spec_of(parameters(MachineSpec("web-1", networks=networks)), cloud_init))

    meta = json.loads(base64.b64decode(found["guestinfo.metadata"]))
    assert meta["instance-id"] == "the-uuid"
    assert (meta["local-hostname"], meta["public-keys"]) == ("web", ["ssh-ed25519 AAAA me"])
    assert meta["network"]["ethernets"]["nic0"] == {
        "match": {"name": "e*"},
        "addresses": ["10.0.0.5/24"],
        "routes": [{"to": "0.0.0.0/0", "via": "10.0.0.1"}],
        "nameservers": {"addresses": ["9.9.9.9"]},
    }
    assert b"runcmd: []" in base64.b64decode(found["guestinfo.userdata"])
    assert found["guestinfo.metadata.encoding"] == found["guestinfo.userdata.encoding"] == "base64"


def test_no_secret_is_prepared() -> None:
    assert "hush" not in str(parameters(MachineSpec("web-1", cloud_init=CloudInit(user_data="hush"))))


def test_cards_that_a_guest_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(Refused) as caught:
        parameters(
            MachineSpec("web-1", networks=(Nic("a", "frontend", addresses=("10.0.0.5/24",)), Nic("b", "frontend")))
        )

    assert "mac" in caught.value.message


def test_sizes_are_rounded_up_and_empty_tags_dropped() -> None:
    spec = clone.normalize(MachineSpec("web-1", memory=GIB + 1, root_disk=GIB + 1, tags={"a": "b", "c": ""}))

    assert spec.memory == GIB + (4 << 20)
    assert spec.root_disk == GIB + (1 << 20)
    assert spec.tags == {"a": "b"}


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (MachineSpec("w", options={"flavour": "vanilla"}), Reason.UNSUPPORTED),
        (MachineSpec("w", placement={"rack": "7"}), Reason.UNSUPPORTED),
    ],
)
def test_what_is_not_known_is_refused(spec: MachineSpec, reason: Reason) -> None:
    with pytest.raises(Refused) as caught:
        clone.normalize(spec)

    assert caught.value.reason is reason
