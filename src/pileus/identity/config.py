"""Options of identity."""

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """How long things last, and how many are kept."""

    token_lifetime_s: int = 3600
    fernet_keys: int = 3  # staged and primary included
    remembered_tokens: int = 10_000
    password_memory_s: int = 60
    default_domain: str = "default"
