"""A fault proxy before a real API server: accounts stay what they are, watches flow, and faults are the server's words."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from lab.controlplane import ControlPlane
from lab.faultproxy import Answer, Dark, FaultProxy, LoseAnswer, Rule
from lab.faultproxy_kubernetes import before, through
from lab.process import LabError
from tests.apiserver import ApiServer

CREATE = "PATCH /api/v1/namespaces/{name}"
WATCH = "WATCH /api/v1/namespaces/{namespace}/secrets"


@pytest.fixture(scope="module")
def controlplane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("controlplane")) as running:
        yield running


@pytest.fixture(scope="module")
def running(controlplane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    with before(controlplane, tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture
def proxy(running: FaultProxy) -> FaultProxy:
    running.light()
    running.clear()
    running.reset_counts()
    return running


@pytest.fixture
def led(proxy: FaultProxy, controlplane: ControlPlane) -> Path:
    """The admin's kubeconfig, through the proxy."""
    return through(proxy, controlplane.kubeconfig)


@pytest.fixture
def api(led: Path) -> ApiServer:
    return ApiServer(led)


def namespace(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def secret(name: str, where: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": where}}


class Watching:
    """A watch of one Secret in a thread; names of events come out of ``events``, None when it ended."""

    def __init__(self, api: ApiServer, name: str, where: str) -> None:
        self.events: queue.Queue[str | None] = queue.Queue()
        since, _ = api.present("secret", name, where)
        self._thread = threading.Thread(target=self._run, args=(api, name, where, since), daemon=True)
        self._thread.start()

    def _run(self, api: ApiServer, name: str, where: str, since: str) -> None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            for kind, _ in api.watch("secret", name, where, since):
                self.events.put(kind)
        self.events.put(None)


def test_accounts_and_requests_pass_with_names_that_hold_no_identifiers(
    proxy: FaultProxy, controlplane: ControlPlane, led: Path
) -> None:
    controlplane.kube("create", "namespace", "pass", kubeconfig=led)

    assert controlplane.kube("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}", kubeconfig=led) == "admin"
    counts = proxy.counts()
    assert (counts["POST /api/v1/namespaces"].mutating, counts["POST /api/v1/namespaces"].statuses) == (True, {201: 1})
    asked = counts["POST /apis/authentication.k8s.io/v1/selfsubjectreviews"]
    assert not asked.mutating
    assert not any("pass" in name for name in counts)


def test_events_of_a_watch_come_while_it_is_open(proxy: FaultProxy, api: ApiServer) -> None:
    api.apply(namespace("watch"))
    watching = Watching(api, "one", "watch")

    for number in range(3):
        api.apply({**secret("one", "watch"), "stringData": {"key": str(number)}})
        assert watching.events.get(timeout=30) == ("MODIFIED" if number else "ADDED")

    counts = proxy.counts()
    assert (counts[WATCH].requests, counts[WATCH].mutating, counts[WATCH].statuses) == (1, False, {})
    proxy.dark("refuse")
    assert watching.events.get(timeout=30) is None


def test_a_watch_falls_silent_in_the_dark_and_breaks_afterwards(
    proxy: FaultProxy, api: ApiServer, controlplane: ControlPlane
) -> None:
    api.apply(namespace("dark"))
    watching = Watching(api, "one", "dark")
    api.apply(secret("one", "dark"))
    assert watching.events.get(timeout=30) == "ADDED"

    proxy.dark()
    ApiServer(controlplane.kubeconfig).apply({**secret("one", "dark"), "stringData": {"key": "unseen"}})
    with pytest.raises(queue.Empty):
        watching.events.get(timeout=0.5)
    proxy.light()

    assert watching.events.get(timeout=30) is None


def test_a_lost_answer_took_effect(proxy: FaultProxy, api: ApiServer, controlplane: ControlPlane) -> None:
    proxy.inject(Rule(CREATE, LoseAnswer("500"), times=1))

    with pytest.raises(LabError, match="Internal error"):
        api.apply(namespace("lost"))

    assert ApiServer(controlplane.kubeconfig).get("namespace", "lost", "") is not None


def test_a_watch_can_be_kept_from_coming_about(proxy: FaultProxy, api: ApiServer) -> None:
    api.apply(namespace("held"))
    proxy.inject(Rule(WATCH, Dark(), times=1))
    held = Watching(api, "one", "held")
    api.apply(secret("one", "held"))

    with pytest.raises(queue.Empty):
        held.events.get(timeout=0.5)
    assert proxy.counts()[WATCH].forwarded == 0
    proxy.clear()
    # The connection broke, and urllib3 asked once more.
    assert held.events.get(timeout=30) == "ADDED"


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "Forbidden"), (409, "Conflict"), (500, "InternalError"), (503, "ServiceUnavailable")]
)
def test_refusals_are_said_as_the_api_server_says_them(
    proxy: FaultProxy, controlplane: ControlPlane, led: Path, status: int, reason: str
) -> None:
    proxy.inject(Rule("POST /api/v1/namespaces", Answer(status, message="because of the test"), times=1))

    with pytest.raises(LabError, match=rf"\({reason}\).*because of the test"):
        controlplane.kube("create", "namespace", "refused", kubeconfig=led)
