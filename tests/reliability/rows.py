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
machine has gone. A Volume is grown and passed from one machine to another; a Network and a Firewall are spoilt by hand and
changed while machines are in them; a machine goes back to a Snapshot, and a Volume is made of one; an Image is made of a
machine and of all else of which its cloud makes them, and a machine starts from it. All that belongs together is applied and
deleted at once. Each kind that the API has must have a life.

A life that nothing disturbs is recorded by proxies before the cloud and before the API server. Each of its requests is a
**hook point**; none of them is listed by hand. Then lives are lived again, and at each hook point the operator is
killed: once the request never arrives and the operator is killed while it waits; once it takes effect, and the operator
is killed before it hears of it. It is started again under the same name, and nobody helps it.

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
    LATENESS = Words(
        "late sight",
        """\
Many machines are made at once in a cloud that shows late what it has made; a third of them is deleted at some moment of
that time, and the operator is killed now and then. On EC2 each instance is unknown to every call, also by its id, for a time
of its own between 0 and 120 s, and for 30 s more each request finds it or not, by chance. Proxmox VE knows its guests by
their id at once: there the list tells of their state up to 120 s late, and three in ten readings of a guest are answered
as if it did not exist. A vCenter is consistent: there every other push comes 15 s late. In the end each object that is
left has one machine, and those that were deleted left none: no finalizer went before its machine was seen to be gone.

How long this may last is what the driver assumes: on EC2 absence is believed 5 min after the last request to make the
machine (here after 151 s, `--visibility-grace`), and not before; and of an older machine when it was denied twice by its id,
a minute apart, and then by its tag and token. A cloud that denies it for longer is believed. Two hundred such histories
with lost answers, outages and crashes run in virtual time with each `make test`.""",
    )
    VMIDS = Words(
        "VMID race",
        """\
Three operators, each with an API server, a cluster id and a Provider of its own, make, lose and delete machines in one
Proxmox VE cluster, all with the same small range of VMIDs, and are killed now and then. All the time a stranger makes
guests with the id that `nextid` offers and destroys them again; and it destroys machines of the operators by hand and makes
guests of its own with their ids, which their objects still have on record. In the end each object has one machine, no VMID
is told of two objects, and every guest of the stranger is as the stranger made it: none adopted, changed or destroyed.

Proxmox VE takes a VMID only once, so that of two clones to one id the second fails and takes another. An id is saved
before the clone, the marker goes with it, and before each change and deletion guest, marker and UUID are read again. What
remains is the moment between that reading and the request: PVE has no condition on a deletion. A guest that is destroyed by
hand and replaced within that moment (milliseconds) is not told from the one before.""",
    )
    STALE = Words(
        "stale cluster",
        """\
One story is told undisturbed, and then once for each kind of fault and for all of them at once. In it Providers are made,
changed, and made again under their names; machines of every cloud are made, changed, restarted, deleted, deleted at once,
deleted and made again under the same name, and imported; and the operator is killed and started once. The proxy before the
API server answers reads as it did before (time travel), refuses the first three patches of each object and of each status
with a conflict, and has watches lose events, tell them twice, tell them late and out of order, break, end with 410, and
break whenever an object goes, so that it goes and comes again in a gap.

In the end all objects (spec, finalizers, conditions, what the status tells but for times and ids) and all machines of the
clouds have to be what they are in the undisturbed story, without a second machine, and with nothing left behind. A watch
that has lost an event for good is found out by lists that are held against it; the operator is then not healthy, and puts
it right. It holds such lists every two minutes, here every two seconds (`--audit-interval`).""",
    )
    RIVALS = Words(
        "two leaders",
        """\
Two operators, of which one leads. Round after round machines of every cloud are made, changed, restarted and deleted, and
at a random moment the leader is stopped for longer than its Lease (SIGSTOP), or the API server does not answer it alone. Up
to one request to each cloud that has left it is still under way for four to six seconds, while the other one takes over
after four. Then the former leader goes on, in half of the rounds while the other one is at work, in the others when all
work is done.

The former leader has to end by itself and send nothing more; there has to be one machine for each object, as its spec wants
it, and none for those that were deleted. A Lease cannot call back a request that has left already. What makes it harmless:
on **AWS** a creation carries a ClientToken made of the object's uid and the number of the attempt, so that it gives the
same instance whoever repeats it; all else names an instance by an id that is never used again. On **Proxmox VE** a clone
names the VMID that was put on record before, so that the second one is refused; other requests name the VMID, which the
next leader, who has seen it in use, gives to no other machine until its whole range was given out. On **vSphere** a clone
has a name and an instanceUuid that are made of the uid and the attempt, and the second one of that name in the folder is
refused; all else names a machine by its reference, which is never used again. A late stop or start is seen and corrected.
What cannot be ruled out: a creation that is under way for longer than the cloud's visibility (minutes), after its object
was deleted. It carries its marker, and is counted as an orphan.""",
    )

    ACCIDENTS = Words(
        "cluster lost",
        """\
What befalls a cluster as a whole, with machines on every cloud: the **API server is away** for longer than the Lease while
machines are made, changed and deleted. The **cluster is restored** from a snapshot of etcd, so that statuses and finalizers
travel back in time, objects that were deleted since are there again, and of machines made since nothing is known. The
**objects are made anew** with other uids, while the operator is away or at work. The **cluster is rebuilt** with an empty
etcd and the old `--cluster-id`, and the same files are applied. `kubectl replace` **drops finalizer and status**. The YAML
of objects, as the cluster shows it, is **applied under other names**, that of imports too.

In the end there has to be one machine for each object, the one that it had, as its spec wants it; nothing may have been made
where a machine was there already, and an operator that knew another cluster has to end by itself. Machines whose object the
restored cluster does not know are *orphans*: they are counted (`hybridge_orphans`, `status.inventory.orphans` of the
Provider) and named (`status.orphans`), never touched, and taken over again when their object is applied. An object whose
machine was deleted after the backup says so (Stalled, reason Lost), and makes a new one only if its spec says
`onLost: Recreate`.""",
    )
    HOSTILE = Words(
        "hostile answers",
        """\
The same lives. At each operation of each step, the cloud does what it is asked, and its next answers are rewritten on
their way back, at places that chance chooses: nothing at all, half an answer, a page for people, bytes that are no
UTF-8, values that are missing, empty, of another type, beyond all bounds, full of control characters, a mebibyte long,
a hundred thousand levels deep or there three thousand times, and entities that fill all memory. Then the cloud answers
as it should. What is put in never passes for something that a cloud could mean: against an endpoint that lies in good
form nothing helps but TLS.

What must be so in the end is the same; and the operator has met no error that nobody has foreseen, and a machine in the
same cloud that is nobody's is as it was.""",
    )
    MISOPERATIONS = Words(
        "misoperations",
        """\
Twenty objects of a kind are as they should be. Then one field of each, chosen by chance among all that the schema of its
CRD has, is changed: to something that the cloud has, to any other value that the schema allows, to one that it forbids,
or to nothing. The next change is made when each of them stands.

After each change the object is as its spec wants it, or a condition says why not, with a reason of the closed list; or
the API server has refused it and named the field. Whatever was told is taken back, and the object is as it was before.
While all are as wanted, no request changes anything in the cloud, and the cloud itself is asked: it has one machine for
each object, of the power, size, tags and interfaces that its spec wants, nothing besides, and no stranger was touched.
In the end the operator is the same process, and has met no error that nobody has foreseen.""",
    )
    SECRETS = Words(
        "secrets",
        """\
Unique texts stand for everything secret: the keys of the account, passwords that are wrong or in the wrong place, other
keys of the same Secrets, private keys, user data, the operator's own token. A machine lives its life while each kind of
error comes, some of which repeat the credentials that the endpoint was sent. The operator logs all that it can.

Then every text is looked for, as it is and as it would be in base64, URLs, XML, JSON and hexadecimal, in all objects of
all kinds, Events, Leases, metrics, the log, the command line, and the files that the operator has made.""",
    )
    TENANTS = Words(
        "tenants",
        """\
Eight namespaces, whose names begin, end, or go on as others do, share a Provider, and have a machine each. Round after round
the admin grants the Provider to other ones: by names and patterns, some of which would mean something in another kind of
pattern, by labels, by other selectors, to nobody; and labels of namespaces change. When the Provider has taken note of what
it says itself, all tenants at once want their machines in another power state, with other tags. Nobody tells the operator
that labels have changed.

Then those who are granted it have exactly one machine, as they want it; the others are told NotPermitted, and their machines
are as they were before, or are not made. In the end all objects are deleted, and no machine is left, whether they were
granted the Provider by then or not: what was made under a grant can be deleted without one.""",
    )
    OUTAGE = Words(
        "outage of one cloud",
        """\
One of three clouds throttles every request in its own words, or is overloaded (503, on Proxmox VE 596), or silent, or
refuses connections. Meanwhile all of its machines are changed and as many more are asked for; in the other clouds machines
are made, changed and deleted one after the other, as they were before in quiet. All of these come to their end while the
cloud is away. When it is back, the requests that reach it, as the proxy before it has logged them, keep to
`limits.requestsPerSecond` and `limits.burst`, and all its machines come to be as they are wanted, one for each object.

The ratio of latencies is told and not asserted, because it is of a machine that is busy with other things. With each
`make test` the same goes on for half an hour of virtual time, 210 machines and the real engine: there not one request of the
others comes a millisecond earlier or later than on a day without an outage.""",
    )
    SOAK = Words(
        "soak",
        """\
A thousand machines, a third in each cloud, and a long storm, drawn from the seed. Users change tags, sizes, power
states and Providers, restart machines, delete objects and make others; people pull plugs, start what should be off,
destroy machines, copy them with their markers, and make others. Each cloud fails in spells of its own: errors 500, its own
words for throttling, broken connections, slow answers, answers lost after the request took effect, silence, nobody there; so
does the API server, but for Leases, and with conflicts. In the first third of the storm the operator is killed now and
then; the process that is started last lives on through the rest.

After the storm all objects come to be Ready and Synced, each has one machine that is as its spec wants it, and nothing is
there besides; what people made is untouched. Then for a whole minute no request is sent that may change something, to no
cloud and, Leases excepted, not to the API server. What the process takes is read twice, each time when all has come to
rest in this way: after half of the storm, of which it has lived through a sixth by then, and after all of it. Resident
memory may have grown by less than 5 % in between; asyncio tasks and open files not at all, and threads to no more than
all pools may have (38 on two cores), which fill as they are needed. Each is the least of twelve looks within as many
seconds.""",
    )
    DECEIT = Words(
        "deceit about what is whose",
        """\
Three objects of a cloud, of which one is deleted, one is deleted with `onDelete: Detach`, and one has `onLost: Recreate`,
are in a state where it cannot be proven whose their machines are: the marker is gone, is garbage, names another cluster or
another object; each machine has a copy that carries its marker; the Provider leads to another account, cluster or vCenter;
lists and looks are empty, forbidden, answered with 404, or half of them by chance with the cloud's own word that there
is no such machine; everything is forbidden; on Proxmox VE a stranger's guest has the VMID. Each of these alone, and pairs of
them that the seed chooses, half of those with kill -9 in between.

While the marker is wrong, or the account is another one, not one request is sent that may change something, the finalizer
holds, and a condition tells why; only what is to be let go, and whose marker names nobody here, is let go as it is. While
requests fail, what was proven before may be acted on, and no object goes before its machine. No stranger's machine is
changed or gone at any time. When all is true again the machine of the first object is gone and that of the second is without
a marker, the objects with them, and the third has its one machine.

EC2 never gives an id again, and a vCenter gives a new one to what is registered anew, so that only Proxmox VE has strangers
with an id on record.""",
    )


