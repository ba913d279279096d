"""What is broken on purpose, row by row: how, and what must be true afterwards. Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Words:
    """``title``: as the table names the row. ``text``: what is done, and what must be so in the end."""

    title: str
    text: str


class Row(Enum):
    """The rows, in the order of the page."""

    KILLS = Words(
        "kill -9",
        """\
A machine lives a whole life: it is made with cloud-init and user data from a Secret, changed in many ways at once,
restarted, found changed by an operator that starts, moved, and deleted; another one, which a person made, is taken over
and let go. A Provider lives one, too: it is connected, given other limits, locked out by a wrong password, let in with the
keys of another account, found changed by an operator that starts, told to go while a machine uses it, and goes when that
machine has gone. Each kind that the API has must have a life. A life that nothing disturbs is recorded by proxies before
the cloud and before the API server. Each of its requests is a **hook point**; none of them is listed by hand. Then lives
are lived again, and at each hook point the operator is killed: once the request never arrives and the operator is killed
while it waits; once it takes effect, and the operator is killed before it hears of it. It is started again under the same
name, and nobody helps it.

After each of these the cloud has exactly the wanted machine, as its spec wants it, and nothing besides: no second
machine, no disk, interface or medium that no machine has; the object is Ready and Synced with the machine's id, or gone.
A Provider is as it was asked for, and no machine was touched by what befell it. Objects have their finalizer to the end.
What does not get there within two minutes by itself is *stuck*. *Reached* are the requests that came again when the life
was lived once more: what depends on timing, such as a further sweep or a renewal of the Lease, may not.""",
    )
    LOSSES = Words(
        "lost answer",
        """\
The same lives. At each request that may change something, it takes effect, and then no answer comes until the operator
gives up waiting (15 to 20 s), or the answer is an error 500, or the connection breaks. The operator is not killed. What
must be so in the end is the same, also once it has given up.""",
    )


#: Rows by their title.
BY_TITLE = {row.value.title: row for row in Row}
