"""lab.json: believed only while the lab that wrote it lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import state
from lab.process import LabError
from lab.state import CloudState, KubernetesState, LabState, ProxyState

LAB = LabState(
    pid=1,
    ca="PEM",
    kubernetes=KubernetesState("https://127.0.0.1:1", "/k", "/kubectl", {"KUBECONFIG": "/k"}),
    clouds={"aws": CloudState("http://127.0.0.1:2", "http://127.0.0.1:3", {"accessKeyID": "x"}, {"accessKeyID": "y"})},
    proxies={"aws": ProxyState("http://127.0.0.1:2", "http://127.0.0.1:4")},
    processes={"etcd": 2},
)


def test_what_was_written_is_read_while_the_lab_lives(tmp_path: Path) -> None:
    with state.held(tmp_path):
        LAB.write(tmp_path)
        assert state.ready(tmp_path)
        assert state.read(tmp_path) == LAB
    assert not state.running(tmp_path)


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    LAB.write(tmp_path)
    assert (tmp_path / "lab.json").stat().st_mode & 0o077 == 0


def test_what_a_killed_lab_left_is_not_believed(tmp_path: Path) -> None:
    LAB.write(tmp_path)
    with pytest.raises(LabError, match="no lab runs"):
        state.read(tmp_path)
    with state.held(tmp_path), pytest.raises(LabError, match="not ready yet"):
        state.read(tmp_path)


def test_a_folder_has_one_lab(tmp_path: Path) -> None:
    with state.held(tmp_path), pytest.raises(LabError, match=r"runs in .* already"), state.held(tmp_path):
        pass
    with state.held(tmp_path):
        assert state.running(tmp_path)


def test_a_folder_without_a_lab_has_none_to_end(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no lab runs"):
        state.end(tmp_path / "nowhere")
