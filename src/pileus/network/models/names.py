"""Names of ports for the name service: the one given, or one that follows from the address."""

import re
from collections.abc import Mapping

from pileus.kit.auth import Caller
from pileus.network.errors import InvalidInput

_KEYWORD = re.compile(r"<(project_id|project_name|user_id|user_name)>")
_LONGEST = 255


def hostname(dns_name: str, address: str) -> str:
    """What a port with the address is called in its domain."""
    return dns_name or "host-" + address.replace(".", "-").replace(":", "-")


def short_name(given: str, domain: str) -> str:
    """The name without its domain; raises InvalidInput for a full name in another one."""
    name = given.lower()
    if not name.endswith("."):
        return name
    ending = f".{domain.strip('.').lower()}."
    if not name.endswith(ending):
        raise InvalidInput(why=f"dns_name '{given}' is not in the domain '{domain}' of the network")
    return name.removesuffix(ending)


def words_of(caller: Caller, project_id: str) -> dict[str, str]:
    """What keywords in a domain stand for, when the caller names a port of the project."""
    own = caller.project_id == project_id
    return {
        "project_id": project_id,
        # Only the caller's own project has a name here; another one is called by its id.
        "project_name": (caller.project_name if own else None) or project_id,
        "user_id": caller.user_id,
        "user_name": caller.user_name or caller.user_id,
    }


def own_domain(given: str, of_network: str, words: Mapping[str, str]) -> str:
    """The domain of a port, keywords filled in; empty when it is its network's as it stands. Raises InvalidInput."""
    domain = given or of_network
    if _KEYWORD.search(domain) is None:
        return given
    filled = _KEYWORD.sub(lambda found: _label(words.get(found[1], "")), domain)
    if len(filled) > _LONGEST:
        raise InvalidInput(why=f"dns_domain '{domain}' comes to more than {_LONGEST} characters: '{filled}'")
    return filled


def has_keywords(domain: str) -> bool:
    """Whether the domain is another for each port."""
    return _KEYWORD.search(domain) is not None


def _label(word: str) -> str:
    """A name as it may stand in a domain."""
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:63] or "unnamed"
