"""The records of work in a status, and the core's words for them. Pure; the same for every kind."""

from __future__ import annotations

from hybridge.api.shared import IntentStatus, SecretVersionStatus, TaskStatus
from hybridge.core.attempt import Intent, SecretVersion
from hybridge.core.task import Task
from hybridge.core.units import format_time, parse_time


def intent_status(intent: Intent) -> IntentStatus:
    """The record of an intent as it stands in ``status.intent``."""
    return IntentStatus(
        attempt=intent.attempt,
        token=intent.token,
        name=intent.name,
        uuid=intent.uuid,
        provider_identity=intent.provider_identity,
        started_at=format_time(intent.started_at),
        repeated_at=format_time(intent.repeated_at) if intent.repeated_at is not None else None,
        id=intent.id,
        parameters=intent.parameters,
        secrets=tuple(
            SecretVersionStatus(name=secret.name, uid=secret.uid, resource_version=secret.resource_version)
            for secret in intent.secrets
        ),
        rejected=intent.rejected,
    )


def intent(status: IntentStatus) -> Intent:
    """The intent that ``status.intent`` records; its start is whole seconds."""
    return Intent(
        attempt=status.attempt,
        token=status.token,
        name=status.name,
        uuid=status.uuid,
        provider_identity=status.provider_identity,
        started_at=parse_time(status.started_at),
        repeated_at=parse_time(status.repeated_at) if status.repeated_at else None,
        parameters=status.parameters,
        id=status.id,
        secrets=tuple(SecretVersion(secret.name, secret.uid, secret.resource_version) for secret in status.secrets),
        rejected=status.rejected,
    )


def task_status(task: Task) -> TaskStatus:
    """A running task as it stands in ``status.task``."""
    return TaskStatus(
        id=task.id,
        operation=task.operation,
        started_at=format_time(task.started_at),
        progress=task.progress,
    )


def task(status: TaskStatus) -> Task:
    """The task that ``status.task`` records, as running: how it stands now, only the cloud knows."""
    return Task(status.id, status.operation, parse_time(status.started_at), progress=status.progress)
