"""``python -m lab fault <cloud> …``: see and order what goes wrong between the operator and a cloud of the running lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from lab.faultproxy import (
    Answer,
    Darkness,
    Delay,
    FaultControl,
    FaultProxy,
    LoseAnswer,
    Loss,
    Rule,
)
from lab.process import LabError

app = typer.Typer(
    name="fault",
    help="See and order what goes wrong between the operator and a cloud.",
    no_args_is_help=True,
)

STATE = Path(".lab/lab.json")

Operation = Annotated[
    str,
    typer.Option("--operation", "-o", help="Glob over operation names, or 'mutating' for all that change something."),
]
Times = Annotated[int | None, typer.Option(min=1, help="How many requests to hit; for ever if left out.")]
Probability = Annotated[float, typer.Option(min=0, max=1, help="Chance of each match to be hit.")]
Seed = Annotated[int, typer.Option(help="Seed of that chance.")]
After = Annotated[int, typer.Option(min=0, help="How many matches pass first.")]


class _Addresses(msgspec.Struct):
    endpoint: str
    control: str


@dataclass(frozen=True, slots=True)
class _Chosen:
    state: Path = STATE
    cloud: str = ""


class _State(msgspec.Struct):
    proxies: dict[str, _Addresses] = {}


def proxy_of(state: Path, cloud: str) -> FaultControl:
    """The running proxy of a cloud, from the lab's state file. LabError when there is none."""
    try:
        proxies = msgspec.json.decode(state.read_bytes(), type=_State).proxies
    except FileNotFoundError:
        raise LabError(f"no lab runs here: {state} is missing") from None
    except msgspec.DecodeError as error:
        raise LabError(f"{state} is not a lab's state file: {error}") from error
    if cloud not in proxies:
        raise LabError(f"the lab has no cloud {cloud}; it has {', '.join(sorted(proxies)) or 'none'}")
    return FaultProxy.attach(cloud, proxies[cloud].endpoint, proxies[cloud].control)


@contextmanager
def _told() -> Iterator[None]:
    """A LabError becomes a sentence and exit code 1."""
    try:
        yield
    except LabError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@app.callback()
def choose(
    context: typer.Context,
    cloud: Annotated[str, typer.Argument(help="aws, proxmox or vsphere")],
    state: Annotated[Path, typer.Option(help="The lab's state file.")] = STATE,
) -> None:
    """See and order what goes wrong between the operator and a cloud."""
    context.obj = _Chosen(state, cloud)


@app.command("list")
def list_rules(context: typer.Context) -> None:
    """Show the rules in force."""
    with _told():
        active = _proxy(context).faults()
    table = Table("id", "operation", "effect", "times", "probability", "after", "matched", "hit")
    for entry in active:
        rule = entry.rule
        effect = msgspec.json.encode(rule.effect).decode()
        limits = ("for ever" if rule.times is None else str(rule.times), f"{rule.probability:g}", str(rule.after))
        table.add_row(str(entry.id), rule.operation, effect, *limits, str(entry.matched), str(entry.hit))
    Console().print(table)


@app.command()
def counts(
    context: typer.Context,
    reset: Annotated[bool, typer.Option("--reset", help="Start anew after showing.")] = False,
) -> None:
    """Show the requests by operation since the last reset."""
    with _told():
        proxy = _proxy(context)
        found = proxy.counts()
        if reset:
            proxy.reset_counts()
    table = Table("operation", "changes", "requests", "forwarded", "faults", "answers")
    for name, count in sorted(found.items()):
        answers = ", ".join(f"{status or 'none'}: {number}" for status, number in sorted(count.statuses.items()))
        numbers = (str(count.requests), str(count.forwarded), str(count.faults))
        table.add_row(name, "yes" if count.mutating else "", *numbers, answers)
    Console().print(table)


@app.command()
def delay(
    context: typer.Context,
    seconds: Annotated[float, typer.Argument(min=0)],
    *,
    operation: Operation = "*",
    times: Times = None,
    probability: Probability = 1.0,
    seed: Seed = 0,
    after: After = 0,
) -> None:
    """Let requests wait before they go on."""
    _inject(context, Rule(operation, Delay(seconds), times, probability, seed, after))


@app.command()
def lose(
    context: typer.Context,
    how: Annotated[Loss, typer.Argument(help="What the client sees instead.")] = "reset",
    *,
    operation: Operation = "mutating",
    times: Times = None,
    probability: Probability = 1.0,
    seed: Seed = 0,
    after: After = 0,
) -> None:
    """Let requests take effect, and throw their answers away."""
    _inject(context, Rule(operation, LoseAnswer(how), times, probability, seed, after))


@app.command()
def answer(
    context: typer.Context,
    status: Annotated[int, typer.Argument(min=200, max=599)],
    *,
    operation: Operation = "*",
    code: Annotated[str | None, typer.Option(help="AWS error code, or type of the vSphere fault.")] = None,
    message: Annotated[str | None, typer.Option(help="Text of the error.")] = None,
    body: Annotated[str | None, typer.Option(help="The whole body, instead of the cloud's own.")] = None,
    times: Times = None,
    probability: Probability = 1.0,
    seed: Seed = 0,
    after: After = 0,
) -> None:
    """Answer in the cloud's place; it never gets the requests."""
    effect = Answer(status, body=body, code=code, message=message)
    _inject(context, Rule(operation, effect, times, probability, seed, after))


@app.command()
def dark(
    context: typer.Context,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse connections instead of never answering.")] = False,
) -> None:
    """Take the cloud away."""
    how: Darkness = "refuse" if refuse else "silent"
    with _told():
        _proxy(context).dark(how)


@app.command()
def light(context: typer.Context) -> None:
    """Bring the cloud back."""
    with _told():
        _proxy(context).light()


@app.command()
def clear(
    context: typer.Context,
    rule: Annotated[int | None, typer.Argument(help="Id of the rule to lift; all if left out.")] = None,
) -> None:
    """Lift one rule or all."""
    with _told():
        if rule is None:
            _proxy(context).clear()
        else:
            _proxy(context).lift(rule)


def _proxy(context: typer.Context) -> FaultControl:
    """Found when a command runs, so that its help needs no lab."""
    chosen = context.ensure_object(_Chosen)
    return proxy_of(chosen.state, chosen.cloud)


def _inject(context: typer.Context, rule: Rule) -> None:
    with _told():
        number = _proxy(context).inject(rule)
    typer.echo(f"rule {number} is in force")
