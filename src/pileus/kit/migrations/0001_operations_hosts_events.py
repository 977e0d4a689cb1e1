"""Operations with their steps, what hosts shall have and have, events."""

import sqlalchemy as sa
from alembic import op

from pileus.kit import db

revision = "kit_0001"
down_revision = None
branch_labels = ("kit",)
depends_on = None


def upgrade() -> None:
    """The kit's tables exist."""
    op.create_table(
        "events",
        sa.Column("number", db.BigInteger(), nullable=False),
        sa.Column("at", db.Moment(), nullable=False),
        sa.Column("kind", db.Name(), nullable=False),
        sa.Column("subject", db.Name(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=True),
        sa.Column("user_id", db.Id(), nullable=True),
        sa.Column("request_id", db.Name(), nullable=True),
        sa.Column("payload", db.Json(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index("events_of_request", ["request_id"], unique=False)
        batch_op.create_index("events_of_subject", ["subject", "number"], unique=False)

    op.create_table(
        "host_cursors",
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("cursor", db.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_host_cursors")),
    )
    op.create_table(
        "hosts",
        sa.Column("name", db.Name(), nullable=False),
        sa.Column("facts", db.Json(), nullable=False),
        sa.Column("joined", db.Moment(), nullable=False),
        sa.Column("last_heard", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_hosts")),
    )
    op.create_table(
        "operation_steps",
        sa.Column("number", db.BigInteger(), nullable=False),
        sa.Column("operation", db.Id(), nullable=False),
        sa.Column("step", db.Name(), nullable=False),
        sa.Column("undoing", db.Boolean(), nullable=False),
        sa.Column("started", db.Moment(), nullable=False),
        sa.Column("finished", db.Moment(), nullable=True),
        sa.Column("result", db.Name(), nullable=True),
        sa.Column("why", db.Text(), nullable=True),
        sa.Column("host", db.Name(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_operation_steps")),
    )
    with op.batch_alter_table("operation_steps", schema=None) as batch_op:
        batch_op.create_index("steps_of_operation", ["operation", "number"], unique=False)

    op.create_table(
        "operations",
        sa.Column("number", db.BigInteger(), nullable=False),
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("flow", db.Name(), nullable=False),
        sa.Column("subject", db.Name(), nullable=False),
        sa.Column("args", db.Json(), nullable=False),
        sa.Column("facts", db.Json(), nullable=False),
        sa.Column("step", db.Name(), nullable=False),
        sa.Column("shows", db.Name(), nullable=True),
        sa.Column("undoing", db.Boolean(), nullable=False),
        sa.Column("back_to", db.Name(), nullable=True),
        sa.Column("failure", db.Text(), nullable=True),
        sa.Column("attempts", db.Integer(), nullable=False),
        sa.Column("tries", db.Integer(), nullable=False),
        sa.Column("turn_back", db.Text(), nullable=True),
        sa.Column("generation", db.Integer(), nullable=False),
        sa.Column("created", db.Moment(), nullable=False),
        sa.Column("updated", db.Moment(), nullable=False),
        sa.Column("begun", db.Moment(), nullable=False),
        sa.Column("finished", db.Moment(), nullable=True),
        sa.Column("look_again_at", db.Moment(), nullable=False),
        sa.Column("waiting_why", db.Text(), nullable=True),
        sa.Column("deadline", db.Moment(), nullable=True),
        sa.Column("state", db.Name(), nullable=False),
        sa.Column("project_id", db.Id(), nullable=True),
        sa.Column("user_id", db.Id(), nullable=True),
        sa.Column("request_id", db.Name(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_operations")),
        sa.UniqueConstraint("id", name=op.f("uq_operations_id")),
    )
    with op.batch_alter_table("operations", schema=None) as batch_op:
        batch_op.create_index(
            "one_queued_per_subject",
            ["subject"],
            unique=True,
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        )
        batch_op.create_index(
            "one_running_per_subject",
            ["subject"],
            unique=True,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        )
        batch_op.create_index(
            "operations_due",
            ["look_again_at"],
            unique=False,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        )
        batch_op.create_index("operations_of_subject", ["subject", "number"], unique=False)

    op.create_table(
        "seen",
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("kind", db.Name(), nullable=False),
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("generation", db.BigInteger(), nullable=False),
        sa.Column("body", db.Json(), nullable=False),
        sa.Column("present", db.Boolean(), nullable=False),
        sa.Column("failure", db.Text(), nullable=True),
        sa.Column("updated", db.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("host", "kind", "id", name=op.f("pk_seen")),
    )
    with op.batch_alter_table("seen", schema=None) as batch_op:
        batch_op.create_index("seen_by_id", ["kind", "id"], unique=False)

    op.create_table(
        "wanted",
        sa.Column("host", db.Name(), nullable=False),
        sa.Column("kind", db.Name(), nullable=False),
        sa.Column("id", db.Id(), nullable=False),
        sa.Column("generation", db.BigInteger(), nullable=False),
        sa.Column("body", db.Json(), nullable=False),
        sa.Column("gone", db.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("host", "kind", "id", name=op.f("pk_wanted")),
    )
    with op.batch_alter_table("wanted", schema=None) as batch_op:
        batch_op.create_index("wanted_by_id", ["kind", "id"], unique=False)
        batch_op.create_index("wanted_since", ["host", "generation"], unique=False)
