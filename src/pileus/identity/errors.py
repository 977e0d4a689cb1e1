"""What identity refuses, in the words its clients know."""

from pileus.kit.errors import (
    Conflict,
    Denied,
    Invalid,
    NotFound,
    NotImplementedHere,
    Problem,
    Unauthorized,
    Unavailable,
)


class NotAuthenticated(Unauthorized):
    """The request you have made requires authentication."""


class UnknownMethod(Unauthorized):
    """Attempted to authenticate with an unsupported method."""


class WrongPassword(Unauthorized):
    """The original password is not right; the password stays as it was."""


class PasswordLocked(Denied):
    """This user's password can be changed by an administrator only."""


class PasswordUsedBefore(Invalid):
    """The new password cannot be identical to a previous password; it must differ from the last {count}."""


class TooManyLogins(Unavailable):
    """Too many passwords are being checked at this moment; try again in a few seconds."""


class TokenNotFound(NotFound):
    """Failed to validate token."""


class NoSubjectToken(NotFound):
    """No token in the request; name it in the X-Subject-Token header."""


class Missing(NotFound):
    """Could not find {kind}: {id}."""


class AssignmentNotFound(NotFound):
    """Could not find role assignment with role: {role}, user or group: {actor}, project, domain, or system: {scope}."""


class ImplicationNotFound(NotFound):
    """The role {prior} does not imply the role {implied}."""


class NotMember(NotFound):
    """User {user} is not found in group {group}."""


class TagNotFound(NotFound):
    """Could not find project tag: {tag}."""


class CredentialNotOfUser(Denied):
    """The credential {id} is not user {user}'s."""


class BadCredential(Invalid):
    """Invalid credential: {why}."""


class TrustConsumed(Denied):
    """There are no remaining uses for trust {trust}."""


class BadApplicationCredential(Invalid):
    """Invalid application credential: {why}."""


class AccessRuleInUse(Denied):
    """Access rule {rule} is in use by an application credential; delete that first."""


class NeedsProject(Denied):
    """An application credential is good in one project; log in to that project to make it."""


class BadTrust(Invalid):
    """Invalid trust: {why}."""


class NotYoursToTrust(Denied):
    """The authenticated user should match the trustor, who can only delegate what they may do themselves: {why}."""


class NoDelegationOfDelegation(Denied):
    """A token that came from a trust or a restricted application credential gives nothing on: {what}."""


class NoDelegationOfBound(Denied):
    """A token that is bound to a client certificate gives nothing that could be used without it: {what}."""


class Duplicate(Conflict):
    """Conflict occurred attempting to store {kind} - Duplicate entry found with {what}."""


class DomainEnabled(Denied):
    """Cannot delete a domain that is enabled, please disable it first."""


class DefaultDomain(Denied):
    """The default domain cannot be deleted, as this cloud keeps its own users there."""


class NotLeaf(Denied):
    """Cannot delete the project {project} since it is not a leaf in the hierarchy; delete the projects below it first."""


class RegionInUse(Denied):
    """Unable to delete region {region} because it or its child regions have associated endpoints."""


class ParentDisabled(Denied):
    """Cannot enable or create project {project}: its parent {parent} is disabled."""


class Immutable(Denied):
    """The {kind} {id} is immutable; set its option immutable to false first."""


class ImpliesItself(Conflict):
    """Implied role {implied} may not be given to {prior}: a role would come to imply itself."""


class ImpliesOfDomain(Denied):
    """Role {implied} belongs to a domain, and the global role {prior} cannot imply it; only a domain's role can."""


class RoleOfOtherDomain(Denied):
    """Role {role} belongs to a domain; only the roles it implies have effect there, and only in its own domain."""


class ReferenceMissing(Invalid):
    """There is no {kind} {id}, which {field} names."""


class NotAllowedToChange(Invalid):
    """{field} cannot be changed once the {kind} is made."""


class BadScope(Invalid):
    """{why}"""


class DepthExceeded(Denied):
    """Projects may be nested {limit} deep below their domain, and {project} is at that depth."""


class SubtreeEnabled(Denied):
    """Cannot disable project {project} since there are enabled projects below it."""


class BadTag(Invalid):
    """A tag has 1 to 255 characters, none of them a comma or a slash: {tag}."""


class BadSignedRequest(Invalid):
    """This is no signed request: {why}."""


class BadEndpointFilter(Invalid):
    """Endpoints are not filtered by {name}; known are: {known}."""


class LimitTaken(Conflict):
    """There is a {kind} for {resource} of service {service} in region {region} already."""


class LimitInUse(Denied):
    """Unable to change or delete registered limit {limit} because there are project limits associated with it."""


class NoRegisteredLimit(Denied):
    """Unable to create a limit that has no corresponding registered limit: {resource} of service {service}."""


class LimitTooHigh(Denied):
    """Invalid resource limit: {why}"""


class BadDomainSetting(Denied):
    """Invalid domain specific configuration: {why}."""


class BadLimit(Invalid):
    """Invalid limit: {why}."""


class BadTime(Invalid):
    """{field} is no time: {given}."""


class PasswordExpired(Unauthorized):
    """The password is expired and needs to be changed for user: {user}."""


class AccountInactive(Unauthorized):
    """The account is disabled for user: {user}; they were away for too long."""


class PasswordTooWeak(Invalid):
    """The password does not match the requirements: {rule}."""


class PasswordTooYoung(Invalid):
    """A password must be {days} days old before its user changes it again, which is at {at}; an administrator can."""


class ReceiptNotFound(Unauthorized):
    """Could not find auth receipt; it may have expired."""


class BadOAuth(Unauthorized):
    """The request's OAuth signature, token or verifier is not right."""


class BadOAuthRequest(Invalid):
    """Invalid OAuth request: {why}."""


class BadMapping(Invalid):
    """Invalid mapping: {why}."""


class NotKnownAs(Denied):
    """The identity provider {idp} is not known by the name the assertion gives; see its remote_ids."""


class UntrustedDashboard(Unauthorized):
    """The origin is not a trusted dashboard host; the option trusted_dashboards names those that are."""


class BadAssertion(Unauthorized):
    """What the identity provider says cannot be believed: {why}."""


class NotSetUp(NotImplementedHere):
    """{what} is not set up here: {remedy}."""


class ProviderUnreachable(Unavailable):
    """The identity provider does not answer as it should: {why}."""


class TooManyFailures(Problem):
    """Too many logins have failed; try again in {seconds} seconds."""

    status = 429


class DirectoryFailed(Unavailable):
    """The directory of this domain does not answer as it should: {why}."""


class DirectoryReadOnly(Denied):
    """The users and groups of domain {domain} are in a directory, which is only read here; change them there."""
