"""A fault proxy's made-up answers, read by each cloud's own client."""

from __future__ import annotations

import http.client
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from lab.faultproxy import Answer, Cloud, FaultProxy, Rule

# These libraries have no types: imported by name, they are Any.
boto3 = importlib.import_module("boto3")
botocore_config = importlib.import_module("botocore.config")
botocore_exceptions = importlib.import_module("botocore.exceptions")
pyvmomi = importlib.import_module("pyVmomi")

#: The cloud behind is never asked.
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FaultProxy]:
    cloud: Cloud = request.param
    with FaultProxy(tmp_path, cloud, cloud, NOWHERE) as proxy:
        yield proxy


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.mark.parametrize("proxy", ["aws"], indirect=True)
def test_boto3_reads_error_codes_and_empty_lists(proxy: FaultProxy) -> None:
    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=proxy.endpoint,
            region_name="eu-central-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            config=botocore_config.Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    ec2, sts = client("ec2"), client("sts")
    proxy.inject(Rule("ec2:DescribeVolumes", Answer(503, code="RequestLimitExceeded"), times=1))
    proxy.inject(Rule("ec2:DescribeVolumes", Answer(200)))
    proxy.inject(Rule("sts:*", Answer(403)))

    with pytest.raises(botocore_exceptions.ClientError) as throttled:
        ec2.describe_volumes()
    assert throttled.value.response["Error"]["Code"] == "RequestLimitExceeded"
    assert throttled.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert ec2.describe_volumes()["Volumes"] == []
    with pytest.raises(botocore_exceptions.ClientError) as denied:
        sts.get_caller_identity()
    assert denied.value.response["Error"]["Code"] == "AccessDenied"


@pytest.mark.parametrize("proxy", ["proxmox"], indirect=True)
def test_proxmox_says_it_in_the_reason_phrase(proxy: FaultProxy, session: requests.Session) -> None:
    proxy.inject(Rule("GET /nodes/{node}/qemu/*", Answer(500, message="no such VM ('100')")))
    proxy.inject(Rule("POST /nodes/{node}/qemu", Answer(400)))
    proxy.inject(Rule("GET /nodes", Answer(200)))
    url = f"{proxy.endpoint}/api2/json/nodes"

    missing = session.get(f"{url}/pve1/qemu/100/config", timeout=60)

    assert (missing.status_code, missing.reason, missing.json()["data"]) == (500, "no such VM ('100')", None)
    assert "vmid" in session.post(f"{url}/pve1/qemu", timeout=60).json()["errors"]
    assert session.get(url, timeout=60).json() == {"data": []}


@pytest.mark.parametrize("proxy", ["vsphere"], indirect=True)
def test_pyvmomi_reads_faults_and_statuses(proxy: FaultProxy) -> None:
    address = urlsplit(proxy.endpoint)
    # A negative port means plain HTTP to pyvmomi.
    stub = pyvmomi.SoapStubAdapter(address.hostname, -int(address.port or 0), path="/sdk")
    instance = pyvmomi.vim.ServiceInstance("ServiceInstance", stub)
    for answer in (Answer(500, code="NoPermission"), Answer(500), Answer(503)):
        proxy.inject(Rule("CurrentTime", answer, times=1))

    with pytest.raises(pyvmomi.vim.fault.NoPermission) as denied:
        instance.CurrentTime()
    assert denied.value.privilegeId == "System.View"
    with pytest.raises(pyvmomi.vmodl.fault.SystemError):
        instance.CurrentTime()
    with pytest.raises(http.client.HTTPException, match="503"):
        instance.CurrentTime()
    assert proxy.mutating() == 0


@pytest.mark.parametrize("proxy", ["vsphere"], indirect=True)
def test_vsphere_rest_errors_come_as_json(proxy: FaultProxy, session: requests.Session) -> None:
    proxy.inject(Rule("* /*", Answer(403)))

    assert session.get(f"{proxy.endpoint}/api/vcenter/vm", timeout=60).json()["error_type"] == "UNAUTHORIZED"
    assert session.get(f"{proxy.endpoint}/rest/vcenter/vm", timeout=60).json()["type"].endswith(".unauthorized")
