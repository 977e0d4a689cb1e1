"""Block storage: volumes, their snapshots and backups, and who may attach them.

OpenStack calls it Cinder; it speaks that API, version 3. Bytes lie on hosts, which are told what shall be there and
report what is.
"""
