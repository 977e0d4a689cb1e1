"""Tools that know nothing of clouds: HTTP, flows, hosts, database, policy, programs, clocks."""
