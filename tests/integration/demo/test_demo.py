"""``make demo`` as its users run it: a process, its output, its exit code, and what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from lab import state
from lab.bed import CLOUDS
from lab.controlplane import HOUSEKEEPING, ControlPlane
from lab.process import clean_environment

ROOT = Path(__file__).parents[3]
PATIENCE = 200.0


def environment(**extra: str) -> dict[str, str]:
    return clean_environment({"PYTHONPATH": f"{ROOT}:{ROOT / 'operator'}", **extra})


def lab(folder: Path, *words: str) -> str:
    argv = [sys.executable, "-m", "lab", *words[:1], "--folder", str(folder), *words[1:]]
    return subprocess.run(argv, env=environment(), cwd=ROOT, capture_output=True, text=True, check=True).stdout


def applied() -> list[str]:
    """The kinds of what is applied besides Providers and Secrets."""
    files = [file for cloud in CLOUDS for file in (ROOT / "examples" / cloud).glob("*.yaml")]
    kinds = [document["kind"] for file in files for document in yaml.safe_load_all(file.read_text())]
    return [kind for kind in kinds if kind != "Secret"]


@contextmanager
def demo(folder: Path, *words: str, **extra: str) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """A demo and what it has said so far."""
    output = folder.with_suffix(".txt")
    with output.open("wb") as file:
        argv = [sys.executable, "-m", "lab.demo", "--folder", str(folder), *words]
        process = subprocess.Popen(argv, env=environment(**extra), cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
        try:
            yield process, output.read_text
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait()


def wait_for(condition: Callable[[], object], told: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.2)


def test_with_exit_it_ends_by_itself_in_plain_lines_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "lab"

    with demo(folder, "--exit") as (process, told):
        code = process.wait()

    assert code == 0, told()
    assert f"All {len(CLOUDS) + len(applied())} objects are Ready" in told()
    assert "Each cloud held exactly what was asked for, and holds nothing of it after the deletion." in told()
    assert "\x1b" not in told()
    assert not state.running(folder)
    assert not Path("/proc", (folder / "operator.pid").read_text().strip()).exists()


def test_a_cluster_named_on_purpose_serves_and_is_left_as_it_was(tmp_path: Path) -> None:
    inherited = tmp_path / "inherited.kubeconfig"
    inherited.write_text("nobody may read or write this")

    with ControlPlane(tmp_path / "cluster", controllers=HOUSEKEEPING) as cluster:

        def present() -> set[str]:
            kinds = "customresourcedefinitions,namespaces,clusterroles,clusterrolebindings"
            return set(cluster.kube("get", kinds, "--output=name").split())

        kubeconfig = cluster.kubeconfig.read_text()
        before = present()
        words = ("--exit", "--cluster", str(cluster.kubeconfig))
        with demo(tmp_path / "lab", *words, KUBECONFIG=str(inherited)) as (process, told):
            code = process.wait()

        assert code == 0, told()
        assert present() == before
        assert cluster.kubeconfig.read_text() == kubeconfig
    assert inherited.read_text() == "nobody may read or write this"


def test_a_cluster_that_has_hybridge_already_is_refused_and_untouched(tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "cluster") as cluster:
        cluster.apply(ROOT / "crds")

        with demo(tmp_path / "lab", "--exit", "--cluster", str(cluster.kubeconfig)) as (process, told):
            code = process.wait()

        assert code == 1
        assert re.search(r"this cluster has .*hybridge\.io already", told())
        assert "namespace/demo-" not in cluster.kube("get", "namespaces", "--output=name")


def test_it_stays_and_what_a_person_does_shows_until_ctrl_c(tmp_path: Path) -> None:
    folder = tmp_path / "lab"

    with demo(folder) as (process, told):
        wait_for(lambda: "Ctrl-C ends the demo" in told() or process.poll() is not None, told)
        kubernetes = state.read(folder).kubernetes

        def kubectl(*words: str) -> str:
            argv = [kubernetes.kubectl, *words]
            every = environment(**kubernetes.environment)
            return subprocess.run(argv, env=every, capture_output=True, text=True, check=True).stdout

        web = json.loads(kubectl("get", "hvm", "web-1", "--namespace=demo-aws", "--output=json"))["status"]["id"]
        lab(folder, "person", "aws", "destroy", web)
        wait_for(lambda: f"{web} is gone from the cloud" in told(), told)
        os.kill(int((folder / "operator.pid").read_text()), signal.SIGKILL)
        wait_for(lambda: "The operator was killed by signal 9; started again." in told(), told)
        process.send_signal(signal.SIGINT)
        code = process.wait()

    assert code == 0, told()
    assert "Ending." in told()
    assert not state.running(folder)
