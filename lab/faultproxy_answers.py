"""What each cloud itself says with a status: bodies for answers that a rule makes up.

The shapes are those of EC2's and the other AWS query services' error XML, of pve-http-server's JSON with the message
as reason phrase, and of vCenter's SOAP faults; other statuses in front of vCenter's SOAP come from its reverse proxy,
as text. The API server's are ``Status`` objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from xml.sax.saxutils import escape

import msgspec

from lab.faultproxy_operations import Api, Operation

_EC2_CODES = {
    400: ("InvalidParameterValue", "Invalid value for a parameter"),
    401: ("AuthFailure", "AWS was not able to validate the provided access credentials"),
    403: ("UnauthorizedOperation", "You are not authorized to perform this operation."),
    404: ("InvalidInstanceID.NotFound", "The instance ID does not exist"),
    429: ("RequestLimitExceeded", "Request limit exceeded."),
    500: ("InternalError", "An internal error has occurred"),
    503: ("Unavailable", "The service is unavailable. Please try again shortly."),
}
#: EC2 sends a list without elements as an empty element, and boto3 knows the list only by it.
_EC2_LISTS = {
    "DescribeAddresses": "addressesSet",
    "DescribeAvailabilityZones": "availabilityZoneInfo",
    "DescribeImages": "imagesSet",
    "DescribeInstanceStatus": "instanceStatusSet",
    "DescribeInstanceTypes": "instanceTypeSet",
    "DescribeInstances": "reservationSet",
    "DescribeInternetGateways": "internetGatewaySet",
    "DescribeKeyPairs": "keySet",
    "DescribeNetworkInterfaces": "networkInterfaceSet",
    "DescribeRegions": "regionInfo",
    "DescribeRouteTables": "routeTableSet",
    "DescribeSecurityGroups": "securityGroupInfo",
    "DescribeSnapshots": "snapshotSet",
    "DescribeSubnets": "subnetSet",
    "DescribeTags": "tagSet",
    "DescribeVolumes": "volumeSet",
    "DescribeVolumesModifications": "volumeModificationSet",
    "DescribeVpcs": "vpcSet",
}
_AWS_CODES = {
    400: ("ValidationError", "The request is not valid"),
    401: ("InvalidClientTokenId", "The security token included in the request is invalid."),
    403: ("AccessDenied", "You are not authorized to perform this operation."),
    404: ("ResourceNotFound", "The resource does not exist"),
    429: ("Throttling", "Rate exceeded"),
    500: ("InternalFailure", "An internal error has occurred"),
    503: ("ServiceUnavailable", "The service is unavailable. Please try again shortly."),
}
_PVE_MESSAGES = {
    400: "Parameter verification failed.",
    401: "authentication failure",
    403: "Permission check failed",
    500: "got timeout",
    595: "Connection refused",
    596: "Connection timed out",
}
#: Types of faults that carry more than a reason, and what they carry.
_SOAP_DETAILS = {
    "NoPermission": '<object type="Folder">group-d1</object><privilegeId>System.View</privilegeId>',
    "NotAuthenticated": '<object type="Folder">group-d1</object><privilegeId>System.View</privilegeId>',
    "ManagedObjectNotFound": '<obj type="VirtualMachine">vm-0</obj>',
    "InvalidArgument": "<invalidProperty>spec</invalidProperty>",
    "SystemError": "<reason>vpxd</reason>",
}
_VAPI_ERRORS = {
    400: "invalid_argument",
    401: "unauthenticated",
    403: "unauthorized",
    404: "not_found",
    429: "resource_busy",
    500: "internal_server_error",
    503: "service_unavailable",
}
#: Reasons of metav1.Status and its usual words.
_KUBERNETES_REASONS = {
    400: ("BadRequest", "the request is invalid"),
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "forbidden"),
    404: ("NotFound", "the server could not find the requested resource"),
    409: ("Conflict", "the object has been modified; please apply your changes to the latest version and try again"),
    410: ("Expired", "The resourceVersion for the provided watch is too old."),
    422: ("Invalid", "the object is invalid"),
    429: ("TooManyRequests", "too many requests, please try again later"),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}
_REQUEST_ID = "00000000-0000-4000-8000-00000000fa17"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that no cloud gave."""

    status: int
    body: bytes
    content_type: str
    reason: str
    headers: dict[str, str] = field(default_factory=dict)


