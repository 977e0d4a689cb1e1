"""Object storage: accounts, containers and objects (OpenStack's Swift, API v1), on an engine of its own.

It is a data path, not a control plane, and has rooms of its own (docs/design/object-store.md, decision 0015):
api -> features -> proxy -> storage -> disk, over rings; workers keep what is stored right. Nothing of it is in the
cloud's database, so that it answers when that does not.
"""
