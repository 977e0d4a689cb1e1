"""The service's Api: its dialect, prefix and policy, which the modules beside this one fill."""

from typing import Any

from pileus.kit.http.call import Call
from pileus.kit.http.dialect import Types
from pileus.kit.http.misread import BadField
from pileus.kit.http.route import Api
from pileus.network.errors import RevisionNumberConstraintFailed
from pileus.network.models.resources import Standard

_REVISION = "revision_number="


def check_revision(call: Call[Any], target: object) -> None:
    """Raises RevisionNumberConstraintFailed when a change was meant for another revision (`If-Match: revision_number=3`)."""
    wanted = call.headers.get("if-match")
    if wanted is None or call.method not in {"PUT", "DELETE"} or not isinstance(target, Standard):
        return
    number = wanted.removeprefix(_REVISION)
    if number == wanted or not (number.isascii() and number.isdigit()):
        raise BadField(field="If-Match", why=f"'{wanted}' is not such as {_REVISION}3")
    if int(number[:18]) != target.revision:
        raise RevisionNumberConstraintFailed(expected=number, there=target.revision)


api = Api("network", Types(), prefixes=("/v2.0",), guard=check_revision)
