"""The lab's vCenter knows its users, their privileges, and what each session has been told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab.permissions import Grant
from lab.vsphere import VsphereCloud
from lab.vsphere_estate import READONLY
from lab.vsphere_sdk import vim, vmodl
from tests.integration.lab.vsphere.client import VERSIONS, Client, Watch, machines_of, options, query, viewed


@pytest.mark.parametrize("change", [{"username": "stranger"}, {"password": "wrong"}])
def test_a_wrong_user_or_password_is_no_login(cloud: VsphereCloud, change: dict[str, str]) -> None:
    with pytest.raises(vim.fault.InvalidLogin):
        cloud.connect({**cloud.credentials, **change})


def test_a_new_password_is_for_new_sessions(cloud: VsphereCloud, client: Client) -> None:
    old = cloud.credentials
    cloud.change_password()

    with pytest.raises(vim.fault.InvalidLogin):
        cloud.connect(old)
    assert cloud.connect().content.sessionManager.currentSession.userName == old["username"]
    assert client.content.sessionManager.currentSession.userName == old["username"]


def test_a_session_that_was_ended_is_not_authenticated(cloud: VsphereCloud, client: Client, debian: str) -> None:
    assert cloud.end_sessions() > 0

    with pytest.raises(vim.fault.NotAuthenticated):
        client.vm(debian).PowerOnVM_Task()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_account_that_may_only_read_is_told_which_privilege_it_lacks(
    cloud: VsphereCloud, debian: str, name: str, version: str
) -> None:
    made = cloud.create(name)
    reader = Client(cloud, cloud.readonly_credentials, version)
    vm = reader.vm(made)
    spec = vim.vm.ConfigSpec(numCPUs=2)

    for refused, privilege in (
        (lambda: reader.start_clone(f"{name}-2", debian), "VirtualMachine.Provisioning.DeployTemplate"),
        (lambda: reader.start_clone(f"{name}-2", made), "VirtualMachine.Provisioning.Clone"),
        (lambda: vm.ReconfigVM_Task(spec), "VirtualMachine.Config.CPUCount"),
        (vm.PowerOnVM_Task, "VirtualMachine.Interact.PowerOn"),
        (vm.Destroy_Task, "VirtualMachine.Inventory.Delete"),
    ):
        with pytest.raises(vim.fault.NoPermission) as error:
            refused()
        assert error.value.privilegeId == privilege

    assert vm.name == name


def test_a_privilege_can_be_taken_from_the_operator(
    cloud: VsphereCloud, client: Client, debian: str, name: str
) -> None:
    cloud.deny(["Resource.AssignVMToPool"])

    with pytest.raises(vim.fault.NoPermission) as error:
        client.clone(name, debian)

    assert error.value.privilegeId == "Resource.AssignVMToPool"
    assert error.value.object._moId == client.pool._moId
    cloud.deny([])
    assert client.clone(name, debian).name == name


def test_questions_about_privileges_are_answered_truly(cloud: VsphereCloud, client: Client) -> None:
    ids = ["System.Read", "VirtualMachine.Interact.PowerOn", "Datastore.AllocateSpace"]
    cloud.deny(["Datastore.AllocateSpace"])
    manager, root = client.content.authorizationManager, client.content.rootFolder
    key = client.content.sessionManager.currentSession.key

    own = manager.HasPrivilegeOnEntities([root], key, ids)
    readers = manager.HasUserPrivilegeOnEntities([root], READONLY, ids)

    assert [one.isGranted for one in own[0].privAvailability] == [True, True, False]
    assert [one.isGranted for one in readers[0].privAvailability] == [True, False, False]


def test_a_privilege_holds_where_it_was_granted_and_below(cloud: VsphereCloud, client: Client) -> None:
    power = "VirtualMachine.Interact.PowerOn"
    cloud.grant(Grant("/DC0/vm", power), Grant("/DC0/vm/templates", "VirtualMachine.Provisioning.DeployTemplate"))
    manager = client.content.authorizationManager
    key = client.content.sessionManager.currentSession.key
    index = client.content.searchIndex
    folders = [index.FindByInventoryPath(path) for path in ("DC0/vm/hybridge", "DC0/vm/templates", "DC0/host")]

    answer = manager.HasPrivilegeOnEntities(folders, key, [power])
    cloud.grant_everything()

    assert [entry.privAvailability[0].isGranted for entry in answer] == [True, False, False]


def test_the_life_of_a_machine_is_pushed(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    paths = (
        "name",
        "config.instanceUuid",
        "config.extraConfig",
        "config.hardware.numCPU",
        "config.hardware.memoryMB",
        "config.changeVersion",
        "config.template",
        "runtime.powerState",
        "runtime.host",
        "guest.ipAddress",
        "guest.net",
        "summary.config.numCpu",
        "summary.guest.ipAddress",
    )
    watch = Watch(client, machines_of(client), vim.VirtualMachine, *paths)
    watch.until_known(debian)

    made = cloud.clone_by_hand(debian, name)
    watch.until(lambda: watch.known.get(made, {}).get("name") == name)
    known = watch.known[made]
    version = known["config.changeVersion"]
    assert known["config.instanceUuid"] == cloud.machine(made).instance_uuid
    assert known["runtime.host"] is not None

    cloud.set_cpus(made, 6)
    watch.until(lambda: known["config.hardware.numCPU"] == known["summary.config.numCpu"] == 6)
    assert known["config.changeVersion"] != version

    cloud.set_memory(made, 2048)
    watch.until(lambda: known["config.hardware.memoryMB"] == 2048)

    cloud.set_extra_config(made, {"owner": "me"})
    watch.until(lambda: "owner" in {option.key for option in known["config.extraConfig"]})

    cloud.rename(made, f"{name}-new")
    watch.until(lambda: known["name"] == f"{name}-new")

    cloud.power(made, on=True)
    watch.until(lambda: known["runtime.powerState"] == "poweredOn")
    assert known["guest.ipAddress"] == known["summary.guest.ipAddress"] == known["guest.net"][0].ipAddress[0]

    cloud.power(made, on=False)
    watch.until(lambda: known["runtime.powerState"] == "poweredOff")
    assert known["guest.ipAddress"] is known["summary.guest.ipAddress"] is None

    client.vm(made).MarkAsTemplate()
    watch.until(lambda: known["config.template"])

    cloud.destroy(made)
    watch.until(lambda: made not in watch.known)


def test_a_new_machine_is_seen_whole(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    watch = Watch(
        client, machines_of(client), vim.VirtualMachine, "name", "config.extraConfig", "config.hardware.numCPU"
    )
    watch.until_known(debian)
    watch.seen.clear()

    with ThreadPoolExecutor(4) as pool:
        made = pool.map(
            lambda n: Client(cloud).clone(f"{name}-{n}", debian, numCPUs=3, extraConfig=options(owner=str(n))).moid,
            range(8),
        )
        watch.until(lambda: sum(kind == "enter" for kind, _, _ in watch.seen) == 8)

    entered = {moid: changes for kind, moid, changes in watch.seen if kind == "enter"}
    assert entered.keys() == set(made)
    assert {changes["config.hardware.numCPU"] for changes in entered.values()} == {3}
    assert all("owner" in {one.key for one in changes["config.extraConfig"]} for changes in entered.values())


def test_two_sessions_watch_with_the_root_collector(cloud: VsphereCloud, debian: str, name: str) -> None:
    both = [Client(cloud), Client(cloud)]
    watches = [Watch(one, machines_of(one), vim.VirtualMachine, "name", root=True) for one in both]
    for watch in watches:
        watch.wait()

    made = cloud.clone_by_hand(debian, name)

    for watch in watches:
        watch.until_known(made)


@pytest.mark.parametrize("through", ["the task", "a list view", "the recent tasks"])
def test_tasks_are_pushed(client: Client, debian: str, name: str, through: str) -> None:
    manager = client.content.taskManager
    view = client.content.viewManager.CreateListView([])
    objects = {
        "a list view": lambda: viewed(view, vim.view.ListView),
        "the recent tasks": lambda: [
            query.ObjectSpec(
                obj=manager,
                skip=True,
                selectSet=[query.TraversalSpec(type=vim.TaskManager, path="recentTask", skip=False)],
            )
        ],
    }
    watch: Watch | None = None
    if through in objects:
        watch = Watch(client, objects[through](), vim.Task, "info.state", "info.result")
        watch.wait()

    task = client.start_clone(name, debian)
    view.ModifyListView([task], [])
    watch = watch or Watch(client, [query.ObjectSpec(obj=task)], vim.Task, "info.state", "info.result")

    watch.until(lambda: watch.known.get(task._moId, {}).get("info.state") == "success")
    made = watch.known[task._moId]["info.result"]
    assert client.cloud.machine(made._moId).name == name


def test_a_failed_task_says_why_in_a_sentence(client: Client, debian: str, name: str) -> None:
    made = client.clone(name, debian)
    task = client.vm(made.moid).PowerOffVM_Task()
    watch = Watch(client, [query.ObjectSpec(obj=task)], vim.Task, "info.state", "info.error")

    watch.until(lambda: watch.known.get(task._moId, {}).get("info.state") == "error")

    error = watch.known[task._moId]["info.error"]
    assert isinstance(error, vim.fault.InvalidPowerState)
    assert error.msg == "The attempted operation cannot be performed in the current state (Powered off)."


def test_many_objects_come_in_pages(client: Client, debian: str, name: str) -> None:
    made = {client.clone(f"{name}-{n}", debian).moid for n in range(3)}
    watch = Watch(client, machines_of(client), vim.VirtualMachine, "name")

    sizes = []
    while (answer := watch.wait(0, maxObjectUpdates=2)) and answer.truncated:
        sizes.append(sum(len(one.objectSet) for one in answer.filterSet))

    assert set(sizes) == {2}
    assert made <= watch.known.keys()


def test_an_answer_that_was_lost_is_given_again(cloud: VsphereCloud, client: Client, debian: str, name: str) -> None:
    watch = Watch(client, machines_of(client), vim.VirtualMachine, "name")
    watch.wait()
    made = cloud.clone_by_hand(debian, name)
    answer: Any = None
    before = watch.version
    while made not in watch.known:
        before = watch.version
        answer = watch.wait()
    del watch.known[made]

    watch.version = before
    again = watch.wait()

    assert again.version == answer.version
    assert watch.known[made]["name"] == name


def test_a_version_that_was_never_given_is_refused(client: Client, debian: str) -> None:
    watch = Watch(client, [query.ObjectSpec(obj=client.vm(debian))], vim.VirtualMachine, "name")
    watch.wait()
    watch.version = "no such version"

    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        watch.wait()


def test_a_newer_wait_ends_the_older(client: Client, debian: str) -> None:
    watch = Watch(client, [query.ObjectSpec(obj=client.vm(debian))], vim.VirtualMachine, "name")
    watch.wait()
    ended: list[BaseException] = []

    def wait_long() -> None:
        try:
            watch.collector.WaitForUpdatesEx(watch.version, query.WaitOptions(maxWaitSeconds=250))
        except vmodl.fault.RequestCanceled as fault:
            ended.append(fault)

    waiting = threading.Thread(target=wait_long)
    waiting.start()
    while waiting.is_alive():
        # Which of two calls is the newer one is known only when the long one has ended.
        assert watch.collector.WaitForUpdatesEx(watch.version, query.WaitOptions(maxWaitSeconds=0)) is None

    assert len(ended) == 1
