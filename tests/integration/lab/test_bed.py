"""The whole lab: composed, found by other processes, and gone when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import state
from lab.bed import CLOUDS, Lab
from lab.process import LabError, clean_environment


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), prometheus=False) as running:
        yield running


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "lab", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=clean_environment())


def test_another_process_finds_everything_in_the_state_file(lab: Lab) -> None:
    found = Lab.attach(lab.folder)
    assert set(found.clouds) == set(found.proxies) == set(CLOUDS)
    assert found.kubernetes.kubeconfig == str(lab.controlplane.kubeconfig)
    assert all(alive(pid) for pid in found.processes.values())
    for cloud in found.clouds.values():
        assert cloud.endpoint != cloud.direct
        assert cloud.credentials


def test_each_cloud_stands_behind_its_proxy(lab: Lab) -> None:
    assert (lab.aws.endpoint, lab.proxmox.endpoint, lab.vsphere.endpoint) == tuple(
        lab.state().clouds[name].direct for name in CLOUDS
    )
    for name in CLOUDS:
        assert lab.state().clouds[name].endpoint == lab.proxies[name].endpoint


def test_a_folder_has_one_lab_at_a_time(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"runs in .* already"):
        Lab(lab.folder)
    assert state.ready(lab.folder)


def test_a_lab_may_have_fewer_clouds(tmp_path: Path) -> None:
    with Lab(tmp_path, clouds=["proxmox"], proxies=False, prometheus=False) as small:
        found = Lab.attach(tmp_path)
        assert found.clouds["proxmox"].endpoint == small.proxmox.endpoint
        assert found.proxies == {}
        with pytest.raises(LabError, match="has no AwsCloud"):
            _ = small.aws


def test_the_command_line_starts_shows_and_ends_a_lab(tmp_path: Path) -> None:
    started = run("up", "--detach", "--cloud", "proxmox", "--folder", tmp_path)
    assert started.returncode == 0, started.stderr
    found = Lab.attach(tmp_path)
    try:
        assert found.kubernetes.url in run("status", "--folder", tmp_path).stdout
        assert f"export KUBECONFIG={found.kubernetes.kubeconfig}" in run("env", "--folder", tmp_path).stdout
        again = run("up", "--detach", "--cloud", "proxmox", "--folder", tmp_path)
        assert again.returncode == 1
        assert "already" in again.stderr
    finally:
        ended = run("down", "--folder", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert not any(alive(pid) for pid in found.processes.values())
    assert run("status", "--folder", tmp_path).returncode == 1


def test_the_command_line_refuses_a_cloud_that_it_does_not_know(tmp_path: Path) -> None:
    refused = run("up", "--cloud", "nimbus", "--folder", tmp_path)
    assert refused.returncode == 2
    assert "none of aws, proxmox, vsphere" in refused.stderr
    assert not state.running(tmp_path)
