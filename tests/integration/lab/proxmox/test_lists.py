"""Lists of tasks and of resources in the lab's Proxmox VE, and how late they are."""

from __future__ import annotations

from typing import Any

from lab.proxmox import ProxmoxCloud
from tests.integration.lab.proxmox.calls import IDS, eventually, listed, qemu


def test_the_clusters_task_list_tells_how_tasks_ended(pve: Any, guest: int) -> None:
    started = qemu(pve, guest).status.start.post()
    again = qemu(pve, guest).status.start.post()

    tasks = {task["upid"]: task for task in pve.cluster.tasks.get()}

    assert tasks[started]["status"] == "OK"
    assert tasks[again]["status"] == f"VM {guest} already running"
    assert tasks[started]["endtime"] >= tasks[started]["starttime"]


def test_the_clusters_task_list_forgets_all_but_the_newest(pve: Any, guest: int) -> None:
    upids = [qemu(pve, guest).config.post(cores=1) for _ in range(30)]

    announced = {task["upid"] for task in pve.cluster.tasks.get()}
    archived = {task["upid"] for task in pve.nodes("pve1").tasks.get(vmid=guest, limit=500)}

    assert upids[-1] in announced
    assert upids[0] not in announced
    assert set(upids) <= archived


def test_a_nodes_archive_has_finished_tasks_and_its_active_list_the_others(cloud: ProxmoxCloud, pve: Any) -> None:
    cloud.tune(task_seconds=3600.0)
    upid = qemu(pve, 9000).clone.post(newid=next(IDS))
    tasks = pve.nodes("pve1").tasks

    assert upid not in [task["upid"] for task in tasks.get(limit=500)]
    assert upid in [task["upid"] for task in tasks.get(limit=500, source="active", typefilter="qmclone")]


def test_the_resource_list_is_as_old_as_it_was_tuned(cloud: ProxmoxCloud, pve: Any, guest: int) -> None:
    cloud.tune(resources_lag=3600.0)
    qemu(pve, guest).status.start.post()
    late = next(IDS)
    qemu(pve, 9000).clone.post(newid=late)

    assert (listed(pve, guest) or {})["status"] == "stopped"
    assert (listed(pve, late) or {})["status"] == "unknown"
    cloud.destroy(late)
    assert listed(pve, late) is None

    cloud.tune(resources_lag=0.05)
    eventually(lambda: (listed(pve, guest) or {})["status"] == "running")
