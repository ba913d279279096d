"""Images on Proxmox VE: templates made in steps, each of which may be the last one that an operator took."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, IdTaken, NotProven, Refused
from hybridge.core.identity import Marker, read_notes, write_notes
from hybridge.core.image import Copy, Download, Find, Image, ImageSpec, Published, Stored, Taken, newest
from hybridge.core.image_plan import differences
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import CloudInit, Power
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.drivers.base import Portion, Started, Sweep, SweepRequest
from lab import permissions
from lab.proxmox_estate import OPERATOR
from tests.integration.drivers.proxmox.bench import GIB, Bench, Lab, marker

BOTH = (CloudKind.MACHINE, CloudKind.IMAGE)
SUM = "ab" * 32
URL = "https://cloud.example/debian-13.qcow2"
SPEC = ImageSpec(
    "debian-13", source=Download(URL, f"sha256:{SUM}"), tags={"team": "shop"}, placement={"storage": "ceph"}
)


@pytest.fixture(autouse=True)
def web(lab: Lab) -> None:
    lab.pve.publish(URL, 3 * GIB, sha256=SUM)


def owner() -> Marker:
    return Marker("cluster", str(uuid4()), "Image", "shop", "debian-13")


def intent(bench: Bench, spec: ImageSpec) -> Intent:
    prepared = bench.driver.images.prepare(bench.driver.images.normalize(spec), ())
    return Intent(1, "token", spec.name, "", "here", 0.0, prepared.parameters, prepared.id)


def look(bench: Bench, *tasks: Task, refresh: tuple[str, ...] = ()) -> Sweep:
    return bench.driver.sweep(SweepRequest(kinds=BOTH, tasks=tasks, refresh=refresh))


def seen(bench: Bench, *refresh: str) -> dict[str, Image]:
    found: Portion[Image] = look(bench, refresh=refresh).portions[CloudKind.IMAGE]  # type: ignore[assignment]
    return dict(found.objects)


def end(bench: Bench, started: Started[Image]) -> None:
    if started.task is not None:
        task = look(bench, started.task).tasks[started.task.id]
        assert task.state is TaskState.SUCCEEDED, task


def complete(bench: Bench, spec: ImageSpec, made: Intent, whose: Marker, *, most: int = 12) -> Image:
    """Brings an image to its spec, in as many steps as a plan takes, or in some of them."""
    assert made.id
    for _ in range(most):
        image = seen(bench)[made.id]
        fields = {change.field for change in differences(spec, image)}
        if not fields:
            break
        end(bench, bench.driver.images.configure(image, spec, fields, made, whose))
    return seen(bench)[made.id]


def make(bench: Bench, spec: ImageSpec = SPEC) -> tuple[Image, Marker]:
    made, whose = intent(bench, spec), owner()
    end(bench, bench.driver.images.create(made, spec, whose))
    return complete(bench, spec, made, whose), whose


def files(lab: Lab) -> list[str]:
    return [name for store in lab.pve.storages.values() for name in store["volumes"] if name.startswith("import/")]


# ------------------------------------------------------------------ downloads


def test_a_file_becomes_a_template_and_goes(lab: Lab, bench: Bench) -> None:
    image, whose = make(bench)

    guest = lab.guest(image.id)
    assert (guest.template, guest.name, files(lab)) == (True, "debian-13", [])
    assert (image.size, image.architecture, image.missing, image.unfit) == (3 * GIB, "x86_64", (), "")
    assert (image.marker, image.tags) == (whose, {"team": "shop"})
    assert "making" not in guest.config["description"]
    assert guest.config["scsi0"].startswith(f"ceph:base-{image.id}-disk-0")


@pytest.mark.parametrize("steps", range(5))
def test_whatever_was_left_undone_is_done_by_who_comes_next(lab: Lab, bench: Bench, steps: int) -> None:
    made, whose = intent(bench, SPEC), owner()
    end(bench, bench.driver.images.create(made, SPEC, whose))
    assert made.id
    complete(bench, SPEC, made, whose, most=steps)

    found = bench.driver.images.find(whose, made)
    assert [one.id for one in found] == [made.id]
    assert bench.driver.images.find(whose, None) == found
    image = complete(bench, SPEC, made, whose)

    assert (image.missing, files(lab)) == ((), [])


@pytest.mark.parametrize("steps", range(5))
def test_whatever_was_made_goes_with_it(lab: Lab, bench: Bench, steps: int) -> None:
    made, whose = intent(bench, SPEC), owner()
    before = {name for store in lab.pve.storages.values() for name in store["volumes"]}
    end(bench, bench.driver.images.create(made, SPEC, whose))
    image = complete(bench, SPEC, made, whose, most=steps)

    end(bench, bench.driver.images.delete(image))

    assert bench.driver.images.get(image.id) is None
    assert {name for store in lab.pve.storages.values() for name in store["volumes"]} == before
    assert bench.driver.images.delete(image).task is None


def test_a_file_of_another_checksum_is_no_image(lab: Lab, bench: Bench) -> None:
    lab.pve.publish(URL, 3 * GIB, sha256="cd" * 32)
    made, whose = intent(bench, SPEC), owner()
    end(bench, bench.driver.images.create(made, SPEC, whose))
    assert made.id

    started = bench.driver.images.configure(seen(bench)[made.id], SPEC, {"parts.disk"}, made, whose)

    assert started.task is not None
    ended = look(bench, started.task).tasks[started.task.id]
    assert (ended.state, ended.reason) == (TaskState.FAILED, Reason.INVALID_SPEC)
    assert "checksum" in ended.error


def test_how_far_a_download_is_is_told(lab: Lab, bench: Bench) -> None:
    made, whose = intent(bench, SPEC), owner()
    end(bench, bench.driver.images.create(made, SPEC, whose))
    assert made.id
    lab.pve.pace(task_seconds=5.0, time_scale=0.0)

    started = bench.driver.images.configure(seen(bench)[made.id], SPEC, {"parts.disk"}, made, whose)

    assert started.task is not None
    assert look(bench, started.task).tasks[started.task.id].progress == 37


def test_machines_start_from_it(bench: Bench) -> None:
    image, _ = make(bench)

    machine, _ = bench.make(bench.spec(image=image.id, root_disk=4 * GIB), marker())

    assert machine.power is Power.RUNNING


# --------------------------------------------------------------------- clones


def test_an_image_of_a_machine_has_nothing_that_was_its_alone(lab: Lab, bench: Bench) -> None:
    secret = CloudInit(
        hostname="web", ssh_keys=("ssh-ed25519 AAAA you",), user_data="#cloud-config\npassword: hunter2\n"
    )
    machine, _ = bench.make(bench.spec(cloud_init=secret, tags={"tier": "web"}), marker())
    before = dict(lab.guest(machine.id).config)
    lab.guest(machine.id).config["scsi7"] = "ceph:vm-999999999-data_x,size=1G"
    lab.pve.storages["ceph"]["volumes"]["vm-999999999-data_x"] = {
        "content": "images", "format": "raw", "size": GIB, "vmid": 999999999, "ctime": 0
    }  # fmt: skip
    bench.look(machine.id, refresh=True)

    image, whose = make(bench, replace(SPEC, source=Published("web", machine.id)))

    config = lab.guest(image.id).config
    assert (image.marker, image.tags, image.size) == (whose, {"team": "shop"}, 20 * GIB)
    assert not {"sshkeys", "cicustom", "cipassword", "scsi7"} & config.keys()
    assert not any("iso/" in str(word) for word in config.values())
    assert "vm-999999999-data_x" in lab.pve.storages["ceph"]["volumes"]
    assert not [name for name in lab.pve.storages["ceph"]["volumes"] if f"-{image.id}-disk-1" in name]
    assert {key: lab.guest(machine.id).config[key] for key in before} == before
    assert bench.look(machine.id, refresh=True).power is Power.RUNNING


def test_an_image_of_a_snapshot_is_as_the_machine_was_then(lab: Lab, bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(cpus=2), marker())
    guest = lab.guest(machine.id)
    guest.snapshots["before"] = {**guest.config, "cores": 3, "snaptime": 1, "scsi7": "ceph:vm-999999999-data_x,size=1G"}
    lab.pve.storages["ceph"]["volumes"]["vm-999999999-data_x"] = {
        "content": "images", "format": "raw", "size": GIB, "vmid": 999999999, "ctime": 0
    }  # fmt: skip
    bench.look(machine.id, refresh=True)

    image, _ = make(bench, replace(SPEC, source=Taken("before", f"{machine.id}/before", machine.id)))

    config = lab.guest(image.id).config
    assert (config["cores"], config["template"], "scsi7" in config) == (3, 1, False)
    assert "vm-999999999-data_x" in lab.pve.storages["ceph"]["volumes"]
    for wrong in ("before", f"{machine.id}/never"):
        with pytest.raises(Refused) as refusal:
            intent(bench, replace(SPEC, source=Taken("before", wrong, machine.id)))
        assert refusal.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("snapshot", [None, "before"])
def test_what_was_lent_to_the_machine_meanwhile_does_not_come_into_the_image(
    lab: Lab, bench: Bench, snapshot: str | None
) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    guest = lab.guest(machine.id)
    guest.snapshots["before"] = {**guest.config, "snaptime": 1}
    source = Taken("before", f"{machine.id}/before", machine.id) if snapshot else Published("web", machine.id)
    made = intent(bench, replace(SPEC, source=source))
    words = guest.snapshots["before"] if snapshot else guest.config
    words["scsi7"] = "ceph:vm-999999999-data_x,size=1G"

    with pytest.raises(Busy, match="scsi7") as late:
        bench.driver.images.create(made, SPEC, owner())

    assert late.value.reason is Reason.UPDATING
    assert seen(bench).get(str(made.id)) is None


def test_a_machine_whose_vmid_a_stranger_has_by_now_is_nothing_to_make_an_image_of(lab: Lab, bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    made = intent(bench, replace(SPEC, source=Published("web", machine.id)))
    lab.guest(machine.id).config["smbios1"] = f"uuid={uuid4()}"

    with pytest.raises(Refused, match="not the one any more"):
        bench.driver.images.create(made, SPEC, owner())

    assert seen(bench).get(str(made.id)) is None


@pytest.mark.parametrize("whose", [None, marker()])
def test_a_guest_that_is_not_the_machine_is_nothing_to_make_an_image_of(
    lab: Lab, bench: Bench, whose: Marker | None
) -> None:
    mine = marker()
    machine, _ = bench.make(bench.spec(), mine)
    spec = replace(SPEC, source=Published("web", machine.id, mine.owner))
    assert intent(bench, spec).parameters["source"] == machine.id
    lab.guest(machine.id).config["description"] = write_notes(whose) if whose else "a stranger's"

    with pytest.raises(Refused, match="not that of web any more"):
        intent(bench, spec)


def test_what_was_made_before_the_machine_was_lent_something_is_found(lab: Lab, bench: Bench) -> None:
    machine, _ = bench.make(bench.spec(), marker())
    made, whose = intent(bench, replace(SPEC, source=Published("web", machine.id))), owner()
    end(bench, bench.driver.images.create(made, SPEC, whose))
    lab.guest(machine.id).config["scsi7"] = "ceph:vm-999999999-data_x,size=1G"

    again = bench.driver.images.create(made, SPEC, whose)

    assert (again.id, again.task) == (made.id, None)


@pytest.mark.parametrize("file", ["nfs:105/vm-105-disk-0.qcow2", "nfs:import/hybridge-105-abababab.qcow2"])
def test_a_file_that_notes_name_and_that_is_none_of_its_own_stays(lab: Lab, bench: Bench, file: str) -> None:
    image, _ = make(bench)
    lab.pve.storages["nfs"]["volumes"][file.partition(":")[2]] = {
        "content": "images", "format": "qcow2", "size": GIB, "vmid": 105, "ctime": 0
    }  # fmt: skip
    config = lab.guest(image.id).config
    config["description"] = f"{config['description']}\nhybridge.io/making: {file}\n"

    end(bench, bench.driver.images.delete(seen(bench, image.id)[image.id]))

    assert file.partition(":")[2] in lab.pve.storages["nfs"]["volumes"]


def test_an_image_is_copied(lab: Lab, bench: Bench) -> None:
    image, whose = make(bench, replace(SPEC, source=Copy("9000"), placement={"storage": "nfs"}))

    assert (image.marker, image.missing) == (whose, ())
    assert lab.guest(image.id).config["scsi0"].startswith("nfs:")
    assert lab.guest("9000").template


def test_what_is_being_made_is_nothing_to_start_from_or_to_take_over(bench: Bench) -> None:
    spec = replace(SPEC, source=Copy("9000"))
    made, whose = intent(bench, spec), owner()
    end(bench, bench.driver.images.create(made, spec, whose))
    assert made.id

    image = seen(bench)[made.id]

    assert (image.missing, bool(image.unfit)) == (("template", "rest"), True)
    assert newest(Find("debian-13"), bench.driver.images.seek(Find("*"))) is None


def test_a_copy_of_a_finished_image_is_no_image(lab: Lab, bench: Bench) -> None:
    """People clone templates, and the notes go with it."""
    image, whose = make(bench)
    notes = lab.guest(image.id).config["description"]
    lab.pve.add_vm(1050, "clone", node="pve2", config={"description": notes, "tags": "hybridge"})

    assert read_notes(notes) == whose
    assert "1050" not in seen(bench, "1050")
    assert [one.id for one in bench.driver.images.find(whose, None)] == [image.id]
    assert bench.driver.images.get("1050") is None


# -------------------------------------------------------- what is there already


def test_templates_are_seen_and_read_once(bench: Bench) -> None:
    templates = seen(bench)
    assert {one.name: one.size for one in templates.values()} == {"debian-12": 8 * GIB, "ubuntu-24.04": 8 * GIB}
    bench.requests.clear()

    sweep = look(bench)

    assert (sweep.requests, sum(bench.requests.values())) == (1, 1)


def test_a_template_is_found_by_its_name(bench: Bench) -> None:
    found = newest(Find("debian-*"), bench.driver.images.seek(Find("debian-*")))

    assert found is not None
    assert found.id == "9000"


def test_a_template_is_taken_over_renamed_and_let_go(lab: Lab, bench: Bench) -> None:
    whose = owner()
    bench.driver.images.mark(seen(bench)["9001"], whose)
    image = seen(bench)["9001"]
    assert image.marker == whose

    wanted = ImageSpec("ubuntu", tags={"os": "linux"})
    bench.driver.images.configure(image, wanted, {"name", "tags"}, None, whose)
    assert (seen(bench)["9001"].name, seen(bench)["9001"].tags) == ("ubuntu", {"os": "linux"})
    bench.driver.images.mark(seen(bench)["9001"], None)

    assert seen(bench)["9001"].marker is None
    assert lab.guest("9001").config["description"] == "ubuntu-24.04 cloud image"


def test_linked_clones_keep_a_template(lab: Lab, bench: Bench) -> None:
    image, _ = make(bench)
    machine, _ = bench.make(bench.spec(image=image.id, root_disk=None, options={"fullClone": False}), marker())
    image = seen(bench, machine.id)[image.id]
    assert image.machines == (machine.id,)

    with pytest.raises(Refused) as refusal:
        bench.driver.images.delete(image)

    assert refusal.value.reason is Reason.HAS_DEPENDANTS


def test_linked_clones_of_strangers_keep_it_too(lab: Lab, bench: Bench) -> None:
    """Their configurations are not read: PVE itself looks."""
    image, _ = make(bench)
    lab.pve.storages["ceph"]["volumes"][f"base-{image.id}-disk-0/vm-555-disk-0"] = {
        "content": "images", "format": "raw", "size": GIB, "vmid": 555, "ctime": 0
    }  # fmt: skip

    started = bench.driver.images.delete(image)

    assert started.task is not None
    ended = look(bench, started.task).tasks[started.task.id]
    assert (ended.state, ended.reason) == (TaskState.FAILED, Reason.HAS_DEPENDANTS)
    assert lab.guest(image.id) is not None


# ---------------------------------------------------------------------- proof


def test_a_vmid_that_was_used_again_is_not_touched(lab: Lab, bench: Bench) -> None:
    image, _ = make(bench)
    lab.guest(image.id).config["description"] = "a stranger's"

    with pytest.raises(NotProven):
        bench.driver.images.delete(image)
    with pytest.raises(NotProven):
        bench.driver.images.mark(image, owner())
    with pytest.raises(NotProven):
        bench.driver.images.configure(image, SPEC, {"name"}, None, owner())


def test_a_vmid_that_a_stranger_has_is_not_made(lab: Lab, bench: Bench) -> None:
    for spec in (SPEC, replace(SPEC, source=Copy("9000"))):
        made = intent(bench, spec)
        assert made.id
        lab.pve.add_vm(int(made.id), "stranger", node="pve2")

        with pytest.raises(IdTaken):
            bench.driver.images.create(made, spec, owner())


def test_a_repeated_create_finds_what_it_made(lab: Lab, bench: Bench) -> None:
    for spec in (SPEC, replace(SPEC, source=Copy("9000"))):
        made, whose = intent(bench, spec), owner()
        end(bench, bench.driver.images.create(made, spec, whose))

        again = bench.driver.images.create(made, spec, whose)

        assert (again.id, again.task) == (made.id, None)


def test_a_protected_template_stays(lab: Lab, bench: Bench) -> None:
    image, _ = make(bench)
    lab.guest(image.id).config["protection"] = 1

    assert seen(bench, image.id)[image.id].protection
    with pytest.raises(Refused) as refusal:
        bench.driver.images.delete(image)
    assert refusal.value.reason is Reason.DELETION_PROTECTED


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"source": Download("https://cloud.example/debian.tar.xz", f"sha256:{SUM}")}, Reason.UNSUPPORTED),
        ({"source": Download("https://cloud.example/", f"sha256:{SUM}")}, Reason.UNSUPPORTED),
        ({"source": Stored("bucket", "key", "raw")}, Reason.UNSUPPORTED),
        ({"source": Copy("9000", "eu")}, Reason.UNSUPPORTED),
        ({"source": Copy("8999")}, Reason.IMAGE_NOT_FOUND),
        ({"source": Published("web", "8999")}, Reason.NOT_FOUND),
        ({"source": Published("web")}, Reason.DEPENDENCY_NOT_READY),
        ({"source": Taken("before")}, Reason.DEPENDENCY_NOT_READY),
        ({"placement": {"storage": "cehp"}}, Reason.NOT_FOUND),
        ({"placement": {"node": "pve9"}}, Reason.NOT_FOUND),
        ({"placement": {"cluster": "c"}}, Reason.UNSUPPORTED),
        ({"source": None, "find": Find("x", "self")}, Reason.UNSUPPORTED),
    ],
)
def test_bad_input_is_refused(bench: Bench, words: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(Refused) as refusal:
        intent(bench, replace(SPEC, **words))

    assert refusal.value.reason is reason
    assert "spec." in refusal.value.message


def test_while_pve_makes_the_guest_it_is_waited_for(lab: Lab, bench: Bench) -> None:
    spec = replace(SPEC, source=Copy("9000"))
    made, whose = intent(bench, spec), owner()
    lab.pve.pace(task_seconds=5.0, time_scale=0.0)
    bench.driver.images.create(made, spec, whose)

    for call in (lambda: bench.driver.images.find(whose, made), lambda: bench.driver.images.get(str(made.id))):
        with pytest.raises(Busy):
            call()


@pytest.mark.parametrize(
    ("place", "right"),
    [
        ("/", "Sys.AccessNetwork"),
        ("/storage/nfs", "Datastore.AllocateTemplate"),
        ("/storage/nfs", "Datastore.Allocate"),
    ],
)
def test_each_right_of_the_shipped_role_is_needed(lab: Lab, bench: Bench, place: str, right: str) -> None:
    shipped = permissions.proxmox()
    lab.pve.allot(OPERATOR, shipped)
    assert bench.driver.check().optional == ()
    make(bench)
    others = [
        grant for grant in shipped if grant.right != "Sys.Modify" and (grant.place, grant.right) != (place, right)
    ]
    lab.pve.allot(OPERATOR, others)

    with pytest.raises(Refused) as refusal:
        make(bench)

    assert refusal.value.reason is Reason.NOT_PERMITTED
    assert right in refusal.value.message
    assert right in {one.name for one in bench.driver.check().optional}


def test_who_lost_the_record_of_the_attempt_goes_on_all_the_same(lab: Lab, bench: Bench) -> None:
    made, whose = intent(bench, SPEC), owner()
    end(bench, bench.driver.images.create(made, SPEC, whose))
    assert made.id

    for _ in range(6):
        image = seen(bench)[made.id]
        if fields := {change.field for change in differences(SPEC, image)}:
            end(bench, bench.driver.images.configure(image, SPEC, fields, None, whose))

    assert (seen(bench)[made.id].missing, files(lab)) == ((), [])
