"""The operator as a process: its account, its logs and ports, its beginning and its end. This file breaks its own bed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.bed import CLOUDS
from lab.controlplane import ControlPlane
from lab.faultproxy import Delay, FaultControl, Rule
from lab.operator import ACCOUNT, NAMESPACE, ROOT, Operator, make_account
from lab.process import clean_environment
from tests.integration.operator.people import person
from tests.integration.operator.scene import Scene
from tests.integration.operator.series import families, samples, value
from tests.integration.operator.test_cloud_init import user_data
from tests.operator_bed import OperatorBed, condition_of, operator_bed

#: Families of the contract that exist for what exists.
FAMILIES = {
    "hybridge_resource_info": "gauge",
    "hybridge_resource_ready": "gauge",
    "hybridge_resource_synced": "gauge",
    "hybridge_reconcile_total": "counter",
    "hybridge_reconcile_duration_seconds": "histogram",
    "hybridge_queue_depth": "gauge",
    "hybridge_queue_oldest_age_seconds": "gauge",
    "hybridge_time_to_ready_seconds": "histogram",
    "hybridge_drift_total": "counter",
    "hybridge_provider_up": "gauge",
    "hybridge_provider_requests_total": "counter",
    "hybridge_provider_request_duration_seconds": "histogram",
    "hybridge_provider_throttled_total": "counter",
    "hybridge_sweep_duration_seconds": "histogram",
    "hybridge_sweep_requests": "gauge",
    "hybridge_unmanaged_resources": "gauge",
    "hybridge_capacity_cpus": "gauge",
    "hybridge_capacity_memory_bytes": "gauge",
    "hybridge_tls_verification_disabled": "gauge",
    "hybridge_build_info": "gauge",
}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorBed]:
    """A bed whose operator is killed and started again by these tests, under the same name, as a container is in a pod.

    The Lease outlasts a restart of the API server, however slow the machine is.
    """
    options = ["--visibility-grace", "2", "--identity", "first", "--lease-duration", "60"]
    with operator_bed(tmp_path_factory.mktemp("process"), options=options) as bed:
        for cloud in CLOUDS:
            bed.patch("provider", cloud, {"spec": {"sweepInterval": "2s"}})
        yield bed


@pytest.fixture(autouse=True)
def _alive(bed: OperatorBed) -> Iterator[None]:
    """Every test finds the operator at work, and leaves it so."""
    yield
    if not bed.operator.process.alive:
        bed.operator.start().wait()


@pytest.fixture
def scenes(bed: OperatorBed) -> list[Scene]:
    """The same namespace on each cloud."""
    namespace = bed.namespace()
    return [Scene(bed, person(cloud, bed.lab), namespace, cloud) for cloud in CLOUDS]


def make_all(scenes: list[Scene]) -> None:
    """A machine on each cloud, named after it."""
    for scene in scenes:
        scene.apply(scene.cloud)
    for scene in scenes:
        scene.ready(scene.cloud)


def delete_all(scenes: list[Scene]) -> None:
    for scene in scenes:
        scene.delete(scene.cloud)
    for scene in scenes:
        scene.gone(scene.cloud)


# ----------------------------------------------------------------------------- account


@pytest.mark.parametrize(
    ("words", "may"),
    [
        ("get secrets", "yes"),
        ("list secrets", "no"),
        ("watch secrets", "no"),
        ("create secrets", "no"),
        ("update virtualmachines.hybridge.io", "no"),
        ("create virtualmachines.hybridge.io", "no"),
        ("delete virtualmachines.hybridge.io", "no"),
        ("create pods", "no"),
        ("list nodes", "no"),
        ("patch virtualmachines.hybridge.io --subresource=status", "yes"),
        ("get leases.coordination.k8s.io", "no"),
        (f"get leases.coordination.k8s.io -n {NAMESPACE}", "yes"),
    ],
)
def test_the_account_may_do_what_it_must_and_no_more(bed: OperatorBed, words: str, may: str) -> None:
    kubectl: list[str | Path] = [bed.lab.controlplane.kubectl, "auth", "can-i", *words.split()]
    done = subprocess.run(
        kubectl,
        env=clean_environment(bed.lab.controlplane.environment(bed.kubeconfig)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split()[0] == may


def test_it_runs_under_that_account(bed: OperatorBed) -> None:
    who = bed.lab.controlplane.kube("auth", "whoami", "-o", "json", kubeconfig=bed.kubeconfig)

    assert json.loads(who)["status"]["userInfo"]["username"] == f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"


# ------------------------------------------------------------------------ what it tells


def test_log_lines_are_json_with_object_and_provider_and_hold_no_secret(bed: OperatorBed, scenes: list[Scene]) -> None:
    canary = "canary-in-the-user-data"
    bed.apply(user_data(scenes[0], text=f"#cloud-config\nruncmd: [echo {canary}]\n"))
    for scene in scenes:
        init = {"userData": {"secretRef": {"name": "cloud-init", "key": "userData"}}}
        scene.apply(scene.cloud, cloudInit=init)
        scene.apply(f"no-{scene.cloud}", cloudInit=init, image={"id": "debian-99"})
        scene.apply(f"bad-{scene.cloud}", cloudInit=init, placement={"zone": "nowhere", "node": "nowhere"})
    for scene in scenes:
        scene.ready(scene.cloud)
        scene.wait(f"no-{scene.cloud}", "Synced", "False", "ImageNotFound")
        scene.wait(f"bad-{scene.cloud}", "Stalled", "True")

    lines = [json.loads(line) for line in bed.log().splitlines() if line.startswith("{")]
    namespace = scenes[0].namespace
    for scene in scenes:
        about = [line for line in lines if line["object"] == f"VirtualMachine/{namespace}/no-{scene.cloud}"]
        assert about, f"no line about no-{scene.cloud}"
        assert {line["provider"] for line in about} == {scene.provider}
    assert all({"time", "level", "logger", "message", "object", "provider"} <= line.keys() for line in lines)
    for line in lines:
        if namespace in line["message"]:
            assert line["object"], f"a line about a machine does not carry it: {line}"

    secrets = [value for cloud in CLOUDS for key, value in bed.lab.clouds[cloud].credentials.items() if _is_secret(key)]
    told = [bed.log(), bed.operator.metrics(), str(bed.objects("virtualmachines", namespace))]
    told += [str(bed.objects("events", namespace)), str(bed.objects("providers"))]
    for secret in (canary, *secrets):
        assert not [text for text in told if secret in text]
    for scene in scenes:
        scene.delete(f"no-{scene.cloud}")
        scene.delete(f"bad-{scene.cloud}")
    delete_all(scenes)


def test_metrics_have_the_families_of_the_contract_and_series_go_with_their_object(
    bed: OperatorBed, scenes: list[Scene]
) -> None:
    make_all(scenes)
    namespace = scenes[0].namespace

    known = families(bed.operator)
    assert {name: known.get(name) for name in FAMILIES} == FAMILIES
    for scene in scenes:
        labels = {"kind": "VirtualMachine", "namespace": namespace, "name": scene.cloud}
        assert value(bed.operator, "resource_ready", **labels) == 1
        assert value(bed.operator, "resource_synced", **labels) == 1
        assert value(bed.operator, "resource_info", **labels, provider=scene.provider) == 1
        assert value(bed.operator, "time_to_ready_seconds_count", provider=scene.provider) >= 1
        assert value(bed.operator, "provider_requests_total", provider=scene.provider) > 0

    delete_all(scenes)
    assert samples(bed.operator, namespace=namespace) == []


def test_health_and_readiness(bed: OperatorBed) -> None:
    assert requests.get(f"{bed.operator.url}/healthz", timeout=5).status_code == 200
    assert requests.get(f"{bed.operator.url}/readyz", timeout=5).status_code == 200


# ------------------------------------------------------------------------------ at rest


def test_at_rest_nothing_is_written_anywhere(bed: OperatorBed, scenes: list[Scene]) -> None:
    make_all(scenes)
    before = {scene.cloud: scene.body(scene.cloud) for scene in scenes}
    providers = {item["metadata"]["name"]: item["status"]["conditions"] for item in bed.objects("providers")}
    _sweeps(bed, 2)
    for proxy in bed.lab.proxies.values():
        proxy.reset_counts()
    writes = value(bed.operator, "kubernetes_writes_total", verb="PATCH")
    events = len(bed.objects("events", scenes[0].namespace))

    _sweeps(bed, 3)
    for scene in scenes:
        bed.apply(scene.manifest(scene.cloud))
    _sweeps(bed, 2)

    assert {cloud: proxy.mutating() for cloud, proxy in bed.lab.proxies.items()} == dict.fromkeys(CLOUDS, 0)
    assert value(bed.operator, "kubernetes_writes_total", verb="PATCH") == writes
    assert {scene.cloud: _without_managers(scene.body(scene.cloud)) for scene in scenes} == {
        cloud: _without_managers(body) for cloud, body in before.items()
    }
    assert {item["metadata"]["name"]: item["status"]["conditions"] for item in bed.objects("providers")} == providers
    assert len(bed.objects("events", scenes[0].namespace)) == events
    delete_all(scenes)


def test_specs_are_never_written(bed: OperatorBed, scenes: list[Scene]) -> None:
    make_all(scenes)

    for scene in scenes:
        metadata = scene.body(scene.cloud)["metadata"]
        assert metadata["generation"] == 1
        for entry in metadata["managedFields"]:
            if entry["manager"] != "lab":
                assert "f:spec" not in entry["fieldsV1"]
                assert "f:annotations" not in entry["fieldsV1"].get("f:metadata", {})
    delete_all(scenes)


# ------------------------------------------------------------------- beginning and end


def test_sigterm_ends_it_well_and_gives_the_lease_back(bed: OperatorBed) -> None:
    assert _holder(bed) == "first"

    bed.operator.stop()

    assert bed.operator.process.returncode == 0
    assert not _holder(bed)


def test_what_is_under_way_at_its_end_is_finished(bed: OperatorBed, scenes: list[Scene]) -> None:
    """Each creation takes longer than kopf would wait for it."""
    rules = {}
    for scene in scenes:
        proxy = bed.lab.proxies[scene.cloud]
        proxy.reset_counts()
        rules[scene.cloud] = proxy.inject(Rule(scene.person.calls.create, Delay(6), times=1))
        scene.apply(scene.cloud)
    for scene in scenes:
        proxy = bed.lab.proxies[scene.cloud]
        bed.wait_for(partial(_hit, proxy), "the creation to be under way")

    bed.operator.stop()

    assert bed.operator.process.returncode == 0
    for scene in scenes:
        assert len(scene.here()) == 1
    bed.operator.start().wait()
    for scene in scenes:
        scene.ready(scene.cloud)
        proxy = bed.lab.proxies[scene.cloud]
        assert proxy.counts()[scene.person.calls.create].requests == 1
        assert scene.here() == {scene.machine(scene.cloud).id}
        proxy.lift(rules[scene.cloud])
    delete_all(scenes)


def test_another_one_waits_in_reserve_and_takes_over(bed: OperatorBed, scenes: list[Scene]) -> None:
    make_all(scenes)
    ids = {scene.cloud: scene.machine(scene.cloud).id for scene in scenes}
    with _reserve(bed) as reserve:
        bed.wait_for(lambda: "another replica holds the Lease" in reserve.process.log.read_text(), "it to wait")
        assert requests.get(f"{reserve.url}/healthz", timeout=5).status_code == 200
        assert _holder(bed) == "first"

        bed.operator.stop()
        reserve.wait()
        assert _holder(bed) == "second"
        scenes[0].make("later")
        for scene in scenes:
            scene.change(scene.cloud, tags={"team": "shop"})
        for scene in scenes:
            scene.wait(scene.cloud, "Synced", "True")
        assert {scene.cloud: scene.machine(scene.cloud).id for scene in scenes} == ids
        reserve.stop()
    bed.operator.start().wait()
    delete_all(scenes)


def test_after_kill_9_it_goes_on_where_it_was(bed: OperatorBed, scenes: list[Scene]) -> None:
    make_all(scenes)
    statuses = {scene.cloud: scene.body(scene.cloud) for scene in scenes}
    for scene in scenes:
        scene.apply(f"new-{scene.cloud}")
    bed.operator.kill()
    for scene in scenes:
        scene.apply(f"more-{scene.cloud}")
    scenes[0].delete("aws")

    bed.operator.start().wait()

    for scene in scenes:
        scene.ready(f"new-{scene.cloud}")
        scene.ready(f"more-{scene.cloud}")
    scenes[0].gone("aws")
    for scene in scenes[1:]:
        assert scene.body(scene.cloud)["status"] == statuses[scene.cloud]["status"]
    for scene in scenes:
        names = [f"new-{scene.cloud}", f"more-{scene.cloud}"] + ([] if scene.cloud == "aws" else [scene.cloud])
        assert scene.here() == {scene.machine(name).id for name in names}
    assert list(bed.operator.temporary.iterdir()), "what a killed operator leaves lies elsewhere than in its bed"


def test_what_was_ready_stays_so_when_it_comes_back_to_a_dark_cloud(bed: OperatorBed, scenes: list[Scene]) -> None:
    (scene,) = (scene for scene in scenes if scene.cloud == "proxmox")
    ready = scene.make()
    proxy = bed.lab.proxies["proxmox"]
    bed.operator.kill()
    proxy.dark("refuse")
    try:
        bed.operator.start().wait()
        synced = scene.wait("web", "Synced", "False", "ProviderDown")
        body = scene.body()
    finally:
        proxy.light()

    assert "since 20" in synced["message"]
    assert condition_of(body, "Ready")["status"] == "True"
    kept = ("id", "phase", "powerState", "addresses", "cpus", "memory")
    assert {key: body["status"].get(key) for key in kept} == {key: ready["status"].get(key) for key in kept}
    scene.wait("web", "Synced", "True")
    scene.wait_provider("Ready", "True")
    assert scene.here() == {scene.machine().id}
    scene.delete()
    scene.gone()


def test_it_survives_a_restart_of_the_api_server(bed: OperatorBed, scenes: list[Scene]) -> None:
    make_all(scenes)
    process = bed.operator.process.pid
    apiserver = bed.lab.controlplane.apiserver

    apiserver.kill()
    apiserver.start().wait()

    for scene in scenes:
        scene.make(f"after-{scene.cloud}")
        assert scene.here() == {scene.machine(name).id for name in (scene.cloud, f"after-{scene.cloud}")}
    if not bed.operator.process.alive:
        pytest.fail(f"it ended with {bed.operator.process.returncode}: {bed.log_tail()}")
    assert bed.operator.process.pid == process
    bed.wait_for(lambda: requests.get(f"{bed.operator.url}/healthz", timeout=5).ok, "it to be healthy")


def test_without_the_crds_it_waits_and_says_so(tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "kubernetes") as controlplane:
        kubeconfig = make_account(controlplane)
        operator = Operator(tmp_path, kubeconfig, options=["--log-format", "json"])
        operator.start()
        try:
            _until_logged(operator, "kubectl apply --server-side -f crds/")
            assert requests.get(f"{operator.url}/readyz", timeout=5).status_code == 503
            controlplane.apply(ROOT / "crds")
            operator.wait()
        finally:
            operator.stop()
        assert operator.process.returncode == 0


def test_without_a_cluster_it_ends_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hybridge", "run", "--metrics-port", "0"],
        env=clean_environment({"PYTHONPATH": str(ROOT / "operator"), "HOME": str(tmp_path), "KUBECONFIG": ""}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert "KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------- private


def _is_secret(key: str) -> bool:
    return key in {"secretAccessKey", "tokenSecret", "password"}


def _hit(proxy: FaultControl) -> bool:
    return any(fault.hit for fault in proxy.faults())


def _without_managers(body: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: found for key, found in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": metadata}


def _sweeps(bed: OperatorBed, number: int) -> None:
    """Waits until the operator has looked at each cloud so many times from now on."""

    def seen(cloud: str) -> float:
        return value(bed.operator, "sweep_duration_seconds_count", provider=cloud)

    before = {cloud: seen(cloud) for cloud in CLOUDS}
    bed.wait_for(
        lambda: all(seen(cloud) >= before[cloud] + number for cloud in CLOUDS), f"{number} sweeps of each cloud", 120
    )


def _holder(bed: OperatorBed) -> str:
    lease = bed.api.get("lease", "hybridge", NAMESPACE)
    return str(lease["spec"].get("holderIdentity") or "") if lease else ""


@contextmanager
def _reserve(bed: OperatorBed) -> Iterator[Operator]:
    """A second operator, started and not yet ready; it is ended afterwards."""
    options = ["--log-format", "json", *bed.options, "--identity", "second"]
    operator = Operator(bed.folder, bed.kubeconfig, name="operator-reserve", options=options).start()
    try:
        yield operator
    finally:
        operator.stop()


def _until_logged(operator: Operator, words: str) -> None:
    deadline = time.monotonic() + 60
    while words not in operator.process.log.read_text():
        assert time.monotonic() < deadline, operator.process.tail()
        assert operator.process.alive, operator.process.tail()
        time.sleep(0.1)
