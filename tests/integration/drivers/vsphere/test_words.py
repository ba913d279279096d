"""Words that SOAP cannot carry."""

from __future__ import annotations

import pytest

from hybridge.core.errors import Refused
from hybridge.core.identity import Marker
from hybridge.core.reasons import Reason
from tests.contract.bed_vsphere import VsphereBed
from tests.contract.eye import Eye


@pytest.mark.parametrize("sign", ["\x00", "\x07", "\x1b", "\r", "\ufffe", "\uffff"])
def test_what_a_vcenter_could_not_read_is_refused_and_not_sent(
    bed: VsphereBed, eye: Eye, marker: Marker, sign: str
) -> None:
    """It would answer that the request is invalid, which says nothing of why, and would be tried again for ever."""
    before = bed.machines()

    with pytest.raises(Refused) as caught:
        eye.make(bed.spec(name=f"web{sign}"), marker)

    assert caught.value.reason is Reason.INVALID_SPEC
    assert "characters" in caught.value.message
    assert bed.machines() == before
