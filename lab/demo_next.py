"""What to try once all machines of the demo run: commands that work as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from lab.demo_objects import Row
from lab.demo_stage import NAMESPACE
from lab.operator import NAMESPACE as OPERATORS

_DEFAULT = Path(".lab")
_LAB = ".venv/bin/python -m lab"


def next_steps(rows: Sequence[Row], folder: Path, providers: Path) -> Text:
    """The steps for a demo in ``folder`` with these objects."""
    ids = {row.name: row.id for row in rows}
    here = "" if folder == _DEFAULT else f" --folder {folder}"
    state = "" if folder == _DEFAULT else f" --state {folder / 'lab.json'}"
    kubectl = f"kubectl -n {NAMESPACE}"
    apply = "apply --server-side --force-conflicts"
    steps = (
        (
            "In another terminal, in this folder: kubectl for this cluster, and what there is.",
            f'eval "$({_LAB} env{here})"',
            "kubectl get hybridge -A",
        ),
        (
            "Change cpus. It takes a restart, so Hybridge says so and waits until that is allowed.",
            f'{kubectl} patch hvm web-proxmox --type=merge -p \'{{"spec":{{"cpus":4}}}}\'',
            f"{kubectl} get hvm web-proxmox -o jsonpath='{{.status.plan}}'",
            f'{kubectl} patch hvm web-proxmox --type=merge -p \'{{"spec":{{"lifecycle":{{"disruption":"Allow"}}}}}}\'',
        ),
        (
            "Stop a machine behind its back: seen within a sweep (5 s here), and started again.",
            f"{_LAB} person{here} proxmox stop {ids.get('web-proxmox', '<id>')}",
        ),
        (
            "Delete one behind its back. Hybridge says that it is lost, and makes a new one when it is told to.",
            f"{_LAB} person{here} aws destroy {ids.get('web-aws', '<id>')}",
            f'{kubectl} patch hvm web-aws --type=merge -p \'{{"spec":{{"lifecycle":{{"onLost":"Recreate"}}}}}}\'',
        ),
        (
            "Take a cloud away and bring it back. The other two do not notice.",
            f"{_LAB} fault{state} aws dark",
            f"{_LAB} fault{state} aws light",
        ),
        (
            "Kill the operator in the middle of its work. The demo starts it again, and nothing is lost or made twice.",
            f"{kubectl} delete hvm --all --wait=false; kill -9 $(cat {folder}/operator.pid)",
            f"{kubectl} wait --for=delete hvm --all; {kubectl} {apply} -f examples/machines",
        ),
        (
            "A wrong password, and the right one again.",
            f'kubectl -n {OPERATORS} patch secret vsphere --type=merge -p \'{{"stringData":{{"password":"wrong"}}}}\'',
            f"kubectl {apply} -f {providers}",
        ),
        (
            "An image that does not exist, and a spec that the API server refuses.",
            f"{kubectl} apply -f examples/mistakes/missing-image.yaml",
            f"{kubectl} apply -f examples/mistakes/malformed.yaml",
        ),
    )
    text = Text()
    for sentence, *commands in steps:
        text.append(f"{sentence}\n", "bold")
        for command in commands:
            text.append(f"    {command}\n", "cyan")
    text.append(f"The operator's log: tail -f {folder}/operator.log", "bold")
    return text
