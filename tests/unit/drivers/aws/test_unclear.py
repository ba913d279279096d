"""An answer that does not tell of what was asked for proves no absence, and says nothing of the endpoint either."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hybridge.core.errors import Unclear
from hybridge.core.identity import Marker
from hybridge.drivers.aws.driver import Driver, connect
from hybridge.drivers.base import Settings
from tests.unit.drivers.aws.endpoint import Asked, Endpoint, served, success


class Empty(Endpoint):
    """All its lists are empty."""

    def answer(self, asked: Asked) -> tuple[int, str] | None:
        return 200, success(asked.action)


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    kind: type[Endpoint] = getattr(request, "param", Empty)
    with served(kind()) as endpoint:
        driver = connect(
            Settings(
                provider="aws",
                cloud={"region": "eu-central-1", "endpoint": endpoint.url},
                credentials={"accessKeyID": "AKIAEXAMPLE", "secretAccessKey": "secret"},
                acquire=lambda: None,
                meter=lambda *_: None,
            )
        )
        yield driver
        driver.close()


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("machines", "i-0123456789abcdef0"),
        ("volumes", "vol-0123456789abcdef0"),
        ("images", "ami-0123456789abcdef0"),
        ("networks", "subnet-0123456789abcdef0"),
        ("networks", "vpc-0123456789abcdef0"),
        ("firewalls", "sg-0123456789abcdef0"),
        ("snapshots", "snap-0123456789abcdef0"),
    ],
)
def test_of_one_alone_nothing_is_told(driver: Driver, kind: str, known: str) -> None:
    """Else two ids that EC2 does not show would stop all that is done for the Provider."""
    with pytest.raises(Unclear, match=known):
        getattr(driver, kind).get(known)


_WHO = "<Arn>arn:aws:iam::123456789012:user/operator</Arn><Account>123456789012</Account>"
_CALLER = f"<GetCallerIdentityResult>{_WHO}</GetCallerIdentityResult>"


class Deregistered(Endpoint):
    """Still shows an image for a while that is none any more."""

    def answer(self, asked: Asked) -> tuple[int, str] | None:
        item = "<item><imageId>ami-1</imageId><imageState>deregistered</imageState></item>"
        answers = {
            "DescribeImages": f"<DescribeImagesResponse><imagesSet>{item}</imagesSet></DescribeImagesResponse>",
            "GetCallerIdentity": f"<GetCallerIdentityResponse>{_CALLER}</GetCallerIdentityResponse>",
        }
        return 200, answers.get(asked.action) or success(asked.action)


@pytest.mark.parametrize("driver", [Deregistered], indirect=True)
def test_an_image_that_is_only_shown_as_deregistered_is_none(driver: Driver) -> None:
    """Else nobody would look for what is left of it."""
    assert driver.images.get("ami-1") is None
    assert driver.images.find(Marker("cluster", "uid", "Image", "shop", "debian"), None) == []
    assert driver.images.all({}, ()) == {}
