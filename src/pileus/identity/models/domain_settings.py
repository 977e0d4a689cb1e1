"""What can be set for a domain by itself: where its users come from, how its directory is read, what passwords must be."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Attribute = str


class Ldap(msgspec.Struct, frozen=True, kw_only=True):
    """How a directory is reached, and how its entries are read; names are those operators of Keystone know."""

    url: str = "ldap://localhost"
    user: str = ""
    password: str = ""
    suffix: str = "cn=example,cn=com"
    query_scope: Literal["one", "sub"] = "one"
    page_size: int = 0
    connection_timeout: float = 10
    use_tls: bool = False
    tls_cacertfile: str = ""
    tls_req_cert: Literal["demand", "never"] = "demand"
    user_tree_dn: str = ""
    user_filter: str = ""
    user_objectclass: str = "inetOrgPerson"
    user_id_attribute: Attribute = "cn"
    user_name_attribute: Attribute = "sn"
    user_description_attribute: Attribute = "description"
    user_mail_attribute: Attribute = "mail"
    user_enabled_attribute: Attribute = ""
    user_enabled_invert: bool = False
    user_enabled_mask: int = 0
    user_enabled_default: str = "True"
    group_tree_dn: str = ""
    group_filter: str = ""
    group_objectclass: str = "groupOfNames"
    group_id_attribute: Attribute = "cn"
    group_name_attribute: Attribute = "ou"
    group_member_attribute: Attribute = "member"
    group_members_are_ids: bool = False
    group_desc_attribute: Attribute = "description"

    def __repr__(self) -> str:
        return f"Ldap(url={self.url})"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where a domain's users are: in its directory when the driver is `ldap`; and how many a list shows at once."""

    driver: str = "sql"
    list_limit: int | None = None


class Compliance(msgspec.Struct, frozen=True, kw_only=True):
    """What a new password must match, and that in words; for all domains alike."""

    password_regex: str | None = None
    password_regex_description: str | None = None


SECTIONS: Mapping[str, type[msgspec.Struct]] = {"identity": Source, "ldap": Ldap}
LDAP = "ldap"
COMPLIANCE = "security_compliance"
SENSITIVE = frozenset({("ldap", "password")})
Settings = dict[str, dict[str, Any]]


def defaults() -> Settings:
    """The value of every option that is not set, without the sensitive ones."""
    return {
        section: {
            name: value for name, value in msgspec.to_builtins(kind()).items() if (section, name) not in SENSITIVE
        }
        for section, kind in SECTIONS.items()
    }


def why_wrong(settings: Mapping[str, object]) -> str | None:
    """What is wrong with settings as a client gave them; None when they can be used."""
    if not settings:
        return "no options specified"
    for section, options in settings.items():
        kind = SECTIONS.get(section)
        if kind is None:
            return f"group {section} is not supported for domain specific configurations"
        if not isinstance(options, dict) or not options:
            return f"the value of group {section} specified in the config should be a dictionary of options"
        for name in options:
            if name not in kind.__struct_fields__:
                return f"option {name} in group {section} is not supported for domain specific configurations"
        try:
            msgspec.convert(options, kind, strict=False)
        except msgspec.ValidationError as bad:
            return f"group {section}: {bad}"
    return None


def ldap_of(settings: Mapping[str, Mapping[str, Any]]) -> Ldap | None:
    """How the domain's directory is read; None when its users are in the database."""
    if settings.get("identity", {}).get("driver") != LDAP:
        return None
    return msgspec.convert(settings.get("ldap", {}), Ldap, strict=False)
