"""What compute refuses, in the words its clients know."""

from typing import ClassVar

from pileus.kit.errors import Conflict, Denied, Invalid, NotFound, NotImplementedHere, OverQuota, Problem, Unavailable


class ServerNotFound(NotFound):
    """Instance {server} could not be found."""


class FlavorNotFound(NotFound):
    """Flavor {flavor} could not be found."""


class FlavorExists(Conflict):
    """Flavor with name {name} already exists."""


class FlavorIdExists(Conflict):
    """Flavor with ID {id} already exists."""


class FlavorAccessExists(Conflict):
    """Flavor access already exists for flavor {flavor} and project {project} combination."""


class FlavorAccessNotFound(NotFound):
    """Flavor access not found for {flavor} / {project} combination."""


class FlavorIsPublic(Conflict):
    """Flavor {flavor} is public: every project may use it already."""


class FlavorAccessOfPublic(NotFound):
    """Access list not available for public flavors."""


class ExtraSpecNotFound(NotFound):
    """Flavor {flavor} has no extra specs with key {key}."""


class KeypairNotFound(NotFound):
    """Keypair {name} not found for user {user}"""


class KeypairExists(Conflict):
    """Key pair '{name}' already exists."""


class BadKeypair(Invalid):
    """Keypair data is invalid: {why}"""


class BadRequest(Invalid):
    """{why}"""


class NotEnough(OverQuota):
    """Quota exceeded for {names}: Requested {asked}, but already used {used} of {limits} {names}"""


class TooManyKeypairs(OverQuota):
    """Quota exceeded, too many key pairs."""


class TooManyMetadataItems(OverQuota):
    """Maximum number of metadata items exceeds {limit}"""


class NotOnNetwork(NotFound):
    """Network {network} could not be found for instance {server}."""


class NoSuchFloatingIp(NotFound):
    """Floating IP not found for ID {id}"""


class NoFloatingIpThere(NotFound):
    """floating IP not found"""


class NoSuchPool(NotFound):
    """Floating IP pool not found."""


class NoMoreFloatingIps(NotFound):
    """No more floating IPs in pool {pool}."""


class NotAssociated(Conflict):
    """Floating IP {address} is not associated with instance {server}."""


class NoNetwork(NotFound):
    """Network not found"""


class TooManyFiles(OverQuota):
    """Personality file limit exceeded: {count} files were given, {limit} may be."""


class FilePathTooLong(OverQuota):
    """Personality file path exceeds maximum of {limit} bytes: {path}"""


class FileTooLong(OverQuota):
    """Personality file content exceeds maximum of {limit} bytes: {path}"""


class WrongState(Conflict):
    """Cannot '{action}' instance {server} while it is in {what} {state}"""


class ServerLocked(Conflict):
    """Instance {server} is locked"""


class NotReady(Conflict):
    """Instance {server} is not ready: {why}"""


class NoSuchMetadataItem(NotFound):
    """Metadata item was not found"""


class NoSuchTag(NotFound):
    """Server {server} has no tag '{tag}'"""


class NoSuchAction(NotFound):
    """Action for request_id {request} on instance {server} not found."""


class NotMemberOfNetwork(NotFound):
    """Instance is not a member of specified network"""


class NoSuchHypervisor(NotFound):
    """No hypervisor matching '{pattern}' could be found."""


class NoSuchThing(NotFound):
    """{what} {id} could not be found."""


class NoSuchPort(NotFound):
    """Port {port} is not attached"""


class NoSuchQuota(NotFound):
    """There is no quota named {name}."""


class QuotaBelowUse(Invalid):
    """Quota limit {limit} for {name} must be greater than or equal to already used and reserved {used}."""


class QuotaAboveProject(Invalid):
    """Quota limit {limit} for {name} must be less than or equal to {most}."""


class ConsoleTypeUnavailable(Invalid):
    """Unavailable console type {kind}."""


class NoGuestAgent(Conflict):
    """QEMU guest agent is not enabled"""


class BadMapping(Invalid):
    """Block Device Mapping is Invalid: {why}"""


class VolumeNotFound(NotFound):
    """Volume {volume} could not be found."""


class NotAttached(NotFound):
    """volume_id not found: {volume}"""


class VolumeElsewhere(Conflict):
    """Volume {volume} is a file of host {host}: server {server}, which is on host {other}, cannot have it."""


class VolumesStay(Conflict):
    """Server {server} cannot move: {what} is kept by host {host} alone. Detach it, or retype it to a back end that hosts share."""


class TooManyDisks(Denied):
    """The maximum allowed number of disk devices (16) to attach to a single instance has been exceeded: {server}"""


class CannotBeStill(Invalid):
    """Quiescing is not supported in instance {server}: its image {image} has os_require_quiesce, and not hw_qemu_guest_agent which that needs."""


class PasswordNotSet(Conflict):
    """Failed to set admin password on {server} because {why}"""


class ConsoleUnavailable(Unavailable):
    """The console of instance {server} cannot be opened: {why}"""


class NoSuchConsole(NotFound):
    """The requested console type details are not accessible or the token has expired."""


class Removed(Problem):
    """This resource is no longer available. No forwarding address is given."""

    status: ClassVar[int] = 410


class NotOffered(NotImplementedHere):
    """This cloud does not offer '{what}' yet."""


class NotForTheCaller(Denied):
    """{why}"""


class HostInUse(Conflict):
    """Host {host} cannot be forgotten: {why}."""


class AggregateNotFound(NotFound):
    """Aggregate {aggregate} could not be found."""


class AggregateExists(Conflict):
    """Aggregate {name} already exists."""


class AggregateInUse(Invalid):
    """Aggregate {aggregate} still has hosts: remove them first."""


class HostInAggregate(Conflict):
    """Aggregate {aggregate} already has host {host}."""


class HostNotInAggregate(NotFound):
    """Aggregate {aggregate} has no host {host}."""


class HostInOtherZone(Conflict):
    """Host {host} is in availability zone {zone} already, so it cannot be in {wanted}."""


class ServerGroupNotFound(NotFound):
    """Instance group {group} could not be found."""


class TooManyServerGroups(OverQuota):
    """Quota exceeded, too many server groups."""


class TooManyInGroup(OverQuota):
    """Quota exceeded, too many servers in group"""


class NoServersForEvents(NotFound):
    """No instances found for any event"""


class NotInGroup(NotFound):
    """Security group {group} not associated with the instance {server}"""


class NoSuchMigration(NotFound):
    """In-progress live migration {migration} is not found for server {server}."""


class NoSuchMigrationToEnd(Invalid):
    """Migration {migration} could not be found for server {server}."""


class WrongMigrationState(Invalid):
    """Migration {migration} state of instance {server} is {status}. Cannot {method} while the migration is in this state."""


class SecurityGroupNotFound(NotFound):
    """Security group {group} not found."""
