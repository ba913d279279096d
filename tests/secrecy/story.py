"""A machine's life with errors of each kind, and all that an operator leaves behind of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import yaml

from hybridge.api.kinds import KINDS
from lab import manifests
from lab.faultproxy import Answer, Cloud, Effect, Garble, LoseAnswer, Reset, Rule
from tests.crash import wishes
from tests.crash.bed import CrashBed, crash_bed
from tests.crash.life import NAME, Life
from tests.secrecy.canaries import Canary

#: Keys of Secrets that are names.
NAMES = frozenset({"accessKeyID", "tokenID", "username"})
_PRIVATE = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI{}\n-----END PRIVATE KEY-----\n"


def _unique() -> str:
    return f"canary-{uuid4().hex}+/=&<secret>"


@dataclass(frozen=True, slots=True)
class Story:
    """One cloud, an operator that logs all that it can, and the canaries that it was given."""

    bed: CrashBed
    canaries: list[Canary]
    user_data: str

    # ------------------------------------------------------------------ the life

    def live(self) -> None:
        """A machine is made, changed and deleted while each kind of error comes, and Providers have Secrets of no use."""
        operator = self.bed.operator
        self._useless_secrets()
        life = Life(self.bed)
        secret = manifests.secret(wishes.SECRET, {"userData": self.user_data, "other": self.canaries[0].text})
        secret["metadata"]["namespace"] = life.namespace
        operator.apply(secret)
        made = manifests.machine(NAME, self.bed.cloud, life.namespace)
        self._faults()
        life.apply({**made["spec"], **wishes.new(self.bed.cloud, life.tag)})
        self._wait(life)
        self._faults()
        network = self.bed.person.find(life.uid)[0].networks[0]
        life.change(**wishes.grown(self.bed.cloud, life.tag, network))
        self._wait(life)
        self._faults()
        life.delete()
        operator.wait_gone("virtualmachines", NAME, namespace=life.namespace, timeout=120)
        self.bed.heal()

    def _wait(self, life: Life) -> None:
        self.bed.operator.wait_for(life.settled, "the machine to be as wanted", 120, lambda: str(life.body()))
        self.bed.heal()

    def _faults(self) -> None:
        """One error after the other, at whatever is asked: some of them repeat what they were sent."""
        cloud = self.bed.doors[self.bed.cloud]
        keys = self.bed.operator.lab.clouds[self.bed.cloud].credentials
        echo = "; ".join(f"{key}={text}" for key, text in keys.items())
        effects: list[Effect] = [
            Answer(400, message=f"bad request: {echo}"),
            Answer(401, message=f"who is {echo}?"),
            Answer(403, message=f"not for {echo}"),
            Answer(500, message=f"cannot cope with {echo}"),
            Garble(seed=1),
            Garble(seed=2),
            LoseAnswer("reset"),
            LoseAnswer("500"),
            Reset(),
        ]
        for place, effect in enumerate(effects):
            cloud.inject(Rule("*", effect, times=1, after=place))

    def _useless_secrets(self) -> None:
        """Providers whose Secrets are wrong, halved, or hold what they should not."""
        operator, cloud = self.bed.operator, self.bed.cloud
        right = operator.lab.clouds[cloud].credentials
        for name, keys in {
            "wrong": {key: self.canaries[1].text for key in right if key not in NAMES},
            "swapped": dict.fromkeys(right, self.canaries[2].text),
        }.items():
            operator.apply(
                operator.secret(cloud, f"{cloud}-{name}", **keys), operator.provider(cloud, f"{cloud}-{name}")
            )
        halved = manifests.secret(f"{cloud}-halved", {"password": self.canaries[3].text, "key": self.canaries[4].text})
        operator.apply(halved, operator.provider(cloud, f"{cloud}-halved"))
        for name in ("wrong", "swapped", "halved"):
            operator.wait_for(
                lambda name=name: operator.condition("provider", f"{cloud}-{name}", "Ready").get("status") == "False",  # type: ignore[misc]
                f"the Provider {cloud}-{name} to be told as useless",
            )
            # An error that repeats one account's keys must come to that account.
            operator.delete("provider", f"{cloud}-{name}")
            operator.wait_gone("providers", f"{cloud}-{name}")

    # ---------------------------------------------------------- what is left of it

    def places(self) -> dict[str, str]:
        """All that an operator writes, by what it is. Secrets themselves are no such thing."""
        operator = self.bed.operator
        kube = operator.lab.controlplane.kube
        everywhere = ("-A", "-o", "json", "--show-managed-fields")
        found = {plural: kube("get", f"{plural}.hybridge.io", *everywhere) for plural in _plurals()}
        found["Events"] = kube("get", "events", *everywhere)
        found["Leases"] = kube("get", "leases", *everywhere)
        found["metrics"] = operator.operator.metrics()
        found["the log"] = json.dumps(operator.log(), ensure_ascii=False)
        found["the command line"] = Path(f"/proc/{operator.operator.process.pid}/cmdline").read_text()
        for file in self._files():
            found[str(file)] = file.read_text(errors="replace")
        return found

    def _files(self) -> Iterator[Path]:
        """Files that the operator has made on its disk."""
        yield from (file for file in (self.bed.operator.folder / "tmp").rglob("*") if file.is_file())


def _plurals() -> list[str]:
    return [kind.plural for kind in KINDS]


@contextmanager
def story(folder: Path, cloud: Cloud) -> Iterator[Story]:
    """A story that can begin."""
    temporary = folder / "tmp"
    temporary.mkdir()
    with crash_bed(folder, cloud, ["--verbose"]) as bed:
        process = bed.operator.operator.process
        process.environment = {**(process.environment or {}), "TMPDIR": str(temporary), "HOME": str(temporary)}
        bed.operator.operator.stop()
        bed.revive()
        given = bed.operator.lab.clouds[cloud].credentials
        user = _unique()
        canaries = [
            Canary("another key of a Secret", _unique()),
            Canary("a wrong password", _unique()),
            Canary("a wrong password where a name should be", _unique()),
            Canary("a password without a name", _unique()),
            Canary("a private key", _PRIVATE.format(uuid4().hex)),
            Canary("user data", user),
            *(Canary(f"the {key}", text) for key, text in given.items() if key not in NAMES),
            Canary("the operator's own token", _token(bed)),
        ]
        text = f"#cloud-config\nwrite_files:\n- {{path: /etc/motd, content: 'from-the-secret {user}'}}\n"
        yield Story(bed, canaries, text)


def _token(bed: CrashBed) -> str:
    config = yaml.safe_load(bed.operator.kubeconfig.read_text())
    token: str = config["users"][0]["user"]["token"]
    return token