#: Rows by their title.
BY_TITLE = {row.value.title: row for row in Row}

#: What no test can show, because the clouds do not offer it. Markdown.
LIMITS = """\
Few calls of a cloud can be repeated safely by themselves, and none can be called back. What Hybridge does instead, and
what remains:

- **EC2, RunInstances and CreateNetworkInterface** take a client token, which follows from the object's uid and the attempt.
  Nothing remains for as long as EC2 knows the token; after that the marker is searched for first.
- **Other calls of EC2** name ids that are never used again, and change nothing when they are repeated, or are refused.
  What they change is read before, and again before a repetition. One thing remains: an instance that is terminated by hand
  just while an interface of it is exchanged leaves that interface behind, with its marker.
- **Proxmox VE, clone**: a VMID can be used once. It is on record before, and the marker goes in the same call.
- **Proxmox VE, changes of a configuration** carry the digest of what was read, and are refused when it is another.
- **Proxmox VE, start, stop, resize, move, migrate and delete** name a VMID, which is used again when its guest has gone, and
  nothing else. The guest is read and proven right before; the milliseconds in between remain. Keep others out of the
  Provider's `vmIDRange`.
- **vSphere, clone**: a name can be used once in a folder. It follows from the object's uid, and the instance UUID from uid
  and attempt.
- **Other calls of vSphere** name references that are never used again.

And what people can do that nobody can undo: a marker that is taken off a machine, or a finalizer that is taken off an
object while the operator is away, leaves a machine that nobody deletes. It is left alone: with its marker it is counted and
named as an orphan, without one it is counted as unmanaged.
"""
