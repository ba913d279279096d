"""``python -m lab person``: what it says and does is what the cloud itself has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from typer.testing import CliRunner

from hybridge.core.identity import OWNER
from lab.bed import Lab
from lab.person import app
from lab.proxmox_estate import TEMPLATES

NAME = "by-hand"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("person"), prometheus=False) as lab:
        yield lab


def made(lab: Lab, cloud: str) -> str:
    if cloud == "aws":
        # The account that the person borrows may change only what is marked.
        return lab.aws.launch_by_hand({"Name": NAME, OWNER: "somebody"})
    if cloud == "proxmox":
        lab.proxmox.clone_by_hand(min(TEMPLATES), 500, name=NAME)
        lab.proxmox.power(500, on=True)
        return "500"
    moid = lab.vsphere.create(NAME)
    lab.vsphere.power(moid, on=True)
    return moid


def states(lab: Lab, cloud: str) -> Mapping[str, str]:
    by_cloud: Mapping[str, Callable[[], dict[str, str]]] = {
        "aws": lambda: {machine.id: machine.state for machine in lab.aws.machines()},
        "proxmox": lambda: {str(machine.vmid): machine.status for machine in lab.proxmox.machines()},
        "vsphere": lambda: {machine.moid: machine.power for machine in lab.vsphere.machines()},
    }
    return by_cloud[cloud]()


def say(lab: Lab, cloud: str, *words: str) -> str:
    done = CliRunner().invoke(app, ["--folder", str(lab.folder), cloud, *words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("cloud", ["aws", "proxmox", "vsphere"])
def test_a_machine_is_listed_stopped_started_and_destroyed(lab: Lab, cloud: str) -> None:
    machine = made(lab, cloud)

    assert machine in say(lab, cloud, "list")
    say(lab, cloud, "stop", NAME)
    assert states(lab, cloud)[machine] in {"stopping", "stopped", "poweredOff"}
    if cloud == "aws":
        lab.aws.client().get_waiter("instance_stopped").wait(InstanceIds=[machine], WaiterConfig={"Delay": 1})
    say(lab, cloud, "start", machine)
    assert states(lab, cloud)[machine] in {"pending", "running", "poweredOn"}
    say(lab, cloud, "destroy", machine)
    assert machine not in states(lab, cloud)


@pytest.mark.parametrize(("cloud", "words"), [("azure", "the lab has no cloud azure"), ("proxmox", "0 machines have")])
def test_what_is_not_there_is_a_sentence(lab: Lab, cloud: str, words: str) -> None:
    done = CliRunner().invoke(app, ["--folder", str(lab.folder), cloud, "stop", "nobody"])

    assert done.exit_code == 1
    assert words in done.output
