"""Networks, subnets, ports, routers, floating IPs and security groups (OpenStack's Neutron, API v2.0).

The service keeps what is wanted in its tables; `drivers/` make a virtual network fabric equal to it: `ovn` writes OVN's
northbound database and runs Open vSwitch, `fake` keeps everything in memory. `agent/` is what runs on each host.
"""
