"""The fabric made of OVN and Open vSwitch.

Topology -> rows.render -> diff -> one transaction (ovsdb) -> northd -> ovn-controller -> ovs-vswitchd
daemons.py keeps those running; plug.py and metadata.py hold the ends of it on a host
"""
