"""What auditors are told of changes that were refused: who wanted to change what, and was not allowed to.

Whoever has a token can bring about as many refusals as they like; so only so many a minute are told, of each and of all.
"""

from pileus.identity.app import Identity
from pileus.identity.models.audit import Act
from pileus.identity.store import tell_act


async def tell_refusal(app: Identity, act: Act, reason: str) -> None:
    """It is told, unless too many were a short while ago."""
    if app.events is None:
        return
    at = app.clock.monotonic()
    bounds = ((f"refused/{act.user_id}", app.config.refusals_told_of_user), ("refused", app.config.refusals_told))
    if any(not most or app.memory.rates.wait_s(key, most, at) > 0 for key, most in bounds):
        return
    for key, most in bounds:
        app.memory.rates.failed(key, most, at)
    async with app.db.transaction():
        await tell_act(app, act, reason)
