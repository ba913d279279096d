"""ISO images and guest agents of the lab's Proxmox VE."""

from __future__ import annotations

from typing import Any

import pytest
from proxmoxer.core import ResourceException  # type: ignore[import-untyped]  # as above

from lab.proxmox import ProxmoxCloud
from tests.integration.lab.proxmox.calls import named, outcome, qemu


def test_an_uploaded_iso_is_listed_and_can_be_deleted(pve: Any, cloud: ProxmoxCloud) -> None:
    local = pve.nodes("pve1").storage("local")
    outcome(pve, local.upload.post(content="iso", filename=named("seed.iso", b"0" * 4096)))
    found = {item["volid"]: item["size"] for item in local.content.get(content="iso")}
    assert found["local:iso/seed.iso"] == 4096

    local.content("local:iso/seed.iso").delete()

    assert "local:iso/seed.iso" not in cloud.isos()


def test_a_start_without_its_iso_fails_in_its_task(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(ide0="local:iso/missing.iso,media=cdrom")

    assert outcome(pve, qemu(pve, guest).status.start.post()) == "volume 'local:iso/missing.iso' does not exist"


def test_the_agent_tells_the_addresses_of_a_running_guest(pve: Any, guest: int) -> None:
    agent = qemu(pve, guest).agent
    with pytest.raises(ResourceException, match="not running"):
        agent("network-get-interfaces").get()
    qemu(pve, guest).status.start.post()

    interfaces = {item["name"]: item for item in agent("network-get-interfaces").get()["result"]}

    mac = qemu(pve, guest).config.get()["net0"].partition("=")[2].partition(",")[0]
    assert interfaces["eth0"]["hardware-address"] == mac.lower()
    assert interfaces["eth0"]["ip-addresses"][0]["ip-address"].startswith("10.0.")


def test_a_guest_without_agent_tells_nothing(pve: Any, guest: int) -> None:
    qemu(pve, guest).config.put(agent="0")
    qemu(pve, guest).status.start.post()

    with pytest.raises(ResourceException, match="No QEMU guest agent configured"):
        qemu(pve, guest).agent("network-get-interfaces").get()
