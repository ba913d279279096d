"""What an Image wants, in the core's words. Pure."""

from __future__ import annotations

from dataclasses import replace

from hybridge.api.image import Image, ImageSource
from hybridge.api.managed_desired import managed, words
from hybridge.core.image import Copy, Download, Find, ImageSpec, Published, Source, Stored, Taken
from hybridge.core.lifecycle import Import


def image_spec(
    image: Image, machine_id: str | None = None, snapshot_id: str | None = None, *, owner: str | None = None
) -> ImageSpec:
    """What the user wants. ``machine_id`` is the cloud's id of what ``spec.source.virtualMachineRef`` names, or of the
    machine of what ``spec.source.snapshotRef`` names, whose own is ``snapshot_id``. ``owner``: whom that machine's marker
    names.

    What ``source.id`` or ``source.find`` means is only looked at, whatever the lifecycle says.
    """
    spec, source = image.spec, image.spec.source
    placement = words(spec.placement) if spec.placement else {}
    wanted = ImageSpec(
        **managed(image.metadata, spec),
        source=_source(source, machine_id, snapshot_id, owner) if source else None,
        placement={key: str(value) for key, value in placement.items()},
    )
    if source is not None and source.id is not None:
        return replace(wanted, observed=True, imports=Import(id=str(source.id)))
    if source is not None and source.find is not None:
        find = Find(source.find.name, source.find.owner)
        return replace(wanted, observed=True, imports=Import(name=find.name), find=find)
    return wanted


def _source(source: ImageSource, machine_id: str | None, snapshot_id: str | None, owner: str | None) -> Source | None:
    if source.url is not None:
        return Download(source.url.url, source.url.checksum)
    if source.copy is not None:
        return Copy(source.copy.id, source.copy.region)
    if source.s3 is not None:
        return Stored(source.s3.bucket, source.s3.key, source.s3.format.value)
    if source.virtual_machine_ref is not None:
        return Published(source.virtual_machine_ref.name, machine_id, owner)
    if source.snapshot_ref is not None:
        return Taken(source.snapshot_ref.name, snapshot_id, machine_id)
    return None
