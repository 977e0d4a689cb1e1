"""How images can be listed: by which filters and in which orders."""

from collections.abc import Callable

import sqlalchemy as sa

from pileus.image.models.images import Head
from pileus.image.tables import IMAGES, MEMBERS, PROPERTIES, TAGS
from pileus.kit.db import Listing

_I = IMAGES.c
Clause = sa.ColumnElement[bool]
Test = Callable[[sa.ColumnElement[object]], Clause]
NEWEST_FIRST = (("created_at", "desc"), ("id", "desc"))


def _shared(test: Test, *statuses: str) -> Clause:
    """Images shared with the project, whose answer to that is one of these."""
    member = sa.exists().where(MEMBERS.c.image == _I.id, test(MEMBERS.c.member))
    if statuses:
        member = member.where(MEMBERS.c.status.in_([sa.literal_column(f"'{status}'") for status in statuses]))
    return sa.and_(_I.visibility == sa.literal_column("'shared'"), member)


def _listed_to(*statuses: str) -> Callable[[Test], Clause]:
    def clause(test: Test) -> Clause:
        public = _I.visibility == sa.literal_column("'public'")
        return sa.or_(test(_I.owner), public, _shared(test, *statuses))

    return clause


def _reached_by(*statuses: str) -> Callable[[Test], Clause]:
    def clause(test: Test) -> Clause:
        open_to_all = _I.visibility.in_([sa.literal_column("'public'"), sa.literal_column("'community'")])
        return sa.or_(test(_I.owner), open_to_all, _shared(test, *statuses))

    return clause


def _unless_others_community(test: Test) -> Clause:
    return sa.or_(_I.visibility != sa.literal_column("'community'"), test(_I.owner))


def _tagged(test: Test) -> Clause:
    return sa.exists().where(TAGS.c.image == _I.id, test(TAGS.c.tag))


def _with_property(test: Test) -> Clause:
    return sa.exists().where(PROPERTIES.c.image == _I.id, test(PROPERTIES.c.name + "=" + PROPERTIES.c.value))


STATUSES = {"accepted": ("accepted",), "pending": ("pending",), "rejected": ("rejected",), "all": ()}

LISTING = Listing(
    IMAGES,
    Head,
    key=_I.id,
    filters={
        **{
            name: _I[name]
            for name in (
                "id", "name", "status", "visibility", "owner", "disk_format", "container_format", "size", "min_disk",
                "min_ram", "protected", "hidden", "checksum", "hash_value", "created_at", "updated_at",
            )
        },
        "tag": _tagged,
        "property": _with_property,
        **{f"listed_to_{name}": _listed_to(*statuses) for name, statuses in STATUSES.items()},
        **{f"reached_by_{name}": _reached_by(*statuses) for name, statuses in STATUSES.items()},
        "unless_others_community": _unless_others_community,
    },
    sorts={
        name: _I[name]
        for name in (
            "id", "name", "status", "disk_format", "container_format", "size", "created_at", "updated_at",
        )
    },
    whose=("visibility", *(f"listed_to_{name}" for name in STATUSES)),
)  # fmt: skip
