"""The custom resources as the demo shows them: read with kubectl, one row each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.cluster import Cluster
from lab.kinds import kinds

_SHORT = {kind.kind: kind.short for kind in kinds()}
_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}
#: From these widths of the screen on a column is shown; the others are there always.
_FROM_WIDTH = {"AGE": 90, "SYNCED": 100, "ADDRESS": 110, "MESSAGE": 130}


#: Columns of a table stand this far apart.
_GAP = 2
#: Characters of an id.
_LONGEST_ID = 36


class _Condition(msgspec.Struct):
    type: str
    status: str
    message: str = ""


class _Address(msgspec.Struct):
    address: str


class _Status(msgspec.Struct, rename="camel"):
    observed_generation: int = -1
    conditions: list[_Condition] = []
    phase: str = ""
    id: str = ""
    addresses: list[_Address] = []
    type: str = ""


class _ProviderRef(msgspec.Struct):
    name: str = ""


class _Spec(msgspec.Struct, rename="camel"):
    provider_ref: _ProviderRef | None = None
    power_state: str = "Running"


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    creation_timestamp: str
    generation: int = 0
    namespace: str = ""
    deletion_timestamp: str | None = None


class _Object(msgspec.Struct):
    kind: str
    metadata: _Metadata
    spec: _Spec
    status: _Status = msgspec.field(default_factory=_Status)


class _List(msgspec.Struct):
    items: list[_Object]


@dataclass(frozen=True, slots=True)
class Row:
    """One object. ``ready`` and ``synced`` are True, False or Unknown; ``wanted_on`` is what a machine should be."""

    kind: str
    namespace: str
    name: str
    provider: str
    phase: str
    ready: str
    synced: str
    id: str
    addresses: tuple[str, ...]
    message: str
    created: datetime
    settled: bool
    wanted_on: bool

    @property
    def machine(self) -> bool:
        """Whether it is a VirtualMachine."""
        return self.kind == "VirtualMachine"

    @property
    def object(self) -> str:
        """What people call it beside others of its cloud."""
        return f"{_SHORT[self.kind]}/{self.name}"

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.object} in {self.provider}" if self.namespace else self.object

    @property
    def fine(self) -> bool:
        """Whether it is Ready, and that of the spec as it stands now."""
        return self.settled and self.ready == "True" and self.synced == "True"


def objects(cluster: Cluster, namespaces: Collection[str]) -> list[Row]:
    """All Providers, and the objects of some namespaces, in order of kind, cloud and name. LabError when kubectl fails."""
    order = [kind.kind for kind in kinds()]
    text = cluster.kube("get", ",".join(kind.resource for kind in kinds()), "--all-namespaces", "--output=json")
    found = [_row(item) for item in msgspec.json.decode(text, type=_List).items]
    here = [row for row in found if row.namespace in {"", *namespaces}]
    return sorted(here, key=lambda row: (order.index(row.kind), row.provider, row.name))


def live_table(rows: Sequence[Row], width: int) -> RenderableType:
    """The objects for a screen of this many columns; what does not fit is left out, messages stand below."""
    columns = [name for name in _COLUMNS if width >= _FROM_WIDTH.get(name, 0)]
    now = datetime.now(UTC)
    lines = [_cells(row, now) for row in rows]
    widths = {name: max([len(name), *(len(cells[name]) for cells in lines)]) for name in columns}
    if "MESSAGE" in widths:
        # It gets what the others leave; a table that is too wide would take it from all of them.
        others = sum(length + _GAP for name, length in widths.items() if name != "MESSAGE")
        widths["MESSAGE"] = max(len("MESSAGE"), width - others - _GAP)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, length in widths.items():
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=length)
    for cells in lines:
        table.add_row(*(cells[name] for name in columns))
    if "MESSAGE" in widths:
        return table
    return Group(table, *(Text(f"{row.label}: {row.message}", "yellow") for row in rows if row.message))


def short(known_id: str) -> str:
    """An id as there is room for it."""
    return known_id if len(known_id) <= _LONGEST_ID else f"{known_id[: _LONGEST_ID - 1]}…"


def changes(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """A plain line for each object that is new, gone or different."""
    known = {row.label: row for row in before}
    lines = [_line(row) for row in after if known.get(row.label) != row]
    present = {row.label for row in after}
    return [*lines, *(f"{label} is gone" for label in known if label not in present)]


_COLUMNS = ("OBJECT", "PROVIDER", "PHASE", "READY", "SYNCED", "ID", "ADDRESS", "AGE", "MESSAGE")


def _cells(row: Row, now: datetime) -> dict[str, Text]:
    plain = {
        "OBJECT": row.object,
        "PROVIDER": row.provider,
        "PHASE": row.phase,
        "ID": short(row.id),
        "ADDRESS": row.addresses[0] if row.addresses else "",
        "AGE": _age((now - row.created).total_seconds()),
        "MESSAGE": row.message,
    }
    cells = {name: Text(words) for name, words in plain.items()}
    cells |= {name: Text(word, _COLOURS.get(word, "")) for name, word in (("READY", row.ready), ("SYNCED", row.synced))}
    return cells


def _line(row: Row) -> str:
    address = row.addresses[0] if row.addresses else ""
    words = (
        f"{row.label:<22} {row.phase:<9} Ready={row.ready:<7} Synced={row.synced:<7} {row.id} {address} {row.message}"
    )
    return words.rstrip()


def _row(item: _Object) -> Row:
    status, spec, metadata = item.status, item.spec, item.metadata
    conditions = {condition.type: condition for condition in status.conditions}
    states = {name: found.status for name, found in conditions.items()}
    unwell = [conditions[name] for name in ("Synced", "Ready") if states.get(name, "True") != "True"]
    messages = [condition.message for condition in unwell if condition.message]
    return Row(
        kind=item.kind,
        namespace=metadata.namespace,
        name=metadata.name,
        provider=spec.provider_ref.name if spec.provider_ref else metadata.name,
        phase="Deleting" if metadata.deletion_timestamp else status.phase,
        ready=states.get("Ready", "Unknown"),
        synced=states.get("Synced", "Unknown"),
        id=status.id,
        addresses=tuple(entry.address for entry in status.addresses),
        message=" ".join(messages[0].split()) if messages else "",
        created=datetime.fromisoformat(metadata.creation_timestamp),
        settled=status.observed_generation == metadata.generation and metadata.deletion_timestamp is None,
        wanted_on=spec.power_state == "Running",
    )


def _age(seconds: float) -> str:
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole}s"
    return f"{whole // 60}m" if whole < 7200 else f"{whole // 3600}h"
