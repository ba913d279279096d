"""AWS of the lab: start it, read it directly, and be the person behind the operator's back."""

from __future__ import annotations

import base64
import json
import secrets
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import boto3  # type: ignore[import-untyped]  # boto3 ships neither annotations nor stubs
from botocore.config import Config

from lab import permissions
from lab.fleet import Wanted, batches
from lab.process import LabError, Process, free_port

ACCOUNT = "210987654321"
REGION = "eu-central-1"


@dataclass(frozen=True, slots=True)
class AwsMachine:
    """One instance as EC2 describes it. ``user_data`` is decoded; None when the instance has none or is gone."""

    id: str
    state: str
    type: str
    name: str
    tags: Mapping[str, str]
    private_ip: str | None
    subnet: str | None
    zone: str
    client_token: str
    user_data: str | None


class AwsCloud:
    """An account in eu-central-1 with a VPC, subnets in two zones, and the images debian-12 and ubuntu-24.04.

    ``transition`` is how long an instance takes from one state to the next; ``consistency_lag`` how long a new one is
    unknown to all other calls. Both in seconds; more can be turned with ``tune``.
    """

    def __init__(self, folder: Path, *, transition: float = 0.2, consistency_lag: float = 0.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.region = REGION
        self.account = ACCOUNT
        self._keys = {
            name: {"id": f"AKIA{secrets.token_hex(8).upper()}", "secret": secrets.token_hex(20)}
            for name in ("operator", "limited", "readonly", "person")
        }
        self._state = folder / "state.json"
        config = folder / "aws.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps({"account": ACCOUNT, "region": REGION, "keys": self._keys}))
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        options = {
            "--port": port,
            "--config": config,
            "--state": self._state,
            "--transition-seconds": transition,
            "--consistency-lag": consistency_lag,
        }
        argv = [sys.executable, "-m", "lab.aws_server", *(str(word) for option in options.items() for word in option)]
        self.process = Process("aws", argv, log=folder / "aws.log", ready=self._answers)
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.Lock()

    @property
    def credentials(self) -> dict[str, str]:
        """The operator's access key, with the keys of a Provider's Secret."""
        return self._secret("operator")

    @property
    def person_credentials(self) -> dict[str, str]:
        """The access key of the account's admin."""
        return self._secret("person")

    @property
    def readonly_credentials(self) -> dict[str, str]:
        """An access key that may describe everything and change nothing."""
        return self._secret("readonly")

    @property
    def limited_credentials(self) -> dict[str, str]:
        """An access key with the operator's policy, from which ``withhold`` takes actions."""
        return self._secret("limited")

    @property
    def images(self) -> dict[str, str]:
        """Image ids by name."""
        return dict(self._read()["images"])

    @property
    def subnets(self) -> list[str]:
        """The ids of the subnets: one in zone a, one in zone b, and another one in zone a."""
        return [subnet["id"] for subnet in self._read()["subnets"]]

    @property
    def subnet_names(self) -> list[str]:
        """The names of the subnets, in the same order."""
        return [subnet["name"] for subnet in self._read()["subnets"]]

    @property
    def security_groups(self) -> dict[str, str]:
        """The ids of the VPC's security groups by name."""
        return dict(self._read()["security_groups"])

    @property
    def key_pairs(self) -> list[str]:
        """The names of the key pairs."""
        return list(self._read()["key_pairs"])

    @property
    def instance_profiles(self) -> dict[str, str]:
        """The ARNs of the instance profiles by name."""
        return dict(self._read()["instance_profiles"])

    # -------------------------------------------------------------- lifecycle

    def start(self) -> Self:
        """Spawn the server and return at once."""
        self.process.start()
        return self

    def wait(self) -> Self:
        """Block until it answers."""
        self.process.wait()
        return self

    def stop(self) -> None:
        """End the server; its state is gone with it."""
        self.process.stop()

    def __enter__(self) -> Self:
        return self.start().wait()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---------------------------------------------------------------- reading

    def client(self, service: str = "ec2", credentials: Mapping[str, str] | None = None) -> Any:
        """A boto3 client of the person (or of ``credentials``), which never repeats a request by itself.

        It is the same one each time: to make one is to read all of EC2's model.
        """
        key = credentials or self._secret("person")
        asked = (service, key["accessKeyID"], key["secretAccessKey"])
        with self._lock:
            if asked not in self._clients:
                self._clients[asked] = boto3.session.Session().client(
                    service,
                    region_name=self.region,
                    endpoint_url=self.endpoint,
                    aws_access_key_id=key["accessKeyID"],
                    aws_secret_access_key=key["secretAccessKey"],
                    config=Config(retries={"total_max_attempts": 1}, max_pool_connections=16, proxies={}),
                )
            return self._clients[asked]

    def machines(self, *, terminated: bool = False, user_data: bool = False) -> list[AwsMachine]:
        """All instances, also those that calls do not show yet; the terminated, or nearly so, only when asked for.

        ``user_data`` costs one more request an instance.
        """
        pages = self._ec2().get_paginator("describe_instances").paginate()
        found = [item for page in pages for group in page["Reservations"] for item in group["Instances"]]
        gone = {"terminated", "shutting-down"}
        kept = [item for item in found if terminated or item["State"]["Name"] not in gone]
        return [_machine(item, self._user_data(item["InstanceId"]) if user_data else None) for item in kept]

    def running(self, ids: Sequence[str]) -> dict[str, bool]:
        """Whether these instances run, by id."""
        groups = self._ec2().describe_instances(InstanceIds=list(ids))["Reservations"]
        return {
            item["InstanceId"]: item["State"]["Name"] == "running" for group in groups for item in group["Instances"]
        }

    # ------------------------------------------------- behind the operator's back

    def tune(self, **values: Any) -> None:
        """Turn what ``lab.aws_rules.Tuning`` names while the server runs, for example ``consistency_lag=2.0``."""
        self._order("/lab/tune", values)

    def withhold(self, *actions: str) -> None:
        """Leave these actions out of the policy of ``limited_credentials``, and have all others in it."""
        policy = permissions.aws()
        for grant in permissions.aws_grants(policy):
            if grant.right in actions:
                policy = permissions.aws_without(policy, grant)
        self.tune(policies={"limited": policy})

    def seed(self, wanted: Sequence[Wanted]) -> list[str]:
        """Has these machines from now on, each of type t3.medium; their ids, in the same order."""
        ids: list[str] = []
        for part in batches(wanted):
            ids += self._order("/lab/machines", [machine.words() for machine in part])
        return ids

    def power(self, instance_id: str, *, on: bool) -> None:
        """Start or stop an instance."""
        verb = self._ec2().start_instances if on else self._ec2().stop_instances
        verb(InstanceIds=[instance_id])

    def terminate(self, instance_id: str) -> None:
        """Terminate an instance."""
        self._ec2().terminate_instances(InstanceIds=[instance_id])

    def protect(self, instance_id: str, *, on: bool = True) -> None:
        """Forbid, or allow, to terminate an instance."""
        self._ec2().modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": on})

    def regroup(self, instance_id: str, groups: Sequence[str]) -> None:
        """Give all interfaces of an instance these security groups."""
        for nic in self.interfaces(instance_id):
            self._ec2().modify_network_interface_attribute(NetworkInterfaceId=nic["NetworkInterfaceId"], Groups=groups)

    def give_profile(self, instance_id: str, name: str) -> None:
        """Give an instance another instance profile, or a first one."""
        filters = [{"Name": "instance-id", "Values": [instance_id]}]
        ec2, words = self._ec2(), {"IamInstanceProfile": {"Name": name}}
        found = ec2.describe_iam_instance_profile_associations(Filters=filters)["IamInstanceProfileAssociations"]
        if found:
            ec2.replace_iam_instance_profile_association(AssociationId=found[0]["AssociationId"], **words)
        else:
            ec2.associate_iam_instance_profile(InstanceId=instance_id, **words)

    def change_disk(self, instance_id: str, kind: str) -> None:
        """Change the volume type of an instance's only disk."""
        filters = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
        (volume,) = self._ec2().describe_volumes(Filters=filters)["Volumes"]
        self._ec2().modify_volume(VolumeId=volume["VolumeId"], VolumeType=kind)

    def interfaces(self, instance_id: str) -> list[dict[str, Any]]:
        """The network interfaces of an instance in their order, as EC2 describes them."""
        filters = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
        found = self._ec2().describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        return sorted(found, key=lambda nic: int(nic["Attachment"]["DeviceIndex"]))

    def plug(self, instance_id: str, subnet: str) -> str:
        """Attach a new interface of this subnet, given by id or name; its id."""
        by_name = dict(zip(self.subnet_names, self.subnets, strict=True))
        ec2, index = self._ec2(), len(self.interfaces(instance_id))
        made = ec2.create_network_interface(SubnetId=by_name.get(subnet, subnet))["NetworkInterface"]
        ec2.attach_network_interface(
            NetworkInterfaceId=made["NetworkInterfaceId"], InstanceId=instance_id, DeviceIndex=index
        )
        return str(made["NetworkInterfaceId"])

    def unplug(self, instance_id: str) -> str:
        """Detach the last interface, which takes its time; its id."""
        last = self.interfaces(instance_id)[-1]
        self._ec2().detach_network_interface(AttachmentId=last["Attachment"]["AttachmentId"])
        return str(last["NetworkInterfaceId"])

    def launch_by_hand(self, tags: Mapping[str, str], *, instance_type: str = "t3.micro") -> str:
        """Launch an instance with these tags, as "launch more like this" does; its id."""
        words: Sequence[dict[str, str]] = [{"Key": key, "Value": value} for key, value in tags.items()]
        made = self._ec2().run_instances(
            ImageId=self.images["debian-12"],
            InstanceType=instance_type,
            SubnetId=self.subnets[0],
            MinCount=1,
            MaxCount=1,
            **({"TagSpecifications": [{"ResourceType": "instance", "Tags": words}]} if words else {}),
        )
        return str(made["Instances"][0]["InstanceId"])

    # -------------------------------------------------------------- transport

    def _order(self, path: str, content: object) -> Any:
        request = urllib.request.Request(
            f"{self.endpoint}{path}", data=json.dumps(content).encode(), headers={"Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise LabError(f"the lab's AWS refused {path}: {error.read().decode()}") from error

    def _secret(self, name: str) -> dict[str, str]:
        return {"accessKeyID": self._keys[name]["id"], "secretAccessKey": self._keys[name]["secret"]}

    def _read(self) -> Any:
        if not self._state.exists():
            raise LabError("the lab's AWS has not started yet; call wait() first")
        return json.loads(self._state.read_text())

    def _ec2(self) -> Any:
        return self.client()

    def _answers(self) -> bool:
        try:
            self.tune()
        except LabError:
            return False
        return True

    def _user_data(self, instance_id: str) -> str | None:
        answer = self._ec2().describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        value = answer.get("UserData", {}).get("Value")
        return base64.b64decode(value).decode() if value else None


def _machine(item: Mapping[str, Any], user_data: str | None) -> AwsMachine:
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
    return AwsMachine(
        id=item["InstanceId"],
        state=item["State"]["Name"],
        type=item["InstanceType"],
        name=tags.get("Name", ""),
        tags=tags,
        private_ip=item.get("PrivateIpAddress"),
        subnet=item.get("SubnetId"),
        zone=item["Placement"]["AvailabilityZone"],
        client_token=item.get("ClientToken", ""),
        user_data=user_data,
    )
