"""The closed list of condition reasons, each with what a person can do about it."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A CamelCase word in a condition. ``hint`` tells the reader what helps, and is empty where nothing is wrong."""

    hint: str

    def __new__(cls, word: str, hint: str = "") -> Reason:
        """A member from its word and its hint."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.hint = hint
        return member

    # Nothing is wrong.
    PENDING = "Pending"
    CREATING = "Creating"
    AVAILABLE = "Available"
    RUNNING = "Running"
    STOPPED = "Stopped"
    STARTING = "Starting"
    STOPPING = "Stopping"
    UPDATING = "Updating"
    DELETING = "Deleting"
    DETACHING = "Detaching"
    CONNECTED = "Connected"
    CONNECTING = "Connecting"
    IN_SYNC = "InSync"
    NO_DRIFT = "NoDrift"
    WAITING_FOR_ADDRESS = "WaitingForAddress", "The machine runs; its guest agent has not reported an address yet."
    SEARCHING = "Searching", "An earlier call had no answer; the cloud is searched before anything is repeated."

    # The object waits for something else.
    PAUSED = "Paused", "Remove the annotation hybridge.io/paused, or set spec.paused of the Provider to false."
    DEPENDENCY_NOT_READY = "DependencyNotReady", "Create the object that is named, or wait until it is Ready."
    PROVIDER_DOWN = "ProviderDown", "Check that the endpoint is reachable from the operator; work resumes by itself."
    SWEEP_FAILED = (
        "SweepFailed",
        "What is shown of the cloud may be old; it is tried again. The operator's log says more: report what it shows.",
    )
    PROVIDER_NOT_READY = "ProviderNotReady", "See the conditions of the Provider."
    THROTTLED = "Throttled", "The cloud limits requests; lower spec.limits of the Provider or ask for a higher quota."
    HOST_DOWN = "HostDown", "Bring the node or host of the machine back; nothing is changed until it answers."
    IMPORT_NOT_FOUND = (
        "ImportNotFound",
        "Correct spec.lifecycle.import, or wait until the cloud object exists; none is ever created for an import.",
    )
    LOCKED = "Locked", "Another task holds the object in the cloud; it is tried again when the lock is gone."

    CONTESTED = (
        "Contested",
        "Somebody or something in the cloud changes it back each time; find out who, or set spec.lifecycle.drift to Report.",
    )

    # A person has to act.
    RESTART_REQUIRED = "RestartRequired", "Stop the machine, or set spec.lifecycle.disruption to Allow."
    REPLACEMENT_REQUIRED = (
        "ReplacementRequired",
        "This cannot be changed on what exists: undo it in the spec, or make another object.",
    )
    ALREADY_OWNED = (
        "AlreadyOwned",
        "Another object or cluster owns it: delete that object with spec.lifecycle.onDelete Detach first.",
    )
    IMPORT_AMBIGUOUS = "ImportAmbiguous", "Name the id of the one that is meant in spec.lifecycle.import.id."
    IDENTITY_MISMATCH = (
        "IdentityMismatch",
        "What has this id in the cloud is not provably this object's; nothing is touched.",
    )
    IDENTITY_AMBIGUOUS = (
        "IdentityAmbiguous",
        "Several cloud objects carry this object's marker; remove it from the copies.",
    )
    PROVIDER_IDENTITY_MISMATCH = (
        "ProviderIdentityMismatch",
        "The credentials or the endpoint lead to another account or cluster than before; point them back.",
    )
    NOT_PERMITTED = "NotPermitted", "Grant what is named: the namespace in the Provider, or the right in the cloud."
    AUTHENTICATION_FAILED = "AuthenticationFailed", "Correct the Secret that spec.credentials names."
    SECRET_NOT_FOUND = "SecretNotFound", "Create the Secret that is named, with the keys that are named."
    TLS_NOT_VERIFIED = "TLSNotVerified", "Give the CA in spec.tls.caBundle or the certificate in spec.tls.fingerprint."
    INVALID_SPEC = "InvalidSpec", "Correct the field that is named."
    IMAGE_NOT_FOUND = (
        "ImageNotFound",
        "Correct spec.image, or spec.source of an Image; the names that come nearest are listed.",
    )
    NOT_FOUND = "NotFound", "Correct the name or id that the cloud does not know."
    NAME_TAKEN = (
        "NameTaken",
        "Another object of this name exists in the cloud and is not ours; choose another spec.name.",
    )
    QUOTA = "Quota", "Free something or raise the limit in the cloud."
    CAPACITY = "Capacity", "The cloud has no room for it now; choose another zone, node or size, or wait."
    UNSUPPORTED = "Unsupported", "This cloud cannot do what is asked."
    NOT_IMPLEMENTED_YET = "NotImplementedYet", "This version of Hybridge does not do it; remove the field."
    LOST = "Lost", "The cloud object is gone. Delete this object, or set spec.lifecycle.onLost to Recreate."
    EXPIRED = "Expired", "Delete this object; another one makes another snapshot."
    DELETION_PROTECTED = "DeletionProtected", "Take the protection away first."
    REJECTED = "Rejected", "The cloud refused the request; see its words."
    TASK_FAILED = "TaskFailed", "See the cloud's own log of the task."
    HAS_DEPENDANTS = (
        "HasDependants",
        "Delete what is named first, or have it use something else; this goes on by itself then.",
    )
    DRIFTED = "Drifted", "The cloud differs from the spec; see status.drift."
    CLOUD_ERROR = "CloudError", "The cloud answered with an error of its own; it is tried again."
