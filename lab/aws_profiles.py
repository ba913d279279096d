"""Instance profiles of the lab's EC2: unknown ones are refused as EC2 does, and a replaced one is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

from moto.core.exceptions import ServiceException
from moto.ec2.models import iam_instance_profile as models
from moto.ec2.models.iam_instance_profile import IamInstanceProfileAssociationBackend
from moto.ec2.responses import instances as responses

from lab.aws_rules import Refusal
from lab.aws_wrap import wrap


def install() -> None:
    """Wrap moto's functions and methods."""
    wrap(IamInstanceProfileAssociationBackend, "replace_iam_instance_profile_association", _replace)
    for module in (models, responses):
        original = module.filter_iam_instance_profiles
        mock.patch.object(module, "filter_iam_instance_profiles", _known(original)).start()


def _replace(original: Callable[..., Any], backend: Any, *given: Any, **wanted: Any) -> Any:
    made = original(backend, *given, **wanted)
    made.instance.iam_instance_profile = {"Arn": made.iam_instance_profile.arn, "Id": made.association_id}
    return made


def _known(original: Callable[..., Any]) -> Callable[..., Any]:
    def find(account_id: str, partition: str, **named: str | None) -> Any:
        try:
            return original(account_id, partition=partition, **named)
        except ServiceException as error:
            kind = "arn" if named.get("iam_instance_profile_arn") else "name"
            value = named.get(f"iam_instance_profile_{kind}")
            raise Refusal(
                "InvalidParameterValue",
                f"Value ({value}) for parameter iamInstanceProfile.{kind} is invalid. Invalid IAM Instance Profile {kind}",
            ) from error

    return find
