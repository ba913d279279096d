"""The Automation API of the lab's vCenter: content libraries, appliances that it fetches, machines that it makes of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import pytest

from lab.vsphere import VsphereCloud
from lab.vsphere_library import Libraries, Refusal, appliance
from tests.integration.lab.vsphere.client import Client

URL = "https://images.example/appliance.ova"
ITEMS, UPDATES = "/api/content/library/item", "/api/content/library/item/update-session"


@pytest.fixture
def api(cloud: VsphereCloud) -> Libraries:
    return Libraries(cloud.endpoint, cloud._tls, cloud.credentials)


@pytest.fixture
def library(api: Libraries, client: Client) -> str:
    made: str = api.call("POST", "/api/content/local-library", described(client, f"library-{uuid4()}"))
    return made


def described(client: Client, name: str) -> dict[str, Any]:
    backing = {"type": "DATASTORE", "datastore_id": store(client)}
    return {"name": name, "type": "LOCAL", "storage_backings": [backing]}


def store(client: Client) -> str:
    center = client.content.rootFolder.childEntity[0]
    return str(center.datastore[0]._moId)


def item(api: Libraries, library: str) -> str:
    made: str = api.call("POST", ITEMS, {"library_id": library, "name": f"item-{uuid4()}", "description": "ours"})
    return made


def pull(api: Libraries, item_id: str, checksum: str, url: str = URL) -> dict[str, Any]:
    """What became of a session in which a file was to be fetched."""
    session = api.call("POST", UPDATES, {"library_item_id": item_id})
    algorithm, _, digest = checksum.partition(":")
    sums = {"algorithm": algorithm.upper(), "checksum": digest}
    file = {"name": "a.ova", "source_type": "PULL", "source_endpoint": {"uri": url}, "checksum_info": sums}
    api.call("POST", f"{UPDATES}/{session}/file", file)
    with contextlib.suppress(Refusal):  # as on a vCenter, where the file has turned out wrong by now
        api.call("POST", f"{UPDATES}/{session}?action=complete")
    told: dict[str, Any] = until(lambda: api.call("GET", f"{UPDATES}/{session}"), lambda one: one["state"] != "ACTIVE")
    return told


def until(look: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    for _ in range(200):
        if holds(found := look()):
            return found
        time.sleep(0.02)
    raise AssertionError(f"never came: {found}")


def deploy(api: Libraries, client: Client, item_id: str, name: str, token: str | None = None) -> Mapping[str, Any]:
    words = {
        "deployment_spec": {"name": name, "annotation": "marked", "default_datastore_id": store(client)},
        "target": {"resource_pool_id": client.pool._moId, "folder_id": client.folders["hybridge"]._moId},
    }
    found: Mapping[str, Any] = api.call("POST", f"/api/vcenter/ovf/library-item/{item_id}?action=deploy", words, token)
    return found


def test_an_appliance_is_fetched_and_a_machine_is_made_of_it(
    cloud: VsphereCloud, client: Client, api: Libraries, library: str, name: str
) -> None:
    checksum, made = cloud.libraries.publish(URL), item(api, library)
    assert cloud.libraries.item(made).size == 0

    assert pull(api, made, checksum)["state"] == "DONE"
    assert cloud.libraries.item(made).size > 0
    told = deploy(api, client, made, name)

    assert told["succeeded"]
    machine = cloud.machine(told["resource_id"]["id"])
    assert (machine.name, machine.annotation, machine.folder, machine.template) == (name, "marked", "hybridge", False)
    assert (machine.cpus, machine.memory, machine.disks, machine.networks) == (1, 512, (2**30,), ("VM Network",))
    assert machine.instance_uuid


def test_an_appliance_of_several_machines_is_a_vapp_in_the_folder(
    cloud: VsphereCloud, client: Client, api: Libraries, library: str, name: str
) -> None:
    made, url = item(api, library), "https://images.example/several.ova"
    checksum = cloud.libraries.publish(url, appliance(several=True))
    assert pull(api, made, checksum, url)["state"] == "DONE"

    told = deploy(api, client, made, name)

    assert told["resource_id"]["type"] == "VirtualApp"
    assert cloud.vapps()[name] == "marked"
    find = client.content.searchIndex.FindChild
    found = find(client.folders["hybridge"], name)
    assert found._moId == told["resource_id"]["id"]
    assert not deploy(api, client, made, name)["succeeded"]
    client.run(found.Destroy_Task())
    assert find(client.folders["hybridge"], name) is None
    assert name not in cloud.vapps()


def test_what_cannot_be_fetched_is_told(cloud: VsphereCloud, api: Libraries, library: str) -> None:
    cloud.libraries.publish(URL)
    made = item(api, library)

    mismatch = pull(api, made, f"sha256:{'0' * 64}")
    unknown = pull(api, made, f"sha256:{'0' * 64}", "https://nowhere.example/x.ova")

    assert (mismatch["state"], unknown["state"]) == ("ERROR", "ERROR")
    assert "checksum" in mismatch["error_message"]["default_message"]
    assert "no route to host" in unknown["error_message"]["default_message"]
    assert cloud.libraries.item(made).size == 0


def test_a_name_and_a_token_are_had_once(
    cloud: VsphereCloud, client: Client, api: Libraries, library: str, name: str
) -> None:
    checksum, token = cloud.libraries.publish(URL), str(uuid4())
    words = {"library_id": library, "name": name}

    first = api.call("POST", ITEMS, words, token)

    assert api.call("POST", ITEMS, words, token) == first
    assert api.call("POST", f"{ITEMS}?action=find", words) == [first]
    with pytest.raises(Refusal, match="already exists"):
        api.call("POST", ITEMS, words)
    pull(api, first, checksum)
    machine = deploy(api, client, first, name, token)
    assert deploy(api, client, first, name, token) == machine
    other = deploy(api, client, first, name)
    assert not other["succeeded"]
    assert "already exists" in other["error"]["errors"][0]["message"]["default_message"]


def test_what_an_account_may_not_do_is_refused_and_who_is_nobody_may_nothing(
    cloud: VsphereCloud, client: Client, api: Libraries, library: str
) -> None:
    made = item(api, library)
    cloud.deny(["ContentLibrary.AddLibraryItem", "ContentLibrary.DeleteLibraryItem"])

    for method, path, words in (
        ("POST", ITEMS, {"library_id": library, "name": "x"}),
        ("DELETE", f"{ITEMS}/{made}", None),
    ):
        with pytest.raises(Refusal, match="UNAUTHORIZED") as refusal:
            api.call(method, path, words)
        assert refusal.value.status == 403
    stranger = Libraries(cloud.endpoint, cloud._tls, {"username": "nobody", "password": "nothing"})
    with pytest.raises(Refusal, match="UNAUTHENTICATED"):
        stranger.items()


def test_a_deleted_item_is_gone_with_its_sessions(api: Libraries, library: str) -> None:
    made = item(api, library)
    session = api.call("POST", UPDATES, {"library_item_id": made})
    assert api.call("GET", f"{UPDATES}?library_item_id={made}") == [session]

    api.call("DELETE", f"{ITEMS}/{made}")

    for path in (f"{ITEMS}/{made}", f"{UPDATES}/{session}", f"{UPDATES}?library_item_id={made}"):
        with pytest.raises(Refusal, match="NOT_FOUND"):
            api.call("GET", path)
