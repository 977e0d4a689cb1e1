"""Storage servers on other machines: the calls of storage/interface.py over HTTP/1.1 and mutual TLS.

    POST /v1/<room>/<verb>      arguments and answer as JSON; a problem is told with its name
    objects/upload, /open, replicas/read      leave something open on the connection, which session/... then works on
    session/write, replicas/take              bodies of frames: bytes, then what is to become of them

`calls` says how arguments and problems look, `lines` keeps connections, `client` and `sessions` are this end, `serving` the other.
"""
