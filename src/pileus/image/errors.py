"""What the image service refuses."""

from typing import ClassVar

from pileus.kit.errors import Conflict, Denied, Invalid, NotFound, Problem, TooLarge, Unavailable, UnsupportedMedia


class NoSuchImage(NotFound):
    """No image found with ID {image}."""


class NoSuchMember(NotFound):
    """{member} not found in the member list of the image {image}."""


class NoSuchTag(NotFound):
    """Could not find tag {tag} of image {image}."""


class NoSuchNamespace(NotFound):
    """Metadata definition namespace={namespace} was not found."""


class NoSuchDefinition(NotFound):
    """The metadata definition {kind} with name={name} was not found in namespace={namespace}."""


class NoSuchTie(NotFound):
    """The metadata definition resource-type association of resource-type={name} to namespace={namespace}, was not found."""


class OtherPrefix(NotFound):
    """Property {name} does not start with the expected resource type association prefix of '{prefix}'."""


class NamespaceExists(Conflict):
    """The metadata definition namespace={namespace} already exists."""


class DefinitionExists(Conflict):
    """A metadata definition {kind} with name={name} already exists in namespace={namespace}."""


class PropertyDefined(Conflict):
    """A property with name={name} already exists in namespace={namespace}."""


class TagDefined(Conflict):
    """A metadata tag with name={name} already exists in namespace={namespace}."""


class TieExists(Conflict):
    """The metadata definition resource-type association of resource-type={name} to namespace={namespace} already exists."""


class NamespaceProtected(Denied):
    """Metadata definition namespace {namespace} is protected and cannot be deleted."""


class DefinitionProtected(Denied):
    """Metadata definition {kind} {name} is protected and cannot be deleted."""


class ImageExists(Conflict):
    """Image ID {image} already exists!"""


class WrongValue(Invalid):
    """{why}"""


class ReadOnly(Denied):
    """Attribute '{name}' is read-only."""


class Reserved(Denied):
    """Attribute '{name}' is reserved."""


class NotRemovable(Denied):
    """Property {name} may not be removed."""


class NoSuchProperty(Conflict):
    """Property {name} does not exist."""


class PropertyExists(Conflict):
    """Property {name} already present."""


class OnlyWhileQueued(Denied):
    """Attribute {name} can be only replaced for a queued image."""


class NotYourImage(Denied):
    """You are not permitted to create images owned by '{owner}'."""


class NotYourOwner(Denied):
    """You are not permitted to change the owner of image {image}."""


class NotYours(Denied):
    """You are not permitted to change image {image}: it is another project's."""


class Protected(Denied):
    """Image {image} is protected and cannot be deleted."""


class NotQueued(Conflict):
    """Image {image} has status {status}; its data can be uploaded only while it is queued."""


class NothingStaged(Conflict):
    """Only images with status uploading can be imported; image {image} has status {status}, or its stage is not whole."""


class WrongMethod(Invalid):
    """Import method {method} is not offered here; these are: {offered}."""


class NoSuchStore(Invalid):
    """Store {store} is not one that images can be written to."""


class NotInStore(NotFound):
    """Image {image} is not in store {store}."""


class SizeMismatch(Invalid):
    """The header x-openstack-image-size says {said} bytes; {came} came."""


class NoSuchStoreHere(Conflict):
    """The selected store {store} is not available here."""


class NotActiveInStore(Conflict):
    """Data of image {image} can be removed from a store only while it is active; it has status {status}."""


class LastCopy(Denied):
    """Cannot delete image data from the only store containing it: delete image {image} instead."""


class AlreadyThere(Invalid):
    """Image is already present at store '{store}'."""


class NotForImport(Conflict):
    """Image {image} has status {status}; import method {method} needs status {needed}."""


class NotYourImport(Denied):
    """Only the owner of image {image} may import its data."""


class AddressRefused(Invalid):
    """URI for {what} does not pass filtering: {url}: {why}."""


class LocationsHidden(Denied):
    """It's not allowed to add, replace or remove locations if locations are invisible."""


class NotActiveYet(Conflict):
    """Location can be added only while image {image} is queued; it has status {status}."""


class NoCache(NotFound):
    """Caching via API is not supported at this site: image.cache_size is 0."""


class NotCached(NotFound):
    """Image {image} not found: it is neither in the cache nor on its way there."""


class NotCacheable(Invalid):
    """Only images with status active can be cached; image {image} has status {status}."""


class LocationsFixed(Conflict):
    """It's not allowed to change the locations of image {image} while its status is {status}."""


class OddValidation(Conflict):
    """{why}"""


class NoLocations(Denied):
    """Cannot set locations to empty list: delete the image instead."""


class LastLocation(Denied):
    """Cannot remove last location in the image {image}: delete the image instead."""


class KnownLocation(Invalid):
    """Location {url} already exists."""


class OtherBytes(Conflict):
    """What is said of the new location's data is not what image {image} is."""


class NoSuchTask(NotFound):
    """No task found with ID {task}."""


class NoSuchLocation(Invalid):
    """Invalid location number {place}: image {image} has {count}."""


class FormatMissing(Conflict):
    """'{name}' needs to be set before import of image {image}."""


class NeedsFormats(Invalid):
    """Properties disk_format, container_format must be set prior to saving data."""


class WrongStatus(Denied):
    """Not allowed to {verb} image {image}: its status is {status}."""


class Deactivated(Denied):
    """The requested image has been deactivated. Image data download is forbidden."""


class Vanished(Problem):
    """Image {image} could not be found after upload. The image may have been deleted during the upload."""

    status: ClassVar[int] = 410


class TooBig(TooLarge):
    """Image {image} is larger than the {cap} bytes one image may have."""


class TooManyProperties(TooLarge):
    """Image {image} would have {count} properties; {quota} are allowed."""


class TooManyTags(TooLarge):
    """Image {image} would have {count} tags; {quota} are allowed."""


class TooManyMembers(TooLarge):
    """Image {image} would have {count} members; {quota} are allowed."""


class ContentMismatch(UnsupportedMedia):
    """Image content does not match disk format: {why}."""


class UnsafeContent(UnsupportedMedia):
    """Image content is refused: {why}."""


class BadSignature(Invalid):
    """Signature verification failed for image {image}: {why}."""


class NotTrusted(Denied):
    """Image signature certificate validation failed for certificate: {certificate}. {why}"""


class NoRoom(TooLarge):
    """Image {image} has more bytes than there is room for: it may have {room}."""


class OverLimit(TooLarge):
    """Resource {resource} is over its limit of {limit}: {wanted} more were asked for, and there is room for {left}."""


class SeveralRanges(Invalid):
    """Requests with multiple ranges are not supported here; several requests of one range each are."""


class WrongRange(Problem):
    """Requested range {given} cannot be satisfied: the image has {size} bytes."""

    status: ClassVar[int] = 416


class StoreFull(TooLarge):
    """Image storage media is full: {why}."""


class StoreFails(Unavailable):
    """The store does not take the image's bytes now: {why}. Try again later, or name another store."""


class NotShared(Denied):
    """Only shared images have members; image {image} is {visibility}."""


class MemberExists(Conflict):
    """Image {image} already has a member {member}."""


class ReadError(Problem):
    """Image store read error: image {image} cannot be read: {why}."""


class BytesMissing(NotFound):
    """The data of image {image} cannot be found in the store."""
