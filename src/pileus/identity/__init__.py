"""Identity (OpenStack's Keystone): who may act where, and where the cloud's services are.

Domains, projects, users, groups, roles and their assignments; tokens, which tell the other services who is calling; and
the catalog of services. The public API is version 3; the other services meet it at `pileus.ports.identity`.
"""
