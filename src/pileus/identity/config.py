"""Options of identity."""

from typing import Literal

import msgspec


class OpenIdClient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an identity provider that speaks OpenID Connect knows us as."""

    issuer: str
    client_id: str
    client_secret_file: str = ""  # holds the secret; without one the code alone must do (PKCE)
    audience: str = ""  # whom tokens that clients bring along are for; empty: the client id
    scopes: str = "openid email profile"


class SamlProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity provider that speaks SAML 2.0."""

    entity_id: str
    certificate_file: str  # with whose key it signs, as PEM
    sso_url: str = ""  # where browsers are sent to log in; empty: nowhere


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long things last, and how many are kept."""

    keys_dir: str = ""  # of the keys that seal tokens and secrets, shared by controllers; empty: keys in the state
    token_provider: Literal["fernet", "jws"] = "fernet"  # sealed, or signed so that others can read them
    token_lifetime_s: int = 3600
    receipt_lifetime_s: int = 300  # of what somebody has proven who must prove more
    fernet_keys: int = 3  # staged and primary included
    remembered_tokens: int = 10_000
    password_memory_s: int = 60
    lockout_failure_attempts: int = 0  # wrong passwords in a row that lock a user out; 0 is never
    lockout_duration_s: float = 1800
    failed_logins_of_user: int = 60  # a minute, after which they have to wait; 0 is never
    failed_logins_from_address: int = 300  # likewise
    refusals_told: int = 300  # refused changes of all users a minute that auditors are told of; 0 is none
    refusals_told_of_user: int = 30  # likewise of one user
    audit_kept: int = 1_000_000  # events for auditors
    audit_kept_days: int = 365
    unique_last_password_count: int = 0  # how many of their last passwords users may not choose again
    trusted_proxies: tuple[str, ...] = ()  # networks whose requests may say for whom they are
    remote_user_header: str = "X-Remote-User"  # by which a trusted proxy says who logged in there
    remote_domain_header: str = "X-Remote-Domain"  # the name of their domain; the default domain without it
    client_certificate_header: str = "X-Client-Certificate"  # by which it hands on a client's, as PEM escaped for URLs
    openid: dict[str, OpenIdClient] = {}  # by the id of the identity provider
    saml: dict[str, SamlProvider] = {}  # by the id of the identity provider
    saml_entity_id: str = ""  # our own name; empty: the address of our metadata
    saml_assertion_s: int = 3600  # how long what we assert can be used
    trusted_dashboards: tuple[str, ...] = ()  # addresses that browsers may bring tokens to
    assertion_header_prefix: str = "X-Assertion-"  # of headers in which a trusted proxy hands on an assertion
    default_domain: str = "default"
    limit_model: Literal["flat", "strict_two_level"] = "flat"
    password_expires_days: int = 0  # until a password must be changed; 0 is never
    minimum_password_age_days: int = 0  # until users may change their own password again
    disable_user_account_days_inactive: int = 0  # without a login, after which there is none any more; 0 is never
    change_password_upon_first_use: bool = (
        False  # whether a password somebody else has set is good for changing it only
    )
    max_redelegation_count: int = 3  # how often a trust may be given on, one to the other
    oauth1_request_token_s: int = 28800
    oauth1_access_token_s: int = 86400  # 0 is for ever
    totp_steps_before: int = 1  # how many passcodes before the present one are still good
    password_regex: str = ""  # what a new password must match; empty: any will do
    password_regex_description: str = ""  # what that means, in words for users
