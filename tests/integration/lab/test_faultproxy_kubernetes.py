"""A fault proxy before a real API server: accounts stay what they are, watches flow, and faults are the server's words."""

from __future__ import annotations

import base64
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from lab.controlplane import ControlPlane
from lab.faultproxy import Answer, Dark, Delay, FaultProxy, LoseAnswer, Past, Repeat, Reset, Rule
from lab.faultproxy_kubernetes import before, through
from lab.process import LabError
from tests.apiserver import ApiServer
from tests.integration.lab.faultproxy.small import eventually

CREATE = "PATCH /api/v1/namespaces/{name}"
WATCH = "WATCH /api/v1/namespaces/{namespace}/secrets"
EVENT = "EVENT"
SECRETS = "/api/v1/namespaces/*/secrets"
TOO_OLD = "the watch broke: The resourceVersion for the provided watch is too old."


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
        try:
            for kind, _ in api.watch("secret", name, where, since):
                self.events.put(kind)
        except urllib3.exceptions.HTTPError:
            self.events.put(None)
        except LabError as error:
            self.events.put(str(error))
        else:
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


# ------------------------------------------------------------------- what a watch tells


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule(f"{EVENT} MODIFIED {SECRETS}", Dark(), times=1), ["ADDED", "MODIFIED", "DELETED"]),
        (Rule(f"{EVENT} MODIFIED {SECRETS}", Repeat(), times=1), ["ADDED", *["MODIFIED"] * 3, "DELETED"]),
        (Rule(f"{EVENT} ADDED {SECRETS}", Delay(1.0), times=1), [*["MODIFIED"] * 2, "DELETED", "ADDED"]),
        (Rule(f"{EVENT} MODIFIED {SECRETS}", Answer(410), times=1, after=1), ["ADDED", "MODIFIED", TOO_OLD]),
        (Rule(f"{EVENT} DELETED {SECRETS}", Reset(), times=1), ["ADDED", *["MODIFIED"] * 2, None]),
        (Rule("*", Dark()), ["ADDED", *["MODIFIED"] * 2, "DELETED"]),
    ],
    ids=["untold", "twice", "late", "gone", "cut", "requests"],
)
def test_what_a_watch_tells_can_be_spoilt(
    proxy: FaultProxy, api: ApiServer, controlplane: ControlPlane, request: pytest.FixtureRequest,
    rule: Rule, told: list[str | None],
) -> None:  # fmt: skip
    where = f"told-{request.node.callspec.id}"
    direct = ApiServer(controlplane.kubeconfig)
    direct.apply(namespace(where))
    watching = Watching(api, "one", where)
    assert eventually(lambda: proxy.counts().get(WATCH) is not None)
    number = proxy.inject(rule)

    for text in ("0", "1", "2"):
        direct.apply({**secret("one", where), "stringData": {"key": text}})
    direct.delete("secret", "one", where)

    assert [watching.events.get(timeout=30) for _ in told] == told
    if rule.operation != "*":
        assert {one.id: one.hit for one in proxy.faults()} == {number: 1}


def test_the_first_answers_to_each_object_may_be_conflicts(proxy: FaultProxy, api: ApiServer) -> None:
    proxy.inject(Rule(CREATE, Answer(409), times=2, each=True))

    def refused(name: str) -> bool:
        try:
            api.apply(namespace(name))
        except LabError as error:
            return "modified" in str(error)
        return False

    assert [refused(name) for name in ("a", "b", "a", "b", "a", "b")] == [*[True] * 4, *[False] * 2]


def test_reads_travel_back_in_time_and_writes_do_not(proxy: FaultProxy, api: ApiServer) -> None:
    api.apply(namespace("past"))
    proxy.inject(Rule("*", Past()))
    read = []
    for text in ("1", "2", "3"):
        api.apply({**secret("one", "past"), "stringData": {"key": text}})
        body = api.get("secret", "one", "past")
        assert body is not None
        read.append(base64.b64decode(body["data"]["key"]).decode())

    assert read == ["1"] * 3
    assert [(entry.mutating, entry.fault) for entry in proxy.log()][-4:] == [(True, ""), (False, "past")] * 2
