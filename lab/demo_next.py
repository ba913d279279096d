"""What to try once all machines of the demo run: commands that work as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from lab.bed import CLOUDS
from lab.demo_objects import Row
from lab.demo_stage import namespace
from lab.operator import NAMESPACE as OPERATORS

_DEFAULT = Path(".lab")
_LAB = ".venv/bin/python -m lab"
_DATA = '{"name":"data","volumeRef":{"name":"db-data"}}'


def next_steps(rows: Sequence[Row], folder: Path, providers: Path) -> Text:
    """The steps for a demo in ``folder`` with these objects."""
    ids = {(row.provider, row.name): row.id for row in rows}
    here = "" if folder == _DEFAULT else f" --folder {folder}"
    state = "" if folder == _DEFAULT else f" --state {folder / 'lab.json'}"
    aws, proxmox, vsphere = (f"kubectl -n {namespace(cloud)}" for cloud in CLOUDS)
    apply = "apply --server-side --force-conflicts"
    steps = (
        (
            "In another terminal, in this folder: kubectl for this cluster, and what there is.",
            f'eval "$({_LAB} env{here})"',
            "kubectl get hybridge -A",
        ),
        (
            "Change cpus. It takes a restart, so Hybridge says so and waits until that is allowed.",
            f'{proxmox} patch hvm web-1 --type=merge -p \'{{"spec":{{"cpus":4}}}}\'',
            f"{proxmox} get hvm web-1 -o jsonpath='{{.status.plan}}'",
            f'{proxmox} patch hvm web-1 --type=merge -p \'{{"spec":{{"lifecycle":{{"disruption":"Allow"}}}}}}\'',
        ),
        (
            "Stop a machine behind its back: seen within a sweep (5 s here), and started again.",
            f"{_LAB} person{here} proxmox stop {ids.get(('proxmox', 'web-1'), '<id>')}",
        ),
        (
            "Delete one behind its back. Hybridge says that it is lost, and makes a new one when it is told to.",
            f"{_LAB} person{here} aws destroy {ids.get(('aws', 'web-1'), '<id>')}",
            f'{aws} patch hvm web-1 --type=merge -p \'{{"spec":{{"lifecycle":{{"onLost":"Recreate"}}}}}}\'',
        ),
        (
            "Move the data to another machine: it is detached, and attached when the cloud says that it is free.",
            f'{aws} patch hvm db-1 --type=merge -p \'{{"spec":{{"volumes":[]}}}}\'',
            f'{aws} patch hvm web-2 --type=merge -p \'{{"spec":{{"volumes":[{_DATA}]}}}}\'',
            f"{aws} get hvol db-data -o jsonpath='{{.status.attachments}}'",
        ),
        (
            "Take a cloud away and bring it back. The other two do not notice.",
            f"{_LAB} fault{state} aws dark",
            f"{_LAB} fault{state} aws light",
        ),
        (
            "Kill the operator in the middle of its work. The demo starts it again, and nothing is lost or made twice.",
            f"{vsphere} delete -f examples/vsphere --wait=false; kill -9 $(cat {folder}/operator.pid)",
            f"{vsphere} wait --for=delete hvm,hvol,hnet --all; {vsphere} {apply} -f examples/vsphere",
        ),
        (
            "A wrong password, and the right one again.",
            f'kubectl -n {OPERATORS} patch secret vsphere --type=merge -p \'{{"stringData":{{"password":"wrong"}}}}\'',
            f"kubectl {apply} -f {providers}",
        ),
        (
            "An image that does not exist, and a spec that the API server refuses.",
            f"{aws} apply -f examples/mistakes/missing-image.yaml",
            f"{aws} apply -f examples/mistakes/malformed.yaml",
        ),
    )
    text = Text()
    for sentence, *commands in steps:
        text.append(f"{sentence}\n", "bold")
        for command in commands:
            text.append(f"    {command}\n", "cyan")
    text.append(f"The operator's log: tail -f {folder}/operator.log", "bold")
    return text
