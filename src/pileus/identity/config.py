"""Options of identity."""

from typing import Literal

import msgspec


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """How long things last, and how many are kept."""

    keys_dir: str = ""  # of the keys that seal tokens and secrets, shared by controllers; empty: keys in the state
    token_lifetime_s: int = 3600
    fernet_keys: int = 3  # staged and primary included
    remembered_tokens: int = 10_000
    password_memory_s: int = 60
    lockout_failure_attempts: int = 0  # wrong passwords in a row that lock a user out; 0 is never
    lockout_duration_s: float = 1800
    unique_last_password_count: int = 0  # how many of their last passwords users may not choose again
    default_domain: str = "default"
    limit_model: Literal["flat", "strict_two_level"] = "flat"
    password_regex: str = ""  # what a new password must match; empty: any will do
    password_regex_description: str = ""  # what that means, in words for users
