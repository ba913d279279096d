"""Words of people that mean something else elsewhere: they arrive as they are, or are refused; they never become more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridge.core.errors import Disposition
from hybridge.core.identity import OWNER
from hybridge.core.machine import CloudInit, Machine, MachineSpec, Power
from hybridge.core.machine_diff import differences
from hybridge.drivers.base import Driver
from tests.contract.bed import Bed
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


def refused(bed: Bed, driver: Driver, eye: Eye, spec: MachineSpec) -> bool:
    """Whether the cloud, or the driver, does not take the spec; otherwise there is exactly the machine that it wants."""
    marker = bed.marker()
    before = bed.machines().keys()
    made: list[Machine] = []
    error = error_of(lambda: made.append(eye.make(spec, marker)))
    if error is not None:
        assert error.disposition is Disposition.STOP, error
        assert bed.machines().keys() == before
        return True
    (machine,) = made
    assert bed.machines().keys() == before | {machine.id}
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
