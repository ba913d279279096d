"""Groups of instances whose network interfaces go at the same time."""

import pytest

from hybridge.core.errors import Busy, CloudError, Refused
from hybridge.core.reasons import Reason
from hybridge.drivers.aws.client import Client
from hybridge.drivers.aws.membership import Membership
from hybridge.drivers.base import Settings
from tests.unit.drivers.aws.endpoint import Asked, Endpoint, served

GROUP, VPC = "sg-1", "vpc-1"
_KEYS = {"accessKeyID": "AKIAEXAMPLE", "secretAccessKey": "swordfish"}


class Going(Endpoint):
    """Every instance has an interface with ``groups``; a change is answered with ``code``, and ``ends`` its interface."""

    def __init__(self, *groups: str, code: str = "", ends: bool = True) -> None:
        super().__init__()
        self._groups, self._code, self._ends = groups, code, ends
        self._ended: set[str] = set()
        self.changed: dict[str, list[str]] = {}

    def answer(self, asked: Asked) -> tuple[int, str]:
        """See the base."""
        if asked.action == "DescribeNetworkInterfaces":
            values = [words[0] for name, words in asked.words.items() if name.startswith("Filter.1.Value.")]
            shown = "".join(self._nic(one.replace("eni", "i")) for one in values)
            return 200, _answer(asked, f"<networkInterfaceSet>{shown}</networkInterfaceSet>")
        nic = asked.words["NetworkInterfaceId"][0]
        if self._code and nic == "eni-1":
            self._ended |= {nic} if self._ends else set()
            return 400, f"<R><Errors><Error><Code>{self._code}</Code><Message/></Error></Errors></R>"
        self.changed[nic] = [words[0] for name, words in asked.words.items() if name.startswith("SecurityGroupId.")]
        return 200, _answer(asked, "<return>true</return>")

    def _nic(self, instance: str) -> str:
        nic = instance.replace("i", "eni")
        if nic in self._ended:
            return ""
        groups = "".join(f"<item><groupId>{one}</groupId></item>" for one in self._groups)
        attachment = f"<instanceId>{instance}</instanceId><deviceIndex>0</deviceIndex>"
        return (
            f"<item><networkInterfaceId>{nic}</networkInterfaceId><vpcId>{VPC}</vpcId>"
            f"<attachment>{attachment}</attachment><groupSet>{groups}</groupSet></item>"
        )


def _answer(asked: Asked, words: str) -> str:
    return f"<{asked.action}Response>{words}</{asked.action}Response>"


def change(ec2: Going, *, join: tuple[str, ...] = (), leave: tuple[str, ...] = ()) -> CloudError | None:
    settings = Settings(
        provider="aws",
        cloud={"region": "eu-central-1", "endpoint": ec2.url},
        credentials=_KEYS,
        acquire=lambda: None,
        meter=lambda *_: None,
    )
    with served(ec2):
        try:
            Membership(Client(settings)).change(GROUP, VPC, join=join, leave=leave)
        except CloudError as error:
            return error
    return None


def test_an_interface_that_went_with_its_machine_has_left() -> None:
    ec2 = Going("sg-2", GROUP, code="InvalidNetworkInterfaceID.NotFound")

    assert change(ec2, leave=("i-1", "i-2")) is None

    assert ec2.changed == {"eni-2": ["sg-2"]}


def test_an_interface_that_goes_while_it_joins_is_looked_at_again() -> None:
    ec2 = Going("sg-2", code="InvalidNetworkInterfaceID.NotFound")

    error = change(ec2, join=("i-1", "i-2"))

    assert isinstance(error, Busy)
    assert error.reason is Reason.UPDATING
    assert ec2.changed == {"eni-2": ["sg-2", GROUP]}


@pytest.mark.parametrize("code", ["InvalidNetworkInterfaceID.NotFound", "InvalidGroup.NotFound"])
def test_one_that_is_still_shown_has_not_left(code: str) -> None:
    ec2 = Going("sg-2", GROUP, code=code, ends=False)

    error = change(ec2, leave=("i-1", "i-2"))

    assert isinstance(error, Busy)
    assert ec2.changed == {"eni-2": ["sg-2"]}


def test_any_other_refusal_is_told() -> None:
    error = change(Going(GROUP, "sg-2", code="UnauthorizedOperation"), leave=("i-1",))

    assert isinstance(error, Refused)
    assert error.reason is Reason.NOT_PERMITTED
