"""Orders to a running fault proxy from the command line."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import requests
import typer.testing

from lab.faultproxy import Delay, FaultProxy, Rule
from lab.faultproxy_cli import app
from tests.integration.lab.faultproxy.small import RUN, Client, SmallCloud


def test_the_command_line_orders_the_running_proxy(
    tmp_path: Path, client: Client, proxy: FaultProxy, small_cloud: SmallCloud
) -> None:
    state = tmp_path / "lab.json"
    addresses = {"endpoint": proxy.endpoint, "control": proxy.control}
    state.write_bytes(msgspec.json.encode({"proxies": {"aws": addresses}, "others": 1}))

    def fault(*words: str, cloud: str = "aws") -> typer.testing.Result:
        return typer.testing.CliRunner().invoke(app, ["--state", str(state), cloud, *words], env={"COLUMNS": "200"})

    assert fault("lose", "503", "-o", RUN, "--times", "1").exit_code == 0
    assert client.act("RunInstances").status_code == 503
    assert len(small_cloud.seen) == 1
    assert "lose_answer" in fault("list").stdout
    assert RUN in fault("counts", "--reset").stdout
    assert proxy.total() == 0
    assert fault("answer", "403", "--code", "Denied").exit_code == 0
    assert "Denied" in client.act("RunInstances").text
    assert fault("clear").exit_code == 0
    assert fault("delay", "0.01", "--after", "2").exit_code == 0
    (active,) = proxy.faults()
    assert active.rule == Rule("*", Delay(0.01), after=2)
    assert fault("clear", str(active.id)).exit_code == 0
    assert proxy.faults() == []
    assert fault("dark", "--refuse").exit_code == 0
    with pytest.raises(requests.ConnectionError):
        client.act("RunInstances")
    assert fault("light").exit_code == 0
    assert client.act("RunInstances").status_code == 200

    unknown = fault("list", cloud="azure")
    assert (unknown.exit_code, "the lab has no cloud azure" in unknown.output) == (1, True)
