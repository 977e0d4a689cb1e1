"""The exchange with hosts: documents of what is wanted go down, documents of what is seen come up.

`exchange` says what a host's agent may call, `agent` is its loop, `control` the controller's side, `local` joins both in one
process. A host reads no database and takes no commands; everything it does is an *ensure*, safe to repeat.
"""
