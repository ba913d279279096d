"""How a fault proxy names what a request asks for."""

from __future__ import annotations

import pytest

from lab.faultproxy_operations import Api, Operation, identify

FORM = "application/x-www-form-urlencoded"
ITEM, UUID = "/api/content/library/item", "11111111-2222-4333-8444-555555555555"
OURS = "/apis/hybridge.io/v1alpha1"


@pytest.mark.parametrize(
    ("api", "method", "target", "body", "named"),
    [
        ("aws", "POST", "/", b"Action=RunInstances&Version=1", Operation("ec2:RunInstances", True)),
        ("aws", "POST", "/", b"Version=1&Action=DescribeVpcs", Operation("ec2:DescribeVpcs", False)),
        ("aws", "POST", "/", b"Action=RunInstances&DryRun=true", Operation("ec2:RunInstances:DryRun", False)),
        ("aws", "POST", "/", b"Action=RunInstances&DryRun=false", Operation("ec2:RunInstances", True)),
        ("aws", "GET", "/?Action=ListThings", b"", Operation("ec2:ListThings", False)),
        ("aws", "POST", "/moto-api/reset", b"", Operation("POST /moto-api/reset", True)),
        ("proxmox", "GET", "/api2/json/cluster/resources?type=vm", b"", Operation("GET /cluster/resources", False)),
        (
            "proxmox",
            "POST",
            "/api2/json/nodes/a/qemu/1/clone",
            b"",
            Operation("POST /nodes/{node}/qemu/{vmid}/clone", True),
        ),
        (
            "proxmox",
            "GET",
            "/api2/json/nodes/a/tasks/UPID:a:00:00:6:qmclone:1:root@pam:/status",
            b"",
            Operation("GET /nodes/{node}/tasks/{upid}/status", False),
        ),
        (
            "proxmox",
            "DELETE",
            "/api2/json/nodes/a/storage/local/content/local:backup/vzdump-qemu-1.vma",
            b"",
            Operation("DELETE /nodes/{node}/storage/{storage}/content/{volume}", True),
        ),
        (
            "proxmox",
            "POST",
            "/api2/json/nodes/a/qemu/1/snapshot/s1/rollback",
            b"",
            Operation("POST /nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback", True),
        ),
        ("proxmox", "POST", "/api2/json/access/ticket", b"", Operation("POST /access/ticket", False)),
        ("proxmox", "PUT", "/api2/json/pools/p", b"", Operation("PUT /pools/{poolid}", True)),
        (
            "proxmox",
            "POST",
            "/api2/json/cluster/firewall/groups",
            b"group=web&rename=web&comment=x",
            Operation("POST /cluster/firewall/groups:rename", True),
        ),
        ("vsphere", "GET", "/api/vcenter/vm/vm-12", b"", Operation("GET /api/vcenter/vm/{id}", False)),
        (
            "vsphere",
            "POST",
            "/api/vcenter/vm/vm-12/power?action=start",
            b"",
            Operation("POST /api/vcenter/vm/{id}/power?start", True),
        ),
        (
            "vsphere",
            "POST",
            "/rest/com/vmware/cis/tagging/tag-association?~action=list-attached-tags",
            b"",
            Operation("POST /rest/com/vmware/cis/tagging/tag-association?list-attached-tags", False),
        ),
        ("vsphere", "POST", "/api/session", b"", Operation("POST /api/session", False)),
        (
            "vsphere",
            "POST",
            "/api/content/library?action=find",
            b"{}",
            Operation("POST /api/content/library?find", False),
        ),
        ("vsphere", "POST", "/api/content/library/item", b"{}", Operation("POST /api/content/library/item", True)),
        ("vsphere", "DELETE", f"{ITEM}/{UUID}", b"", Operation(f"DELETE {ITEM}/{{id}}", True)),
        ("vsphere", "GET", f"{ITEM}/{UUID}", b"", Operation(f"GET {ITEM}/{{id}}", False)),
        (
            "vsphere",
            "POST",
            f"{ITEM}/update-session/{UUID}?action=complete",
            b"",
            Operation(f"POST {ITEM}/update-session/{{id}}?complete", True),
        ),
        (
            "vsphere",
            "POST",
            f"/api/vcenter/ovf/library-item/{UUID}?action=deploy",
            b"{}",
            Operation("POST /api/vcenter/ovf/library-item/{id}?deploy", True),
        ),
        ("vsphere", "GET", "/folder/vm/vm.vmx?dsName=ds", b"", Operation("GET /folder/{file}", False)),
        (
            "kubernetes",
            "PATCH",
            f"{OURS}/namespaces/shop/virtualmachines/web/status",
            b"",
            Operation(f"PATCH {OURS}/namespaces/{{namespace}}/virtualmachines/{{name}}/status", True),
        ),
        (
            "kubernetes",
            "GET",
            f"{OURS}/virtualmachines?watch=true&resourceVersion=7",
            b"",
            Operation(f"WATCH {OURS}/virtualmachines", False),
        ),
        ("kubernetes", "GET", f"{OURS}/providers?limit=1", b"", Operation(f"GET {OURS}/providers", False)),
        ("kubernetes", "GET", f"{OURS}/providers/watch", b"", Operation(f"GET {OURS}/providers/{{name}}", False)),
        (
            "kubernetes",
            "GET",
            "/api/v1/namespaces/kube-system",
            b"",
            Operation("GET /api/v1/namespaces/{name}", False),
        ),
        (
            "kubernetes",
            "POST",
            "/api/v1/namespaces/shop/events",
            b"",
            Operation("POST /api/v1/namespaces/{namespace}/events", True),
        ),
        (
            "kubernetes",
            "PATCH",
            f"{OURS}/providers/aws?dryRun=All&fieldManager=me",
            b"",
            Operation(f"PATCH {OURS}/providers/{{name}}:DryRun", False),
        ),
        (
            "kubernetes",
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            b"",
            Operation("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", False),
        ),
        ("kubernetes", "GET", "/readyz?verbose", b"", Operation("GET /readyz", False)),
    ],
)
def test_operations_are_named_without_identifiers(
    api: Api, method: str, target: str, body: bytes, named: Operation
) -> None:
    found = identify(api, method, target, {"Content-Type": FORM}, body)
    assert found == named
    assert found.streams is ("watch=true" in target)


