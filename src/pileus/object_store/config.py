"""What can be set of object storage."""

import msgspec


class Realm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Clusters that let one another write, with the key they share."""

    key: str
    clusters: dict[str, str]


class ObjectStoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of object storage."""

    devices: tuple[str, ...] = ()  # directories, one for each disk; one in the state directory when empty
    policies: tuple[str, ...] = (
        "Policy-0",
    )  # names of storage policies, the first is the default, none is ever taken away; "NAME 4+2" is an erasure code
    replicas: float = 3.0  # how many copies of everything; fewer while there are fewer devices
    part_power: int = 6  # 2 ** part_power partitions, of 256 directories each
    overload: float = 0.0  # how far a disk may go beyond its share for the sake of distance; 0.1: a tenth
    region: int = 1  # of this machine's disks: what fails together
    zone: int = 1
    listen: str = ""  # HOST:PORT where other machines reach this one's disks; made up when they join
    seed: str = ""  # HOST:PORT of the first controller's disks, on further controllers; they answer 503 without it
    conn_timeout_s: float = 2.0  # another machine that takes no connection within that is stood in for
    node_timeout_s: float = 10.0  # likewise one that answers nothing
    min_part_hours: float = 1.0  # a partition whose copy moved stays so long before another does
    operator_roles: tuple[str, ...] = ("admin", "swiftoperator", "member")
    reader_roles: tuple[str, ...] = ("reader",)
    reseller_admin_role: str = "ResellerAdmin"
    system_reader_roles: tuple[str, ...] = ()
    max_file_size: int = 5368709122  # bytes of one object that is not made of segments
    container_listing_limit: int = 10_000
    account_listing_limit: int = 10_000
    recheck_s: float = 10.0  # how long what is known of an account or container is believed
    reclaim_age_s: float = 604_800.0  # tombstones are kept so long
    shard_container_threshold: int = (
        1_000_000  # objects at which a container is divided into shards of half as many; 0: never
    )
    reap_after_s: float = 86_400.0  # what is in a deleted account stays so long
    disk_threads: int = 16  # of each device
    client_timeout_s: float = 60.0  # a client that neither sends nor takes anything for so long is given up
    client_least_rate: float = 500.0  # bytes a second; so is one that moves fewer over that time; 0: however slow it is
    fallocate_reserve_percent: float = 1.0  # of a device; below that it takes nothing new
    listing_wait_s: float = 1.0  # a listing slower than that is brought up to date later
    allow_open_expired: bool = (
        False  # owners may read and revive with X-Open-Expired what has expired and is still there
    )
    sync_realms: tuple[str, ...] = ()  # each "<realm> <key> <cluster>=<url> ..."; / is this cluster
    storage_domains: tuple[str, ...] = ()  # below these, <container>.<account>.<domain>/<object> is an object's address
    cname_lookup: bool = False  # whether other hosts are looked up, and answered if they are aliases of such names
    disable_file: str = ""  # while there is such a file, /healthcheck answers 503, so that balancers ask others
    s3_domains: tuple[str, ...] = ()  # hosts that speak S3, and whose subdomains are buckets
    s3_region: str = "us-east-1"  # what buckets say where they are, unless they were made elsewhere
    s3_min_part_size: int = 5_242_880  # bytes of every part of an upload but the last
    encryption: bool = False  # whether what is written from now on is encrypted; what was encrypted is always readable
    encryption_secrets: str = ""  # directory of root secrets; keys/object-secrets of the state directory when empty
    encryption_secret: str = ""  # the one that new objects are encrypted under; the highest number when empty
    container_ratelimit: tuple[str, ...] = ()  # each "<objects> <rate>": writes a second in containers of that size
    container_listing_ratelimit: tuple[str, ...] = ()  # likewise listings of them
    account_ratelimit: float = 0.0  # container PUT and DELETE a second for each account; 0: any number

    @property
    def realms(self) -> dict[str, Realm]:
        """The realms by name, in lower case."""
        found = {}
        for text in self.sync_realms:
            name, key, *clusters = text.split()
            pairs = (cluster.partition("=") for cluster in clusters)
            found[name.lower()] = Realm(key, {cluster.lower(): url for cluster, _, url in pairs})
        return found
