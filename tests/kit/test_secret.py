"""What we make up can be given to any command."""

import pytest

from pileus.kit import secret


def test_no_secret_is_taken_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["-B0vik", "--x", "B-0vik"])
    monkeypatch.setattr(secret.secrets, "token_urlsafe", lambda _octets: next(drawn))
    assert secret.new_secret(32) == "B-0vik"
