"""The engine with a machine through what goes wrong: refusals, failing tasks, restarts of the operator, edits meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hybridge.core.errors import Refused
from hybridge.core.kinds import CloudKind
from hybridge.core.machine import Address, Machine, Power
from hybridge.core.reasons import Reason
from hybridge.drivers.base import Sweep, SweepRequest
from hybridge.engine.outcome import Again
from tests.sweeps import shown
from tests.unit.engine.machine_bed import Cloud, MachineBed

INIT = {"userData": {"secretRef": {"name": "init", "key": "data"}}}
ALLOW = {"disruption": "Allow"}


@pytest.fixture
def bed() -> Iterator[MachineBed]:
    made = MachineBed()
    made.settle()
    assert made.told("Ready")[0] == "True"
    yield made
    made.close()


def test_an_edit_that_arrives_during_a_reconcile_is_not_told_as_met() -> None:
    bed = MachineBed(lifecycle={"drift": "Report"}, cloudInit=INIT)
    bed.secret("text", "1")
    bed.settle()
    bed.edit(syncInterval="11m")
    bed.api.meanwhile = lambda: bed.edit(cpus=4, lifecycle={"drift": "Report", "disruption": "Allow"})

    bed.turn()
    assert bed.status["observedGeneration"] < bed.body["metadata"]["generation"]
    bed.settle()

    assert bed.machine.cpus == 4
    assert bed.told("Synced")[0] == "True"


@pytest.mark.parametrize("mode", ["Report", "Ignore"])
def test_what_is_left_as_it_is_stays_so_after_an_edit_a_pause_and_a_restart(mode: str) -> None:
    bed = MachineBed(lifecycle={"drift": mode})
    bed.settle()
    bed.cloud.change(bed.machine.id, power=Power.STOPPED)
    bed.settle()

    bed.edit(tags={"team": "shop"})
    bed.settle()
    assert bed.machine.power is Power.STOPPED
    assert bed.machine.tags == {"team": "shop"}

    bed.annotate(paused="true")
    bed.settle()
    bed.restart()
    bed.annotate()
    bed.settle()

    assert bed.machine.power is Power.STOPPED
    assert bool(bed.status.get("drift")) is (mode == "Report")


def test_what_is_stopped_while_we_were_away_is_drift() -> None:
    bed = MachineBed(lifecycle={"drift": "Report"})
    bed.settle()
    bed.annotate(paused="true")
    bed.turn()
    bed.restart()
    bed.cloud.change(bed.machine.id, power=Power.STOPPED)
    bed.annotate()

    bed.settle()

    assert bed.machine.power is Power.STOPPED
    assert bed.told("Drifted")[0] == "True"


def test_a_machine_does_not_stay_off_for_a_change_that_is_refused(
    bed: MachineBed, caplog: pytest.LogCaptureFixture
) -> None:
    bed.cloud.fails["configure"] = Refused(Reason.QUOTA, "no more than 2 vCPUs")

    bed.edit(cpus=4, lifecycle=ALLOW)
    bed.settle()

    assert (bed.machine.power, bed.machine.cpus) == (Power.RUNNING, 2)
    assert bed.told("Synced") == ("False", "Quota", "no more than 2 vCPUs")
    assert bed.told("Stalled")[1] == "Quota"
    assert bed.told("Ready")[0] == "True"
    assert bed.cloud.calls.count("Stopped") == 1
    assert "no more than 2 vCPUs" in caplog.text

    bed.edit(tags={"team": "shop"})
    bed.settle()
    assert bed.machine.tags == {"team": "shop"}
    bed.cloud.fails.clear()
    bed.annotate(sync_now="1")
    bed.settle()
    assert (bed.machine.power, bed.machine.cpus) == (Power.RUNNING, 4)
    assert bed.told("Synced")[0] == "True"


def test_a_task_that_fails_each_time_is_told_with_its_own_words(bed: MachineBed) -> None:
    bed.cloud.fails["start"] = "could not open iso"
    bed.edit(powerState="Stopped")
    bed.settle()
    bed.edit(powerState="Running")

    bed.pass_time(1800)

    assert bed.told("Synced")[1] == "TaskFailed"
    assert "could not open iso" in bed.told("Synced")[2]
    assert bed.cloud.calls.count("Running") < 10


def test_a_deletion_whose_task_fails_is_repeated_at_growing_distances(bed: MachineBed) -> None:
    bed.cloud.fails["delete"] = "disk is busy"
    bed.delete()

    bed.pass_time(600)

    assert "disk is busy" in bed.told("Synced")[2]
    assert 2 < bed.cloud.calls.count("delete") < 12


def test_a_corrected_spec_is_used_after_a_creation_has_failed() -> None:
    bed = MachineBed()
    bed.cloud.fails["create"] = "no space left"
    bed.pass_time(60)
    assert "no space left" in bed.told("Synced")[2]

    bed.edit(cpus=4)
    bed.cloud.fails.clear()
    bed.pass_time(700)

    assert bed.machine.cpus == 4
    attempt, parameters = bed.cloud.created[-1]
    assert attempt > 1
    assert parameters == {"cpus": 4}


def test_user_data_are_not_given_twice_when_the_operator_ends_before_it_has_told() -> None:
    bed = MachineBed(cloudInit=INIT, lifecycle=ALLOW)
    bed.secret("one", "1")
    bed.settle()
    bed.secret("two", "2")
    bed.annotate(sync_now="1")
    while bed.cloud.calls[-1:] != ["Running"]:
        bed.turn()
        bed.now += 0.01

    bed.restart()
    bed.settle()

    assert bed.cloud.given == "two"
    assert bed.cloud.calls.count("Stopped") == 1
    assert bed.told("Synced")[0] == "True"


def test_the_same_text_in_another_secret_version_costs_no_power_cycle() -> None:
    bed = MachineBed(cloudInit=INIT, lifecycle=ALLOW)
    bed.secret("one", "1")
    bed.settle()

    bed.api.secrets.clear()
    bed.annotate(sync_now="1")
    bed.settle()
    bed.secret("one", "2")
    bed.annotate(sync_now="2")
    bed.settle()
    assert bed.told("Synced")[0] == "True"

    bed.restart()
    bed.secret("one", "3")
    bed.settle()
    assert "Stopped" not in bed.cloud.calls
    assert bed.told("Synced")[1] == "RestartRequired"
    assert "the same text" in bed.status["plan"][0]["reason"]


def test_details_that_the_cloud_does_not_give_are_not_asked_for_without_end(bed: MachineBed) -> None:
    bed.cloud.change(bed.machine.id, detailed=False, marker=None)
    bed.cloud.calls.clear()

    bed.pass_time(300)

    assert bed.cloud.calls.count("get") <= 6
    assert bed.told("Synced")[1] == "HostDown"


def test_a_machine_that_comes_back_under_another_id_is_found_by_its_uuid(bed: MachineBed) -> None:
    bed.cloud.there = {"900": replace(bed.machine, id="900")}

    bed.settle()

    assert bed.status["id"] == "900"
    assert bed.cloud.calls.count("create") == 1
    bed.delete()
    bed.settle()
    assert not bed.cloud.there


def test_a_status_that_somebody_has_emptied_is_written_again(bed: MachineBed) -> None:
    before = bed.status
    bed._replace({**bed.body, "status": {}})

    bed.settle()

    lost = {
        name
        for name in ("id", "intent", "createdAt", "phase", "cpus", "metGeneration")
        if bed.status.get(name) != before[name]
    }
    assert not lost
    assert bed.told("Ready")[0] == bed.told("Synced")[0] == "True"
    assert bed.cloud.calls.count("create") == 1


def test_a_machine_that_another_object_has_on_record_is_not_taken_over() -> None:
    """As after a restart: that object recorded that it takes the machine over, and has had no turn since."""
    bed = MachineBed(lifecycle={"import": {"id": "7"}}, image=None, cpus=None, memory=None)
    bed.cloud.there["7"] = Machine("7", "theirs", Power.RUNNING, uuid="u")
    intent = {
        "attempt": 0, "token": "", "name": "theirs", "uuid": "u", "providerIdentity": "pve:1",
        "startedAt": "2026-01-01T00:00:00Z", "id": "7",
    }  # fmt: skip
    bed.another("rival", {"intent": intent}, lifecycle={"import": {"id": "7"}})

    bed.settle()

    assert bed.told("Synced") == ("False", "AlreadyOwned", "7 is taken by VirtualMachine shop/rival")
    assert bed.machine.marker is None


@pytest.mark.parametrize("how", ["paused", "the block of another cloud"])
def test_what_may_not_be_changed_is_still_looked_at(bed: MachineBed, how: str) -> None:
    if how == "paused":
        bed.annotate(paused="true")
    else:
        bed.edit(aws={"keyName": "k"})
    bed.settle()
    assert bed.told("Ready")[0] == "True"

    bed.cloud.change(bed.machine.id, power=Power.STOPPED)
    bed.turn()
    assert bed.told("Ready")[0] == "False"
    assert bed.status["powerState"] == "Stopped"

    bed.cloud.change(bed.machine.id, power=Power.RUNNING)
    bed.turn()
    assert bed.told("Ready")[0] == "True"

    bed.cloud.there.clear()
    bed.turn()
    assert bed.told("Ready")[0] == "False"
    assert bed.cloud.calls.count("create") == 1


def test_the_longest_tag_that_can_be_asked_for_fits_into_the_status(bed: MachineBed) -> None:
    longest = "k" * 128
    bed.edit(lifecycle={"drift": "Report"}, tags={longest: "v"})
    bed.settle()
    bed.cloud.change(bed.machine.id, tags={longest: "by hand"})

    bed.settle()

    (entry,) = bed.status["drift"]
    assert len(entry["field"]) == 128
    assert entry["field"].startswith("tags.kkk")


@pytest.mark.parametrize("how", [{"id": "7"}, {"filter": {"name": "theirs"}}], ids=["by id", "by name"])
def test_a_machine_outside_of_what_tenants_may_name_is_not_observed(how: dict[str, object]) -> None:
    bed = MachineBed(lifecycle={"management": "Observed", "import": how}, image=None, cpus=None, memory=None)
    bed.restrict(nodes=["pve1"])
    bed.cloud.there["7"] = Machine(
        "7", "theirs", Power.RUNNING, host="pve2", addresses=(Address("InternalIP", "192.0.2.7"),)
    )

    bed.settle()

    assert bed.told("Ready")[0] == "False"
    assert "192.0.2.7" not in str(bed.body)
    assert "pve2" not in str(bed.status.get("host"))

    bed.restrict(nodes=["pve2"])
    bed.annotate(sync_now="1")
    bed.settle()
    assert "192.0.2.7" in str(bed.status)

    bed.restrict(nodes=["pve1"])
    bed.annotate(sync_now="2")
    bed.settle()
    assert bed.told("Synced")[1] == "NotPermitted"
    assert bed.told("Ready")[0] == "False"


@pytest.mark.parametrize("power", [Power.STARTING, Power.STOPPING])
def test_a_machine_that_is_only_observed_is_looked_at_until_it_has_come_to_rest(power: Power) -> None:
    """Sweeps may be minutes apart, and nothing of ours is under way that would ask for an earlier one."""
    bed = MachineBed(lifecycle={"management": "Observed", "import": {"id": "7"}}, image=None, cpus=None, memory=None)
    bed.cloud.there["7"] = Machine("7", "theirs", power, addresses=(Address("InternalIP", "192.0.2.7"),))

    bed.pass_time(60.0)

    assert bed.told("Ready")[0] == "False"
    outcome = bed.turn()
    assert isinstance(outcome, Again)
    assert outcome.after <= 10


STRANGER = Machine(
    "7",
    "theirs",
    Power.RUNNING,
    host="pve2",
    tags={"team": "shop", "secret": "plan-x"},
    addresses=(Address("InternalIP", "192.0.2.7"),),
)


def test_a_machine_outside_of_what_tenants_may_name_is_not_taken_over() -> None:
    bed = MachineBed(lifecycle={"import": {"id": "7"}}, image=None, cpus=None, memory=None)
    bed.restrict(nodes=["pve1"])
    bed.cloud.there["7"] = STRANGER

    bed.settle()

    assert bed.told("Synced")[1] == "NotPermitted"
    assert "pve2" not in str(bed.body)
    assert bed.cloud.there["7"] == STRANGER
    assert bed.cloud.calls == []


@pytest.mark.parametrize("management", ["Managed", "Observed"])
@pytest.mark.parametrize(
    "wanted",
    [{"name": "theirz"}, {"name": "theirs", "tags": {"secret": "?"}}, {"tags": {"team": "shop", "secret": "?"}}],
)
def test_nothing_of_machines_that_may_not_be_named_is_told_as_being_near(
    management: str, wanted: dict[str, object]
) -> None:
    bed = MachineBed(
        lifecycle={"management": management, "import": {"filter": wanted}}, image=None, cpus=None, memory=None
    )
    bed.restrict(nodes=["pve1"])
    bed.cloud.there["7"] = STRANGER
    bed.settle()
    assert bed.told("Synced")[1] == "ImportNotFound"
    assert "7 (theirs)" not in str(bed.status)
    assert "plan-x" not in str(bed.status)

    bed.restrict(nodes=["pve2"])
    bed.annotate(sync_now="1")
    bed.settle()
    assert "7 (theirs)" in bed.told("Synced")[2]


def test_what_is_observed_is_not_shown_any_more_where_the_namespace_may_not_use_the_provider() -> None:
    bed = MachineBed(lifecycle={"management": "Observed", "import": {"id": "7"}}, image=None, cpus=None, memory=None)
    bed.cloud.there["7"] = STRANGER
    bed.settle()
    assert "192.0.2.7" in str(bed.status)

    bed.revoke()
    bed.cloud.change("7", addresses=(Address("InternalIP", "192.0.2.8"),))
    bed.turn()

    assert bed.told("Synced")[1] == "NotPermitted"
    assert "192.0.2.8" not in str(bed.status)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("placement.storage", {"placement": {"storage": "ceph\nnode: pve2"}}),
        ("networks[0].id", {"networks": [{"name": "nic0", "id": "vmbr0\x00"}]}),
        ("proxmox.machine", {"proxmox": {"machine": "q35\x7f"}}),
        ("placement.folder", {"placement": {"folder": "web\ufffe"}}),
        ("restartToken", {"restartToken": "\x9b31m"}),
        ("cloudInit.sshKeys[0]", {"cloudInit": {"sshKeys": ["ssh-ed25519 AAAA me\rssh-ed25519 BBBB"]}}),
    ],
)
def test_text_that_steers_is_refused_before_a_cloud_hears_of_it(
    bed: MachineBed, path: str, words: dict[str, object]
) -> None:
    calls = list(bed.cloud.calls)

    bed.edit(**words)
    bed.settle()

    assert bed.told("Synced")[1:] == ("InvalidSpec", f"spec.{path} has characters that cannot be printed")
    assert bed.cloud.calls == calls


def test_a_place_of_a_name_with_odd_spaces_can_be_named(bed: MachineBed) -> None:
    """People give such names to folders and networks; nothing but what steers is refused."""
    bed.edit(placement={"folder": "\u672c\u756a\u3000\u74b0\u5883", "storage": "a\u00a0b"})
    bed.settle()

    assert bed.told("Synced")[0] == "True"


def test_a_tag_that_an_older_schema_admitted_is_refused_before_a_cloud_hears_of_it(bed: MachineBed) -> None:
    calls = list(bed.cloud.calls)

    bed.edit(tags={"note": "a\x1b[31mb"})
    bed.settle()

    assert bed.told("Synced")[1:] == ("InvalidSpec", "spec.tags[note] has characters that cannot be printed")
    assert bed.cloud.calls == calls
    bed.delete()
    bed.settle()
    assert bed.cloud.there == {}


class _Late(Cloud):
    """``late``: what the next sweep shows in the place of what is there."""

    late: Machine | None = None

    def sweep(self, request: SweepRequest) -> Sweep:
        late, self.late = self.late, None
        return Sweep({CloudKind.MACHINE: shown([late])}) if late else super().sweep(request)


@pytest.mark.parametrize("back", [True, False], ids=["put back", "still off"])
def test_what_is_let_go_without_its_marker_is_looked_at_once_more(*, back: bool) -> None:
    cloud = _Late()
    bed = MachineBed(cloud, lifecycle={"onDelete": "Detach"})
    bed.settle()
    cloud.late = replace(bed.machine, marker=None)
    if not back:
        cloud.change(bed.machine.id, marker=None)
    bed.delete()

    bed.settle()

    assert bed.machine.marker is None
    assert bed.body["metadata"]["finalizers"] == []
    bed.close()
