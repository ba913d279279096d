"""An object that no operator has seen yet is not yet what it should be, whatever its kind."""

from __future__ import annotations

import json

from hybridge.api.kinds import KINDS
from lab.kstatus import Judge, Status
from tests.integration.api.bodies import LEAST
from tests.integration.api.conftest import Api


def test_no_kind_is_current_by_itself(api: Api, name: str) -> None:
    with Judge() as judge:
        for kind in KINDS:
            api.create(LEAST[kind.kind](name))
            stored = json.loads(api.plane.kube("get", kind.plural, name, "--output=json"))
            verdict = judge.judge(stored)

            assert verdict.status is Status.IN_PROGRESS
            assert verdict.message
            # The reason why a CRD has to give its objects a status: without one they pass for finished.
            assert judge.judge({**stored, "status": {}}).status is Status.CURRENT
