"""AMIs as images.

CopyImage and ImportImage have a token, and an AMI's name can be had only once, so that CreateImage and RegisterImage cannot
be repeated: each of them, asked again, leads to what it has made. ImportImage marks its task alone; the AMI gets its marker
by a call of its own once the task is done, with the repetition of the create or a search. AMIs of others are only looked
at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hybridge.core.attempt import Intent
from hybridge.core.errors import Busy, CloudError, Disposition, Refused, Unclear
from hybridge.core.identity import OWNER, Marker
from hybridge.core.image import Copy, Find, Image, ImageSpec, ImageTraits, Taken
from hybridge.core.managed import State
from hybridge.core.reasons import Reason
from hybridge.core.task import Task, TaskState
from hybridge.drivers.aws import ami, attachments, importing, launch, mapping, registering, remains, tags
from hybridge.drivers.aws.client import FILTER_VALUES, Client
from hybridge.drivers.aws.remains import Remains
from hybridge.drivers.aws.snapshots import Snapshots
from hybridge.drivers.base import Prepared, Started
from hybridge.drivers.marked import prove, prove_for, same_owner

PAGE = 1000


class Images:
    """The ImageDriver of EC2. Ids are never used again there, so acting by id is acting on what was proven."""

    traits = ImageTraits(visibility=300.0, lag=300.0, token_lifetime=24 * 3600.0, remains=True)

    def __init__(self, client: Client, snapshots: Snapshots) -> None:
        self._client = client
        self._snapshots = snapshots
        self._remains = Remains(client)
        self._lock = threading.Lock()
        #: What others own and objects look at, and when it was read, in monotonic seconds.
        self._foreign: dict[str, tuple[float, Image | None]] = {}

    def normalize(self, spec: ImageSpec) -> ImageSpec:
        """Nothing is rounded; what EC2 does not have is refused."""
        ami.check(spec)
        return spec

    def prepare(self, spec: ImageSpec, taken: Collection[str]) -> Prepared:
        """Looks whether there is what is to be copied or registered, and which volumes of a machine were only lent to it:
        those are left out. ``taken`` says nothing here: EC2 chooses the ids.
        """
        del taken
        ami.check(spec)
        if isinstance(spec.source, Taken):
            words = registering.parameters(self._client, self._snapshots, spec.source)
            return Prepared(ami.registration(spec, str(spec.source.snapshot_id), words))
        words = ami.parameters(spec, self._client.region)
        if words[ami.CALL] == ami.PUBLISH:
            words |= ami.without(attachments.lent(self._client, words["InstanceId"]))
        if isinstance(spec.source, Copy) and words["SourceRegion"] == self._client.region:
            self._look_at_original(spec.source.id)
        return Prepared(words)

    def create(self, intent: Intent, spec: ImageSpec, marker: Marker) -> Started[Image]:
        """CopyImage, CreateImage, RegisterImage or ImportImage; what an earlier call of this intent has made is taken.

        Raises Busy (UPDATING) when a volume was lent to the machine since the intent was prepared.
        """
        del spec
        call, words = ami.request(intent, marker)
        if call == ami.IMPORT:
            return self._import(intent, words, marker)
        if call == ami.PUBLISH:
            self._have_nothing_lent(words)
        try:
            known = str(self._client.call(call, **words)["ImageId"])
        except Refused as refused:
            if refused.reason is not Reason.NAME_TAKEN:
                raise
            alive = [one for one in self.find(marker, intent) if one.state in {State.PENDING, State.READY}]
            made = next((one for one in alive if one.name == intent.name), None)
            if made is None:
                raise
            return Started(made.id, made)
        return Started(known, ami.made(known, intent, marker))

    def find(self, marker: Marker, intent: Intent | None) -> list[Image]:
        """By the marker's tag, which comes with the create. What an import has made gets it here, unless a repetition of
        the create was faster: in a deletion there is none. Where there is no image, what is left of one is found.

        Raises Busy (CREATING) while it is being imported.
        """
        filters = [{"Name": f"tag:{OWNER}", "Values": [marker.owner]}]
        found = self._images(self._own(Filters=filters))
        if found:
            return found
        if intent is not None and intent.parameters.get(ami.CALL) == ami.IMPORT:
            made = self._imported(intent, marker)
            if made is not None and same_owner(made.marker, marker):
                return [made]
        left = self._remains.of(marker)
        return [] if left is None else [left]

    def get(self, known_id: str) -> Image | None:
        """DescribeImages by id; of one that was deregistered lately EC2 says nothing, so that it is asked in another way."""
        if self._remains.has(known_id):
            return self._remains.get(known_id)
        found = self._describe(known_id)
        return None if found is None else self._with_progress(self._images([found]), [found])[0]

    def seek(self, find: Find) -> list[Image]:
        """DescribeImages by owner and name."""
        pages = self._client.pages("DescribeImages", "Images", size=PAGE, **ami.search(find))
        return self._images(one for page in pages for one in page)

    def configure(
        self, image: Image, spec: ImageSpec, fields: Collection[str], intent: Intent | None, marker: Marker
    ) -> Started[Image]:
        """The user's tags."""
        del intent, marker
        asked = {field.partition(".")[0] if field.startswith("tags.") else field for field in fields}
        if final := sorted(asked - {"tags"}):
            raise Refused(Reason.UNSUPPORTED, f"{', '.join(final)}: EC2 never changes that of an image")
        prove(image, self._look(image).marker)
        return Started(image.id, tags.retag(self._client, image, spec, asked))

    def mark(self, image: Image, marker: Marker | None) -> Started[Image]:
        """Tags of the image, and of its snapshots that carry the same marker as it does now, or none."""
        found = self._ours(image)
        prove_for(image, self._images([found])[0].marker, marker)
        parts = self._parts(found, image.marker, also_unmarked=True)
        tags.mark(self._client, [image.id, *parts], image.marker, marker)
        return Started(image.id, replace(image, marker=marker))

    def delete(self, image: Image) -> Started[Image]:
        """DeregisterImage with the snapshots of the image; those that another image uses EC2 keeps, and those that it was
        registered of, or that carry another marker, are kept here. Instances that were made from it do without.

        What that leaves, or somebody who has deregistered it, is deleted as what is left of it (see ``remains``).
        """
        if image.remains:
            return self._remains.delete(image)
        found = self._describe(image.id)
        now = self._images([found])[0] if found else None
        if found is None or now is None or now.gone:
            return Started(image.id)
        prove(image, now.marker)
        parts, every = self._parts(found, image.marker), ami.snapshots(found)
        whole = {*parts} == {*every}
        try:
            answer = self._client.call("DeregisterImage", ImageId=image.id, DeleteAssociatedSnapshots=whole)
        except Refused as refused:
            if refused.reason is not Reason.IMAGE_NOT_FOUND:
                raise
            answer = {}
        for one in remains.kept(answer) if whole else parts:
            self._delete_snapshot(one)
        return Started(image.id, replace(now, state=State.DELETING))

    # ------------------------------------------------------------------ sweeps

    def all(self, ages: Mapping[str, float], refresh: Collection[str]) -> Mapping[str, Image]:
        """All of our own, a request for each 1000 of them, and those of others by which objects go (``ages``: at most so
        many seconds old), a request for each 200 that are due. One more tells how far they are, where some are being made.
        """
        found = self._own()
        shown = {one.id: one for one in self._with_progress(self._images(found), found)}
        foreign = {one for one in ages if one.startswith("ami-") and one not in shown}
        return {**shown, **self._of_others(foreign, ages, refresh)}

    def follow(self, tasks: Iterable[Task]) -> Mapping[str, Task]:
        """How far imports are: a request together, and none where there are none."""
        mine = {task.id.partition(":")[2]: task for task in tasks if task.id.startswith(f"{ami.IMPORT}:")}
        if not mine:
            return {}
        found = {one["ImportTaskId"]: one for one in importing.tasks(self._client)}
        return {task.id: importing.judged(task, found.get(known)) for known, task in mine.items()}

    def _of_others(
        self, wanted: Collection[str], ages: Mapping[str, float], refresh: Collection[str]
    ) -> Mapping[str, Image]:
        now = time.monotonic()
        with self._lock:
            kept = {one: seen for one, seen in self._foreign.items() if one in wanted}
        due = [one for one in wanted if one in refresh or one not in kept or now - kept[one][0] > ages[one]]
        found = self._client.among("DescribeImages", "Images", "image-id", due, size=PAGE)
        read = {one.id: one for one in self._images(found)}
        kept.update({one: (now, read.get(one)) for one in due})
        with self._lock:
            self._foreign = kept
        return {known: one for known, (_, one) in kept.items() if one is not None}

    # ----------------------------------------------------------------- from S3

    def _import(self, intent: Intent, words: Mapping[str, Any], marker: Marker) -> Started[Image]:
        """ImportImage, and once its task is done the marker on what it made."""
        task = importing.of(self._client, intent.token) or self._client.call(ami.IMPORT, **words)
        now = importing.read(task)
        if now.state is TaskState.FAILED:
            raise Refused(Reason.TASK_FAILED, now.error)
        if now.state is not TaskState.SUCCEEDED:
            return Started(task=now)
        known = str(task["ImageId"])
        shown = self._take_in(known, intent, marker)
        if shown is None:
            raise Refused(Reason.IMAGE_NOT_FOUND, f"the image {known} that was imported does not exist any more")
        return Started(known, shown)

    def _imported(self, intent: Intent, marker: Marker) -> Image | None:
        """What ImportImage has made of this intent, which nobody may have marked yet. Raises Busy while it makes it."""
        task = importing.of(self._client, intent.token)
        if task is None:
            return None
        now = importing.read(task)
        if now.state is TaskState.RUNNING:
            raise Busy(f"{now.id} is running in the cloud: what it makes is not known yet", reason=Reason.CREATING)
        return self._take_in(str(task["ImageId"]), intent, marker) if now.state is TaskState.SUCCEEDED else None

    def _take_in(self, known: str, intent: Intent, marker: Marker) -> Image | None:
        """What was imported, with the marker unless it carries one already; None when it is gone."""
        found = self._describe(known)
        if found is None:
            return None
        (shown,) = self._images([found])
        if shown.marker is not None:
            return shown
        given = intent.parameters.get(launch.TAGS, {})
        assert isinstance(given, Mapping)
        resources = [known, *self._parts(found, None, also_unmarked=True)]
        self._client.call("CreateTags", Resources=resources, Tags=ami.marks(intent, given, marker))
        return replace(shown, marker=marker, name=intent.name, tags=dict(given))

    # ------------------------------------------------------------------- parts

    def _look_at_original(self, known_id: str) -> None:
        found = self.get(known_id)
        if found is None or found.gone:
            raise Refused(Reason.IMAGE_NOT_FOUND, f"spec.source.copy.id: there is no image {known_id}")
        if found.state is State.PENDING:
            raise CloudError(
                Reason.DEPENDENCY_NOT_READY, f"image {found.id} is still being made", disposition=Disposition.WAIT
            )

    def _have_nothing_lent(self, words: Mapping[str, Any]) -> None:
        """Others' data would be in the image, and in each machine that starts from it."""
        machine = words["InstanceId"]
        late = set(attachments.lent(self._client, machine)) - ami.left_out(words)
        if late:
            told = f"a volume was lent to {machine} meanwhile, as {', '.join(sorted(late))}"
            raise Busy(told, reason=Reason.UPDATING)

    def _own(self, **words: Any) -> list[dict[str, Any]]:
        pages = self._client.pages(
            "DescribeImages", "Images", size=PAGE, Owners=[ami.SELF], IncludeDisabled=True, **words
        )
        return [one for page in pages for one in page if ami.exists(one)]

    def _images(self, found: Iterable[Mapping[str, Any]]) -> list[Image]:
        account = self._client.account
        return [ami.image(one, account) for one in found]

    def _with_progress(self, shown: Sequence[Image], found: Sequence[Mapping[str, Any]]) -> list[Image]:
        """Those that are being made with how far they are."""
        parts = {one.id: ami.snapshots(it) for one, it in zip(shown, found, strict=True) if one.state is State.PENDING}
        wanted = [known for some in parts.values() for known in some][:FILTER_VALUES]
        if not wanted:
            return [*shown]
        try:
            answer = self._client.call("DescribeSnapshots", Filters=[{"Name": "snapshot-id", "Values": wanted}])
        except Refused as refused:
            if refused.reason is not Reason.NOT_PERMITTED:
                raise
            return [*shown]
        done = {one["SnapshotId"]: ami.percent(one.get("Progress", "")) for one in answer["Snapshots"]}
        return [ami.with_progress(one, [done[part] for part in parts.get(one.id, ()) if part in done]) for one in shown]

    def _parts(self, found: Mapping[str, Any], marker: Marker | None, *, also_unmarked: bool = False) -> list[str]:
        """The ids of the snapshots of an image that carry this marker; on request those, too, that carry none."""
        wanted = ami.own_snapshots(found)
        if not wanted:
            return []
        answer = self._client.call("DescribeSnapshots", Filters=[{"Name": "snapshot-id", "Values": wanted}])
        owners = {one["SnapshotId"]: mapping.pairs(one.get("Tags", [])).get(OWNER) for one in answer["Snapshots"]}
        ours = {marker.owner} if marker else set[str | None]()
        kept = ours | ({None} if also_unmarked else set())
        return [known for known in wanted if known in owners and owners[known] in kept]

    def _describe(self, known_id: str) -> Mapping[str, Any] | None:
        try:
            answer = self._client.call("DescribeImages", ImageIds=[known_id], IncludeDisabled=True)
            found: Mapping[str, Any] | None = next(
                (one for one in answer["Images"] if one["ImageId"] == known_id), None
            )
            if found is None:
                # Only of its own images EC2 tells an account this; of others it says that they are not for it.
                self._client.call("DescribeImageAttribute", ImageId=known_id, Attribute="description")
        except Refused as refused:
            if refused.reason is Reason.IMAGE_NOT_FOUND:
                return None
            raise
        if found is None:
            raise Unclear(f"DescribeImages: the answer does not tell of {known_id}")
        return found if ami.exists(found) else None

    def _ours(self, image: Image) -> Mapping[str, Any]:
        found = self._describe(image.id)
        if found is None:
            raise Refused(Reason.NOT_FOUND, f"{image.id} does not exist")
        if ami.SELF not in self._images([found])[0].owner:
            raise Refused(
                Reason.NOT_PERMITTED, f"{image.id} belongs to account {found.get('OwnerId')}: it can only be observed"
            )
        return found

    def _look(self, image: Image) -> Image:
        return self._images([self._ours(image)])[0]

    def _delete_snapshot(self, known: str) -> None:
        """Another image may use it: then it stays."""
        try:
            self._client.call("DeleteSnapshot", SnapshotId=known)
        except CloudError as error:
            if error.reason not in {Reason.NOT_FOUND, Reason.LOCKED, Reason.HAS_DEPENDANTS}:
                raise
