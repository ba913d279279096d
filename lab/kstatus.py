"""What GitOps tools make of an object: the judgement of kstatus, the library that they ask."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from lab.cache import go_program
from lab.process import LabError


class Status(StrEnum):
    """What kstatus calls the states of an object. ``NOT_FOUND`` is one that is gone."""

    IN_PROGRESS = "InProgress"
    CURRENT = "Current"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    NOT_FOUND = "NotFound"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement of one version of an object, with the words that a GitOps tool shows."""

    status: Status
    message: str


def program() -> Path:
    """The judge's program, built when it is not yet. LabError when it does not build."""
    return go_program("kstatus", Path(__file__).parent / "go" / "kstatus", expect="about 1 min, only once")


class Judge:
    """One process that judges object after object; it ends with the ``with`` block, or with the process that began it."""

    def __init__(self) -> None:
        """Builds the program when it is not built yet."""
        self._argv = [program()]
        self._child: subprocess.Popen[str] | None = None

    def judge(self, found: Mapping[str, Any] | None) -> Verdict:
        """The judgement of an object as the API server has it; None stands for one that is gone.

        LabError when kstatus cannot read it, or has ended.
        """
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise LabError("kstatus was not started")
        child.stdin.write(f"{json.dumps(found)}\n")
        child.stdin.flush()
        line = child.stdout.readline()
        if not line:
            raise LabError(f"kstatus ended with code {child.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(f"kstatus cannot judge this object: {answer['error']}")
        return Verdict(Status(answer["status"]), answer.get("message", ""))

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            # The end of its input is its end.
            self._child.communicate()
            self._child = None
