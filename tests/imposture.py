"""An endpoint that leads to another account, cluster or vCenter from one moment to the next, with nothing else changed."""

from __future__ import annotations

import json
import re
import ssl
import urllib.request
from collections.abc import Mapping

from lab.aws import REGION
from lab.bed import SimulatedCloud
from lab.faultproxy import Answer, Cloud, Rule
from lab.pki import Authority

_STS = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::111122223333:user/operator</Arn><UserId>AIDAOPERATOR</UserId><Account>111122223333</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
_MEMBERS: list[dict[str, object]] = [
    {"type": "cluster", "name": "another", "id": "cluster", "nodes": 1, "quorate": 1, "version": 1},
    {"type": "node", "name": "pve1", "id": "node/pve1", "nodeid": 1, "online": 1, "local": 1, "ip": "192.0.2.1"},
]
_WHO_ARE_YOU = (
    b'<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><RetrieveServiceContent xmlns="urn:vim25">'
    b'<_this type="ServiceInstance">ServiceInstance</_this></RetrieveServiceContent></Body></Envelope>'
)
_VCENTER = "5f1cd1a4-0000-4000-8000-000000000000"
#: The identity that ``rule`` lends to an endpoint.
IDENTITIES: Mapping[str, str] = {
    "aws": f"aws:111122223333:{REGION}",
    "proxmox": "proxmox:another",
    "vsphere": f"vsphere:{_VCENTER}",
}


def rule(kind: Cloud, cloud: SimulatedCloud, authority: Authority) -> Rule:
    """For the fault proxy: whoever asks the cloud who it is hears the name of another. Everything else goes on as it was."""
    match kind:
        case "aws":
            return Rule("sts:GetCallerIdentity", Answer(200, body=_STS, headers={"Content-Type": "text/xml"}))
        case "proxmox":
            return Rule("GET /cluster/status", Answer(200, body=json.dumps({"data": _MEMBERS})))
        case "vsphere":
            content = _service_content(cloud.endpoint, authority)
            other = re.sub(r"<instanceUuid>[^<]*<", f"<instanceUuid>{_VCENTER}<", content)
            return Rule("RetrieveServiceContent", Answer(200, body=other, headers={"Content-Type": "text/xml"}))


def _service_content(endpoint: str, authority: Authority) -> str:
    """What a vCenter tells of itself to anybody."""
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": "urn:vim25"}
    request = urllib.request.Request(f"{endpoint}/sdk", data=_WHO_ARE_YOU, headers=headers)
    context = ssl.create_default_context(cafile=str(authority.bundle))
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with urllib.request.build_opener(*handlers).open(request, timeout=30) as answer:
        return str(answer.read().decode())
