"""An empty disk in qcow2, for copies of servers that are only pretended. A pure function, so that no tool is needed."""

import struct

CLUSTER_BITS = 16
CLUSTER = 2**CLUSTER_BITS
# An L2 table takes one cluster of 8-byte entries, each of which stands for a cluster of the disk.
PER_L1_ENTRY = CLUSTER // 8 * CLUSTER


def empty_qcow2(size: int) -> bytes:
    """The file of an empty disk of that many bytes: header, table and block of reference counts, L1 table."""
    entries = -(-size // PER_L1_ENTRY)
    if entries * 8 > CLUSTER:
        raise ValueError(f"a disk of {size} bytes needs more than one cluster of L1 table")
    counts_table, counts, l1 = CLUSTER, 2 * CLUSTER, 3 * CLUSTER
    header = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, CLUSTER_BITS, size, 0, entries, l1, counts_table, 1, 0, 0
    )
    clusters = (header, struct.pack(">Q", counts), struct.pack(">4H", 1, 1, 1, 1), b"")
    return b"".join(cluster.ljust(CLUSTER, b"\0") for cluster in clusters)
