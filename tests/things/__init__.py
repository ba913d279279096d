"""What the suites that run an operator know of each kind of cloud object. One module a kind, and one entry in ``THINGS``.

Whoever adds a kind to ``hybridge.api.kinds.KINDS`` adds

- a ``Things`` here: with it the kind takes part in what befalls clusters (``tests.cluster``), in soaks (``tests.soak``) and
  in misoperations (``tests.misoperation``);
- what a person sees and does of it in each cloud, as ``tests.integration.operator.people_volumes`` has it for Volumes;
- a life in steps, to ``tests.crash.stories``;
- a valid object, to ``tests.integration.api.bodies.LEAST``.

``tests/unit/api/test_kinds.py`` says what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.things.firewall import Firewalls
from tests.things.image import Images
from tests.things.machine import Machines
from tests.things.network import Networks
from tests.things.snapshot import Snapshots
from tests.things.thing import Things
from tests.things.volume import Volumes

_ALL: tuple[Things, ...] = (Machines(), Volumes(), Networks(), Firewalls(), Snapshots(), Images())
#: By the kind's name in the API. Providers are what all of them live by, and have tests of their own.
THINGS: Mapping[str, Things] = {things.kind: things for things in _ALL}
BY_PLURAL: Mapping[str, Things] = {things.plural: things for things in _ALL}
#: The machines, and what they can use.
MACHINES = THINGS[Machines.kind]
WARES: tuple[Things, ...] = tuple(things for things in _ALL if things is not MACHINES)
#: Those that need nothing else, so that herds, soaks and benches make as many as they like.
PRIMARY: tuple[Things, ...] = tuple(things for things in WARES if not things.derived)
