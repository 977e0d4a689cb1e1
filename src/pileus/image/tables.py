"""The image service's tables."""

import sqlalchemy as sa

from pileus.kit.db import BigInteger, Boolean, Id, Integer, Json, Moment, Name, Text, metadata

IMAGE = metadata()

IMAGES = sa.Table(
    "images",
    IMAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", Name),
    sa.Column("status", Name, nullable=False),
    sa.Column("visibility", Name, nullable=False),
    sa.Column("owner", Id),
    sa.Column("disk_format", Name),
    sa.Column("container_format", Name),
    sa.Column("size", BigInteger),
    sa.Column("virtual_size", BigInteger),
    sa.Column("checksum", Name),
    sa.Column("hash_algo", Name),
    sa.Column("hash_value", Name),
    sa.Column("min_disk", Integer, nullable=False),
    sa.Column("min_ram", Integer, nullable=False),
    sa.Column("protected", Boolean, nullable=False),
    sa.Column("hidden", Boolean, nullable=False),
    sa.Column("staged", Name),
    sa.Column("upload", Name),
    sa.Column("upload_until", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Index("images_by_age", "created_at", "id"),
    sa.Index("images_of_owner", "owner", "created_at"),
    sa.Index("images_named", "name"),
)

PROPERTIES = sa.Table(
    "image_properties",
    IMAGE,
    sa.Column("image", Id, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column("value", Text, nullable=False),
)

TAGS = sa.Table(
    "image_tags",
    IMAGE,
    sa.Column("image", Id, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", Name, primary_key=True),
    sa.Column("place", Integer, nullable=False),
    sa.Index("images_tagged", "tag"),
)

COPIES = sa.Table(
    "image_copies",
    IMAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("image", Id, sa.ForeignKey("images.id", ondelete="CASCADE"), nullable=False),
    sa.Column("store", Name, nullable=False),
    sa.Column("place", Text, nullable=False),
    sa.Column("about", Json, nullable=False),
    sa.Column("whole", Boolean, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Index("image_copies_of", "image", "created_at"),
    sa.UniqueConstraint("image", "store", "place"),
)

TASKS = sa.Table(
    "image_tasks",
    IMAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("type", Name, nullable=False),
    sa.Column("status", Name, nullable=False),
    sa.Column("owner", Id),
    sa.Column("user", Id),
    sa.Column("image", Id),
    sa.Column("request_id", Name),
    sa.Column("input", Json, nullable=False),
    sa.Column("result", Json),
    sa.Column("message", Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Index("image_tasks_by_age", "created_at", "id"),
    sa.Index("image_tasks_of", "image"),
)

CACHE = sa.Table(
    "image_cache",
    IMAGE,
    sa.Column("image", Id, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("file", Name),
    sa.Column("size", BigInteger, nullable=False),
    sa.Column("hits", Integer, nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("cached_at", Moment),
    sa.Column("read_at", Moment),
)

MEMBERS = sa.Table(
    "image_members",
    IMAGE,
    sa.Column("image", Id, sa.ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("member", Id, primary_key=True),
    sa.Column("status", Name, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Index("images_shared_with", "member"),
)

NAMESPACES = sa.Table(
    "image_metadef_namespaces",
    IMAGE,
    sa.Column("id", Id, primary_key=True),
    sa.Column("namespace", Name, nullable=False, unique=True),
    sa.Column("display_name", Name),
    sa.Column("description", Text),
    sa.Column("visibility", Name, nullable=False),
    sa.Column("protected", Boolean, nullable=False),
    sa.Column("owner", Id),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)

DEFINITIONS = sa.Table(
    "image_metadef_definitions",
    IMAGE,
    sa.Column("space", Id, sa.ForeignKey("image_metadef_namespaces.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", Name, primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column("body", Json, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Index("image_metadef_definitions_of_kind", "kind", "name"),
)
