"""What became of the task on record: taken in once, when the cloud says that it has ended."""

from __future__ import annotations

from hybridge.core.cloudobject import CloudObject
from hybridge.core.errors import CloudError, Disposition, IdTaken
from hybridge.core.plan import Do, Verb
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.engine.objects.case import AnyCase


def follow(case: AnyCase) -> None:
    """Takes in what became of the task on record. Raises CloudError when it failed: IdTaken when that was the making of
    something whose id, which its intent chose, turned out to be something else's.
    """
    memo, link = case.memo, case.link
    if memo.task is None:
        return
    task = link.watch_task(memo.task, case.key)
    if task.state is TaskState.RUNNING:
        memo.task = task
        return
    memo.ended(task)
    after, memo.task, memo.after_task = memo.after_task, None, None
    step, memo.step = memo.step, None
    if task.state is TaskState.FAILED:
        intent = memo.intent(case.object)
        if (
            task.reason is Reason.NAME_TAKEN
            and memo.created_at is None
            and intent is not None
            and intent.id is not None
        ):
            raise IdTaken(f"{task.operation} failed: {task.error}")
        error = CloudError(
            task.reason or Reason.TASK_FAILED,
            f"{task.operation} failed: {task.error}",
            disposition=Disposition.STOP if task.reason is Reason.NAME_TAKEN else Disposition.RETRY,
        )
        if memo.created_at is None:
            memo.token_spent = True  # Another attempt may choose otherwise, once nothing is found of this one.
        if step is not None:
            memo.attempts.failed(step, error)
        raise error
    if task.state is TaskState.SUCCEEDED:
        if step is not None:
            memo.attempts.succeeded(step)
        _settle(case, task, step, after)


def _settle(case: AnyCase, task: Task, step: Do | None, after: CloudObject | None) -> None:
    memo, inventory = case.memo, case.shelf.inventory
    if task.result and memo.id is None:
        memo.id = task.result
    if memo.id:
        inventory.unlock(memo.id)
    if step is not None and step.verb is Verb.DELETE:
        inventory.forget(step.actions[0].before)
        return
    if after is None:
        return
    seen = inventory.get(after.id)
    expected = memo.expected(seen, after) if seen is not None else None
    if expected is None:
        # What went out of sight meanwhile is asked for by its id; it must not come back by what was expected.
        return
    if case.link.driver.push:
        # Nothing would ever correct the picture if somebody was faster than we: the cloud itself is asked.
        inventory.forget(after.id)
    else:
        inventory.see(expected, inventory.begin())
