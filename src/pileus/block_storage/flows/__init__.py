"""Long work on volumes, snapshots and backups, step by step."""