def reply(api: Api, operation: Operation, status: int, *, code: str | None, message: str | None) -> Reply:
    """What ``api`` would say to ``operation`` with ``status``; below 400 an answer without content."""
    if api == "aws":
        return _aws(operation, status, code, message)
    if api == "proxmox":
        return _proxmox(operation, status, message)
    if api == "kubernetes":
        return _kubernetes(status, code, message)
    if " " in operation.name:
        return _vapi(operation, status, code, message)
    return _soap(operation, status, code, message)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _aws(operation: Operation, status: int, code: str | None, message: str | None) -> Reply:
    service, _, rest = operation.name.partition(":")
    if status < 400:
        action = rest.partition(":")[0]
        inner = f"<requestId>{_REQUEST_ID}</requestId>" + (f"<{_EC2_LISTS[action]}/>" if action in _EC2_LISTS else "")
        if service != "ec2":
            inner = f"<{action}Result/><ResponseMetadata><RequestId>{_REQUEST_ID}</RequestId></ResponseMetadata>"
        text = f"<{action}Response>{inner}</{action}Response>"
    else:
        codes = _EC2_CODES if service == "ec2" else _AWS_CODES
        usual, sentence = codes.get(status, ("InternalError", _phrase(status)))
        error = f"<Code>{escape(code or usual)}</Code><Message>{escape(message or sentence)}</Message>"
        if service == "ec2":
            errors = f"<Errors><Error>{error}</Error></Errors><RequestID>{_REQUEST_ID}</RequestID>"
            text = f"<Response>{errors}</Response>"
        else:
            kind = "Sender" if status < 500 else "Receiver"
            text = f"<ErrorResponse><Error><Type>{kind}</Type>{error}</Error><RequestId>{_REQUEST_ID}</RequestId>"
            text += "</ErrorResponse>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Reply(status, body, "text/xml;charset=UTF-8", _phrase(status))


def _proxmox(operation: Operation, status: int, message: str | None) -> Reply:
    content: dict[str, object]
    if status < 400:
        content = {"data": [] if operation.name.startswith("GET") else None}
        reason = _phrase(status)
    else:
        said = message or _PVE_MESSAGES.get(status, _phrase(status))
        content = {"data": None, "message": f"{said}\n"}
        if status == 400:
            content["errors"] = {"vmid": said}
        reason = said.splitlines()[0]
    return Reply(status, msgspec.json.encode(content), "application/json;charset=UTF-8", reason)


def _soap(operation: Operation, status: int, code: str | None, message: str | None) -> Reply:
    if status >= 400 and status != HTTPStatus.INTERNAL_SERVER_ERROR:
        said = (
            message
            or f"{status} {_phrase(status)} (Failed to connect to endpoint: [N7Vmacore4Http20NamedPipeServiceE])"
        )
        return Reply(status, said.encode(), "text/plain; charset=utf-8", _phrase(status))
    if status < 400:
        inner = f'<{operation.name}Response xmlns="urn:vim25"/>'
    else:
        fault = code or "SystemError"
        said = message or "A general system error occurred: vpxd"
        inner = (
            "<soapenv:Fault><faultcode>ServerFaultCode</faultcode>"
            f"<faultstring>{escape(said)}</faultstring>"
            f'<detail><{fault}Fault xmlns="urn:vim25" xsi:type="{fault}">{_SOAP_DETAILS.get(fault, "")}</{fault}Fault>'
            "</detail></soapenv:Fault>"
        )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>"
    )
    return Reply(status, text.encode(), "text/xml; charset=utf-8", _phrase(status))


def _vapi(operation: Operation, status: int, code: str | None, message: str | None) -> Reply:
    kind = code or _VAPI_ERRORS.get(status, "error")
    old = " /rest/" in operation.name
    said = [{"id": "lab.fault", "default_message": message or _phrase(status), "args": []}]
    content: object
    if status < 400:
        content = {"value": []} if old else []
    elif old:
        content = {"type": f"com.vmware.vapi.std.errors.{kind}", "value": {"messages": said}}
    else:
        content = {"error_type": kind.upper(), "messages": said}
    return Reply(status, msgspec.json.encode(content), "application/json", _phrase(status))


def _kubernetes(status: int, code: str | None, message: str | None) -> Reply:
    said: dict[str, object] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": status,
    }
    if status >= 400:
        reason, words = _KUBERNETES_REASONS.get(status, (_phrase(status).replace(" ", ""), _phrase(status)))
        said |= {"status": "Failure", "message": message or words, "reason": code or reason}
    return Reply(status, msgspec.json.encode(said), "application/json", _phrase(status))
