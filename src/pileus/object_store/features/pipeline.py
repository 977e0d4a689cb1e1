"""All features before the proxy, in their order: each may answer by itself, or change what is asked and answered."""

from collections.abc import Sequence
from functools import partial

from pileus.object_store.proxy.asks import Answer, Ask, Feature, Handler, Refused


class Pipeline:
    """Answers what is asked of object storage: what the Swift API and S3 both stand on."""

    def __init__(self, features: Sequence[Feature], proxy: Handler) -> None:
        way = proxy
        for feature in reversed(features):
            way = partial(feature, rest=way)
        self._way = way

    async def __call__(self, ask: Ask) -> Answer:
        """What is asked, done or refused; never raises Refused."""
        try:
            return await self._way(ask)
        except Refused as refused:
            return refused.answer
