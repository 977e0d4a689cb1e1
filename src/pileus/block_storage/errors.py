"""What block storage refuses, in the words its clients know."""

from pileus.kit.errors import Conflict, Invalid, NotFound, OverQuota, PreconditionFailed, Unavailable


class VolumeNotFound(NotFound):
    """Volume {volume} could not be found."""


class SnapshotNotFound(NotFound):
    """Snapshot {snapshot} could not be found."""


class NoSnapshotOfImage(NotFound):
    """Nova specific image is found, but boot volume snapshot id:{snapshot} not found."""


class AttachmentNotFound(NotFound):
    """Volume attachment could not be found with filter: attachment_id = {attachment}."""


class TypeNotFound(NotFound):
    """Volume type {type} could not be found."""


class DefaultTypeNotFound(NotFound):
    """Default volume type for project {project} could not be found."""


class SpecNotFound(NotFound):
    """Volume Type {type} has no extra specs with key {key}."""


class EncryptionNotFound(NotFound):
    """Volume type encryption for type {type} does not exist."""


class AccessNotFound(NotFound):
    """Volume type access not found for {type} / {project} combination."""


class AccessOfPublic(NotFound):
    """Access list not available for public volume types."""


class QosNotFound(NotFound):
    """No such qos_specs {qos} exists."""


class QosKeyNotFound(NotFound):
    """No such key {key} for qos_specs {qos}."""


class MetadataNotFound(NotFound):
    """{what} {id} has no metadata with key {key}."""


class TransferNotFound(NotFound):
    """Transfer {transfer} could not be found."""


class BackupNotFound(NotFound):
    """Backup {backup} could not be found."""


class GroupNotFound(NotFound):
    """Group {group} could not be found."""


class GroupTypeNotFound(NotFound):
    """Group type {type} could not be found."""


class GroupSpecNotFound(NotFound):
    """Group Type {type} has no specs with key {key}."""


class GroupSnapshotNotFound(NotFound):
    """GroupSnapshot {snapshot} could not be found."""


class MessageNotFound(NotFound):
    """Message {message} could not be found."""


class ServiceNotFound(NotFound):
    """Service {service} could not be found on host {host}."""


class HostNotFound(NotFound):
    """Host {host} could not be found."""


class ClusterNotFound(NotFound):
    """Cluster {cluster} could not be found."""


class ExtensionNotFound(NotFound):
    """No extension is called {alias}."""


class ImageNotFound(Invalid):
    """Invalid image identifier or unable to access requested image: {image}."""


class ImageAmbiguous(Conflict):
    """Multiple matches found for '{image}', use an ID to be more specific."""


class FrozenBackend(Invalid):
    """Invalid input received: Modification operations are not allowed on frozen storage backends, and {place} is one."""


class BadAttachMode(Invalid):
    """Invalid attaching mode '{mode}' for volume {volume}: it is read-only."""


class EncryptionUnknown(NotFound):
    """Volume {volume} has no encryption metadata called {key}."""


class TypeExists(Conflict):
    """Volume Type {type} already exists."""


class AccessExists(Conflict):
    """Volume type access for {type} / {project} combination already exists."""


class GroupTypeExists(Conflict):
    """Group Type {type} already exists."""


class QosExists(Conflict):
    """Qos Specs {qos} already exists."""


class EncryptionExists(Invalid):
    """Volume type encryption for type {type} already exists."""


class TypeInUse(Invalid):
    """Target volume type is still in use."""


class DefaultTypeInUse(Invalid):
    """The volume type {type} is a default volume type and cannot be deleted."""


class GroupTypeInUse(Invalid):
    """Target group type is still in use."""


class QosInUse(Invalid):
    """Qos Specs {qos} is still associated with entities."""


class EncryptionInUse(Invalid):
    """Cannot change encryption specs. Volume type in use."""


class BadRequest(Invalid):
    """{why}"""


class InvalidVolume(Invalid):
    """Invalid volume: {why}"""


class InvalidSnapshot(Invalid):
    """Invalid snapshot: {why}"""


class InvalidBackup(Invalid):
    """Invalid backup: {why}"""


class InvalidGroup(Invalid):
    """Invalid Group: {why}"""


class InvalidGroupSnapshot(Invalid):
    """Invalid GroupSnapshot: {why}"""


class InvalidType(Invalid):
    """Invalid volume type: {why}"""


class InvalidInput(Invalid):
    """Invalid input received: {why}"""


class ServerHasVolume(Conflict):
    """Detach volume from instance {server} using the Compute API"""


class AttachmentConflict(Conflict):
    """Volume {volume} {why}"""


class InvalidAuthKey(Invalid):
    """Invalid auth key: Attempt to transfer {transfer} with invalid auth key."""


class InvalidReference(Invalid):
    """Manage existing volume failed due to invalid backend reference {ref}: no disk of that name is free at {place}."""


class NotReplicated(Invalid):
    """Invalid Group: Replication is not enabled for group {group}: its volumes are kept by hosts that do not replicate."""


class TooManyVolumes(OverQuota):
    """VolumeLimitExceeded: Maximum number of volumes allowed ({limit}) exceeded for quota '{name}'."""


class TooManySnapshots(OverQuota):
    """SnapshotLimitExceeded: Maximum number of snapshots allowed ({limit}) exceeded for quota '{name}'."""


class TooManyBackups(OverQuota):
    """BackupLimitExceeded: Maximum number of backups allowed ({limit}) exceeded"""


class TooManyGroups(OverQuota):
    """GroupLimitExceeded: Maximum number of groups allowed ({limit}) exceeded"""


class TooManyGigabytes(OverQuota):
    """VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed {name} quota. Requested {asked}G, quota is {limit}G and {used}G has been consumed."""


class TooManyBackupGigabytes(OverQuota):
    """VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested {asked}G, quota is {limit}G and {used}G has been consumed."""


class TooBig(OverQuota):
    """VolumeSizeExceedsLimit: Requested volume size {size}G is larger than maximum allowed limit {limit}G."""


class MetadataChanged(PreconditionFailed):
    """The metadata of {id} has changed since it was read."""


class KeyLost(Unavailable):
    """The key of volume {volume} cannot be opened: what it was sealed with is not among the cloud's keys any more."""
