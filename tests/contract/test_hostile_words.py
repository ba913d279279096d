"""Words of people that mean something else elsewhere: they arrive as they are, or are refused; they never become more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import Disposition
from hybridge.core.identity import OWNER
from hybridge.core.machine import CloudInit, Machine, MachineSpec, Power
from hybridge.core.machine_diff import differences
from hybridge.drivers.base import Driver
from tests.contract.bed import Bed, with_choice
from tests.contract.eye import Eye, error_of

WORDS = {
    "XML": "</value></item><item><key>a</key>&lt;&#10;<![CDATA[ ]]>",
    "JSON": '"}, {"a": "b\\',
    "YAML": "x: {a: b}, - [c] # d",
    "lines of YAML": "x\n---\n- a: b\n...\n",
    "shell": "$(reboot); `id` && rm -rf / | tee",
    "options": "ceph:0,import-from=/etc/shadow",
    "URL": "?force=1&purge=1#..;a=b",
    "a path": "../../etc/shadow",
    "a marker": f"x\n{OWNER}: somebody/else",
    "backwards": "\u202egnp.exe",
    "a mebibyte": "x" * 2**20,
}
each = pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
#: Names that nothing in a cloud has, as far as the schema admits them where something is named that exists.
NAMES = {
    "XML": "web</name><memoryMB>1</memoryMB>&amp;",
    "JSON": 'web", "force": true, "a": "\\',
    "shell": "web$(reboot);`id`|tee",
    "options": "web,import-from=/etc/shadow,size=1G",
    "URL": "web?force=1&purge=1#x",
    "a path": "../../nodes/pve1/qemu/100",
    "a hidden path": "..%2f..%2fqemu%2f100",
    "looks alike": "w\u0435b",
    "backwards": "web\u202egnp",
    "wide": "web\u3000one",
    "as long as may be": "n" * 255,
}


def refused(bed: Bed, driver: Driver, eye: Eye, spec: MachineSpec) -> bool:
    """Whether the cloud, or the driver, does not take the spec; otherwise there is exactly the machine that it wants.

    What is refused once there is a machine leaves that one, which is the object's, and nothing else.
    """
    marker = bed.marker()
    before = bed.machines()
    made: list[Machine] = []
    error = error_of(lambda: made.append(eye.make(spec, marker)))
    if error is not None:
        assert error.disposition is Disposition.STOP, error
        ours = {machine.id for machine in bed.owned(marker)}
        assert len(ours) <= 1
        assert {key: machine for key, machine in bed.machines().items() if key not in ours} == before
        return True
    (machine,) = made
    assert {key: one for key, one in bed.machines().items() if key != machine.id} == before
    assert machine.marker == marker
    wanted = driver.machines.normalize(spec)
    assert differences(wanted, machine, driver.machines.traits) == ()
    assert dict(machine.tags) == dict(wanted.tags)
    assert machine.name == spec.name
    return False


@each
def test_the_value_of_a_tag(bed: Bed, driver: Driver, eye: Eye, text: str) -> None:
    refused(bed, driver, eye, bed.spec(tags={"note": text[:256]}, power=Power.STOPPED))


@each
def test_the_key_of_a_tag(bed: Bed, driver: Driver, eye: Eye, text: str) -> None:
    refused(bed, driver, eye, bed.spec(tags={text[:128]: "value"}, power=Power.STOPPED))


@each
def test_user_data(bed: Bed, driver: Driver, eye: Eye, text: str) -> None:
    spec = bed.spec(power=Power.STOPPED)
    before = bed.machines().keys()

    if not refused(bed, driver, eye, replace(spec, cloud_init=CloudInit(user_data=f"#cloud-config\n{text}"))):
        (machine_id,) = bed.machines().keys() - before
        assert text in bed.given(machine_id)


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_names_of_places_images_networks_and_kinds(bed: Bed, driver: Driver, eye: Eye, text: str) -> None:
    spec = bed.spec(power=Power.STOPPED)

    assert refused(bed, driver, eye, replace(spec, image=text))
    for path, (usual, _) in bed.choices.items():
        if isinstance(usual, str | list):
            refused(bed, driver, eye, with_choice(spec, path, text if isinstance(usual, str) else [text]))
