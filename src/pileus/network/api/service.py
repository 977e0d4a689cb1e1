"""The service's Api: its dialect, prefix and policy, which the modules beside this one fill."""

from pileus.kit.http.dialect import Types
from pileus.kit.http.route import Api

api = Api("network", Types(), prefixes=("/v2.0",))
