"""Compute (OpenStack's Nova): servers, from the flavor that sizes one to the QEMU process that runs it.

The public API lives in `api/`, what a request decides in `commands/`, long work in `flows/`. What runs on every host is
`agent/`, which makes the host as its wanted documents say, through one of the `drivers/`: `qemu`, or `fake`.
"""