def test_aws_services_are_told_apart_by_the_signature() -> None:
    headers = {
        "Content-Type": FORM,
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/sts/aws4_request, SignedHeaders=host",
    }
    assert identify("aws", "POST", "/", headers, b"Action=GetCallerIdentity") == ("sts:GetCallerIdentity", False)
    headers["X-Amz-Target"] = "AmazonSSM.PutParameter"
    assert identify("aws", "POST", "/", headers, b"{}") == ("sts:PutParameter", True)


@pytest.mark.parametrize(
    ("method", "mutating"),
    [
        ("CloneVM_Task", True),
        ("ReconfigVM_Task", True),
        ("PowerOnVM_Task", True),
        ("Destroy_Task", True),
        ("CreateFolder", True),
        ("CreateSnapshot_Task", True),
        ("SetCustomValue", True),
        ("CancelTask", True),
        ("Rename_Task", True),
        ("RetrievePropertiesEx", False),
        ("RetrieveServiceContent", False),
        ("ContinueRetrievePropertiesEx", False),
        ("WaitForUpdatesEx", False),
        ("CancelWaitForUpdates", False),
        ("CreateFilter", False),
        ("CreateContainerView", False),
        ("DestroyView", False),
        ("FindByUuid", False),
        ("HasPrivilegeOnEntities", False),
        ("Login", False),
        ("Logout", False),
        ("SessionIsActive", False),
        ("QueryPerf", False),
        ("PbmQueryProfile", False),
        ("VslmListVStorageObjectForSpec", False),
        ("VslmCreateDisk_Task", True),
        ("PbmCreate", True),
    ],
)
def test_soap_methods_are_named_by_the_body(method: str, mutating: bool) -> None:
    body = f'<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Header/><s:Body>\n<{method} xmlns="urn:vim25"><_this/>'
    assert identify("vsphere", "POST", "/sdk", {"Content-Type": "text/xml"}, body.encode()) == (method, mutating)
