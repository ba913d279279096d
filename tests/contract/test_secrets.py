"""What is secret is in no error, no log and no record, whatever goes wrong."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator

import pytest

from hybridge.core.errors import CloudError
from hybridge.drivers.base import Driver
from lab.faultproxy import Answer, LoseAnswer, Reset, Rule
from tests.contract.bed import SECRET, Bed, cloud_init
from tests.contract.eye import error_of

Breakage = Callable[[Bed], None]


def secrets(bed: Bed) -> Iterator[str]:
    """All that must not be seen: the last key of an account is its secret."""
    yield SECRET
    for account in (bed.cloud.credentials, bed.readonly_credentials, bed.wrong_credentials):
        yield list(account.values())[-1]


def shown(error: BaseException) -> str:
    """Everything that a log could show of an error."""
    return "".join([str(error), repr(error), *traceback.format_exception(error)])


@pytest.mark.parametrize(
    "effect",
    [LoseAnswer("reset"), LoseAnswer("500"), Reset(), Answer(400), Answer(403), Answer(500)],
    ids=["lost", "lost-500", "reset", "400", "403", "500"],
)
def test_a_failed_create_tells_no_secret(
    bed: Bed, driver: Driver, caplog: pytest.LogCaptureFixture, effect: LoseAnswer | Reset | Answer
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "hybridge")
    spec, marker = bed.spec(cloud_init=cloud_init("web-1")), bed.marker()
    intent = bed.intent(driver, spec, marker)
    bed.proxy.inject(Rule(bed.calls.create, effect, times=1))

    with pytest.raises(CloudError) as caught:
        driver.machines.create(intent, spec, marker)

    for secret in secrets(bed):
        assert secret not in shown(caught.value)
        assert secret not in caplog.text
        assert secret not in repr((spec, intent))


@pytest.mark.parametrize("account", ["wrong_credentials", "readonly_credentials"])
def test_refused_credentials_are_not_repeated(
    bed: Bed, driver: Driver, caplog: pytest.LogCaptureFixture, account: str
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "hybridge")
    spec, marker = bed.spec(cloud_init=cloud_init()), bed.marker()
    intent = bed.intent(driver, spec, marker)

    with bed.connected(credentials=getattr(bed, account)) as other:
        errors = [error_of(other.check), error_of(lambda: other.machines.create(intent, spec, marker))]

    assert errors[-1] is not None
    for secret in secrets(bed):
        assert not any(secret in shown(error) for error in errors if error)
        assert secret not in caplog.text


def test_settings_and_drivers_show_no_secret(bed: Bed, driver: Driver) -> None:
    for secret in secrets(bed):
        assert secret not in repr(bed.settings())
        assert secret not in repr(driver)
        assert secret not in repr(driver.machines)
