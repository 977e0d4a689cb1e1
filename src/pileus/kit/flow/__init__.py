"""Long work as rows: an operation walks through steps that each ensure one thing, and survives being killed anywhere.

`step` declares flows, `operation` is the row and its pure transitions, `book` stores it, `engine` runs it.
`standing` runs what never ends: reconcilers woken by wake-ups and by a timer. `leases` says which of several controllers
runs what.
"""
