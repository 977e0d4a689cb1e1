"""Hypervisors: `interface` is what each promises; `fake` is for tries and tests, `qemu` runs real servers."""
