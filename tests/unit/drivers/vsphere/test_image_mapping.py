"""Templates as images, and what a spec of one can say on vSphere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Refused
from hybridge.core.identity import Marker, read_notes, write_notes
from hybridge.core.image import Copy, Download, Find, ImageSpec, Published, Stored
from hybridge.core.lifecycle import Import
from hybridge.core.machine import Machine, Power
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.drivers.vsphere import image_mapping
from hybridge.drivers.vsphere.image_watch import ImageWatch
from hybridge.drivers.vsphere.placement import Place
from hybridge.drivers.vsphere.sdk import moid, vim
from hybridge.drivers.vsphere.templates import Template

GIB = 2**30
MARKER = Marker("cluster", "uid", "Image", "shop", "debian")
SPEC = ImageSpec("debian", source=Copy("vm-1"), tags={"team": "shop", "none": ""}, placement={"folder": "/a/b/"})
TEMPLATE = Machine("vm-7", "debian-12", Power.STOPPED, template=True, root_disk=10 * GIB, created_at=7.0)


def device(key: int, file: str) -> Any:
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=file, diskMode="persistent", thinProvisioned=True)
    return vim.vm.device.VirtualDisk(
        key=key, controllerKey=1000, unitNumber=key - 2000, backing=backing, capacityInKB=GIB // 1024
    )


@pytest.mark.parametrize(
    ("guest", "architecture"),
    [("debian12_64Guest", "x86_64"), ("other5xLinux64Guest", "x86_64"), ("arm-debian12_64Guest", "arm64"), ("x", None)],
)
def test_a_template_is_shown_as_an_image(guest: str, architecture: str | None) -> None:
    shown = image_mapping.image(replace(TEMPLATE, marker=MARKER, settings={"vsphere.guestID": (guest,)}))

    assert (shown.id, shown.name, shown.state, shown.unfit) == ("vm-7", "debian-12", State.READY, "")
    assert (shown.marker, shown.size, shown.created_at) == (MARKER, 10 * GIB, 7.0)
    assert shown.architecture == architecture


def test_a_machine_is_no_image_and_says_so() -> None:
    assert "no template" in image_mapping.image(replace(TEMPLATE, template=False)).unfit


@pytest.mark.parametrize(("power", "state"), [(Power.UNKNOWN, State.UNKNOWN), (Power.GONE, State.GONE)])
def test_the_state_of_an_image(power: Power, state: State) -> None:
    assert image_mapping.image(replace(TEMPLATE, power=power)).state is state


def test_a_template_of_a_machine_has_neither_its_volumes_nor_what_its_guest_read() -> None:
    source = Template("vm-9", "web", device(2000, "[ds] web.vmdk"), (), None, None, volumes=(device(2001, "[ds] fcd"),))
    where = Place("group-v1", "resgroup-1", "datastore-1", "host-1")
    given = image_mapping.parameters(source, where, published=True)
    intent = Intent(1, "t", "debian", "the-uuid", "vsphere:x", 0.0, given)

    spec = image_mapping.clone_spec(intent, MARKER)

    (removed,) = spec.config.deviceChange
    options = {one.key: one.value for one in spec.config.extraConfig}
    assert (removed.operation, removed.device.key) == ("remove", 2001)
    assert (options["guestinfo.userdata"], options["guestinfo.metadata"]) == ("", "")
    assert {options[key] for key in MARKER.pairs()} == {""}
    assert read_notes(spec.config.annotation) == MARKER
    assert (spec.template, spec.powerOn, spec.config.instanceUuid) == (True, False, "the-uuid")
    assert (moid(spec.location.host), moid(spec.location.datastore)) == ("host-1", "datastore-1")


def test_what_a_machine_has_is_compared_with_what_its_image_is_made_without() -> None:
    volume, other = device(2001, "[ds] fcd"), device(2001, "[ds] another")
    source = Template("vm-9", "web", device(2000, "[ds] web.vmdk"), (), None, None, volumes=(volume,))

    def left_out(**words: Any) -> object:
        given = image_mapping.parameters(source, Place("f", "p", "d"), **words)
        return image_mapping.left_out(Intent(1, "t", "debian", "u", "vsphere:x", 0.0, given))

    assert left_out(published=True) == image_mapping.lent(source) == {(2001, "[ds] fcd")}
    for now in ((), (other,), (volume, device(2002, "[ds] more"))):
        assert image_mapping.lent(replace(source, volumes=now)) != left_out(published=True)
    assert left_out(published=True, snapshot="snapshot-1") is None
    assert left_out(published=False) is None


def test_a_copy_is_like_its_original() -> None:
    notes = write_notes(replace(MARKER, uid="another"))
    source = Template("vm-9", "x", device(2000, "[ds] x.vmdk"), (), None, None, notes=f"of the web team\n{notes}")
    given = image_mapping.parameters(source, Place("f", "p", "d"), published=False)

    spec = image_mapping.clone_spec(Intent(1, "t", "debian", "u", "vsphere:x", 0.0, given), MARKER)

    assert list(spec.config.deviceChange) == []
    assert {one.key for one in spec.config.extraConfig} == set(MARKER.pairs())
    assert spec.config.annotation.startswith("of the web team\n")


def test_a_spec_is_normal_once() -> None:
    normal = image_mapping.normalize(SPEC)

    assert (normal.tags, normal.placement) == ({"team": "shop"}, {"folder": "a/b"})
    assert image_mapping.normalize(normal) == normal


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"source": Download("https://x/y.qcow2", "sha256:0")}, r"spec.source.url: .* ends with .ova"),
        ({"source": Download("https://x/y.ova", "md5:0")}, "spec.source.url.checksum"),
        ({"source": Stored("b", "k", "ova")}, "spec.source.s3"),
        (
            {"source": None, "imports": Import(id="11111111-2222-4333-8444-555555555555")},
            r"spec.source.id: .* spec.source.copy.id",
        ),
        ({"source": Copy("vm-1", "eu-west-1")}, "spec.source.copy.region"),
        ({"source": Copy("item-11111111-2222-4333-8444-555555555555")}, r"spec.source.copy.id: .* half made"),
        ({"source": None, "find": Find("x", "self")}, "spec.source.find.owner"),
        ({"placement": {"node": "h1"}}, "spec.placement.node"),
    ],
)
def test_what_vsphere_cannot_do_is_refused(words: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused, match=told) as refusal:
        image_mapping.normalize(replace(SPEC, **words))

    assert refusal.value.reason is Reason.UNSUPPORTED


def test_a_machine_is_a_source() -> None:
    assert image_mapping.normalize(replace(SPEC, source=Published("web", "vm-9"))).source == Published("web", "vm-9")


def test_sweeps_tell_templates_and_what_became_a_machine() -> None:
    watch = ImageWatch()
    machine = replace(TEMPLATE, id="vm-8", template=False)
    full = watch.portion({"vm-7": TEMPLATE, "vm-8": machine}, {}, (), full=True)
    assert full is not None
    assert set(full.objects) == {"vm-7"}
    assert watch.portion({"vm-8": machine}, {}, (), full=False) is None

    fleeting = watch.portion({"vm-8": machine}, {}, ("vm-5",), full=False)
    turned = watch.portion({"vm-7": replace(TEMPLATE, template=False)}, {}, (), full=False)
    gone = watch.portion({}, {}, ("vm-7",), full=False)

    assert fleeting is not None
    assert turned is not None
    assert gone is not None
    assert fleeting.gone == {"vm-5"}
    assert "no template" in turned.objects["vm-7"].unfit
    assert gone.gone == {"vm-7"}
