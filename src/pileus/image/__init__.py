"""Images: what servers boot from (OpenStack Glance, API v2).

An image is a row with properties and tags, and bytes in a store that never change once it is active. Bytes are looked
at while they arrive: what is not what it says, or refers to files of the host, never becomes active.
"""
