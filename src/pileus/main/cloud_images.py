"""Well-known cloud images: what they are called, where their makers serve them, and where they tell the checksums.

Makers replace their images every few weeks, so the checksums are read at the same moment, from the same makers over TLS.
What is brought is whole and checked before a cloud sees any of it; what broke off goes on where it was.
"""

import hashlib
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from pileus.kit.errors import NotFound, Problem
from pileus.main.state import guest_cache

CHUNK = 1 << 20
PATIENCE_S = 60.0
SUMS_LONGEST = 1 << 20
DIGITS = {"md5": 32, "sha256": 64, "sha512": 128}
Say = Callable[[str], None]


class NoSuchCloudImage(NotFound):
    """There is no image called {name} in the catalog. There are: {known}."""


class NotFetched(Problem):
    """{url} cannot be fetched: {why}. This takes a machine that reaches its maker; elsewhere fetched, the file can be uploaded: openstack image create --disk-format {format} --container-format bare --file FILE {name}"""


class WrongChecksum(Problem):
    """What came from {url} is damaged, or not its maker's: its {algorithm} should be {wanted} and is {found}."""


class NotSafe(Problem):
    """{url} led to {target}, which is no HTTPS: what comes that way proves nothing of {name}."""


class CloudImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image of a maker. `sums` is an address, or how the name of the file is continued for its checksum."""

    title: str
    url: str
    sums: str
    algorithm: str = "sha256"
    disk_format: str = "qcow2"
    properties: Mapping[str, str] = {}

    @property
    def sums_url(self) -> str:
        """Where the checksum stands."""
        return self.sums if "://" in self.sums else self.url + self.sums

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


def _of(distro: str, version: str, user: str) -> dict[str, str]:
    return {"os_type": "linux", "os_distro": distro, "os_version": version, "os_admin_user": user}


_DEBIAN = "https://cloud.debian.org/images/cloud"
_UBUNTU = "https://cloud-images.ubuntu.com"
_CIRROS = "https://download.cirros-cloud.net/0.6.3"
_ALMA = "https://repo.almalinux.org/almalinux"
_ROCKY = "https://dl.rockylinux.org/pub/rocky"
_CENTOS = "https://cloud.centos.org/centos"
_FEDORA = "https://dl.fedoraproject.org/pub/fedora/linux/releases/44/Cloud/x86_64/images"
_LEAP = "https://download.opensuse.org/distribution/leap"
_ALPINE = "https://dl-cdn.alpinelinux.org/alpine/v3.22/releases/cloud"
CATALOG: Mapping[str, CloudImage] = {
    "cirros": CloudImage(
        title="CirrOS 0.6.3, a tiny system for tries",
        url=f"{_CIRROS}/cirros-0.6.3-x86_64-disk.img",
        sums=f"{_CIRROS}/MD5SUMS",
        algorithm="md5",
        properties=_of("cirros", "0.6.3", "cirros"),
    ),
    "debian-12": CloudImage(
        title="Debian 12 (bookworm)",
        url=f"{_DEBIAN}/bookworm/latest/debian-12-genericcloud-amd64.qcow2",
        sums=f"{_DEBIAN}/bookworm/latest/SHA512SUMS",
        algorithm="sha512",
        properties=_of("debian", "12", "debian"),
    ),
    "debian-13": CloudImage(
        title="Debian 13 (trixie)",
        url=f"{_DEBIAN}/trixie/latest/debian-13-genericcloud-amd64.qcow2",
        sums=f"{_DEBIAN}/trixie/latest/SHA512SUMS",
        algorithm="sha512",
        properties=_of("debian", "13", "debian"),
    ),
    "ubuntu-22.04": CloudImage(
        title="Ubuntu 22.04 LTS (jammy)",
        url=f"{_UBUNTU}/jammy/current/jammy-server-cloudimg-amd64.img",
        sums=f"{_UBUNTU}/jammy/current/SHA256SUMS",
        properties=_of("ubuntu", "22.04", "ubuntu"),
    ),
    "ubuntu-24.04": CloudImage(
        title="Ubuntu 24.04 LTS (noble)",
        url=f"{_UBUNTU}/noble/current/noble-server-cloudimg-amd64.img",
        sums=f"{_UBUNTU}/noble/current/SHA256SUMS",
        properties=_of("ubuntu", "24.04", "ubuntu"),
    ),
    "ubuntu-26.04": CloudImage(
        title="Ubuntu 26.04 LTS (resolute)",
        url=f"{_UBUNTU}/resolute/current/resolute-server-cloudimg-amd64.img",
        sums=f"{_UBUNTU}/resolute/current/SHA256SUMS",
        properties=_of("ubuntu", "26.04", "ubuntu"),
    ),
    "fedora-44": CloudImage(
        title="Fedora Cloud 44",
        url=f"{_FEDORA}/Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2",
        sums=f"{_FEDORA}/Fedora-Cloud-44-1.7-x86_64-CHECKSUM",
        properties=_of("fedora", "44", "fedora"),
    ),
    "almalinux-9": CloudImage(
        title="AlmaLinux 9",
        url=f"{_ALMA}/9/cloud/x86_64/images/AlmaLinux-9-GenericCloud-latest.x86_64.qcow2",
        sums=f"{_ALMA}/9/cloud/x86_64/images/CHECKSUM",
        properties=_of("almalinux", "9", "almalinux"),
    ),
    "almalinux-10": CloudImage(
        title="AlmaLinux 10",
        url=f"{_ALMA}/10/cloud/x86_64/images/AlmaLinux-10-GenericCloud-latest.x86_64.qcow2",
        sums=f"{_ALMA}/10/cloud/x86_64/images/CHECKSUM",
        properties=_of("almalinux", "10", "almalinux"),
    ),
    "rocky-9": CloudImage(
        title="Rocky Linux 9",
        url=f"{_ROCKY}/9/images/x86_64/Rocky-9-GenericCloud-Base.latest.x86_64.qcow2",
        sums=".CHECKSUM",
        properties=_of("rocky", "9", "rocky"),
    ),
    "rocky-10": CloudImage(
        title="Rocky Linux 10",
        url=f"{_ROCKY}/10/images/x86_64/Rocky-10-GenericCloud-Base.latest.x86_64.qcow2",
        sums=".CHECKSUM",
        properties=_of("rocky", "10", "rocky"),
    ),
    "centos-stream-9": CloudImage(
        title="CentOS Stream 9",
        url=f"{_CENTOS}/9-stream/x86_64/images/CentOS-Stream-GenericCloud-9-latest.x86_64.qcow2",
        sums=".SHA256SUM",
        properties=_of("centos", "9", "cloud-user"),
    ),
    "centos-stream-10": CloudImage(
        title="CentOS Stream 10",
        url=f"{_CENTOS}/10-stream/x86_64/images/CentOS-Stream-GenericCloud-10-latest.x86_64.qcow2",
        sums=".SHA256SUM",
        properties=_of("centos", "10", "cloud-user"),
    ),
    "opensuse-leap-15.6": CloudImage(
        title="openSUSE Leap 15.6",
        url=f"{_LEAP}/15.6/appliances/openSUSE-Leap-15.6-Minimal-VM.x86_64-Cloud.qcow2",
        sums=".sha256",
        properties=_of("opensuse", "15.6", "opensuse"),
    ),
    "opensuse-leap-16.0": CloudImage(
        title="openSUSE Leap 16.0",
        url=f"{_LEAP}/16.0/appliances/Leap-16.0-Minimal-VM.x86_64-Cloud.qcow2",
        sums=".sha256",
        properties=_of("opensuse", "16.0", "opensuse"),
    ),
    "alpine-3.22": CloudImage(
        title="Alpine Linux 3.22",
        url=f"{_ALPINE}/generic_alpine-3.22.3-x86_64-bios-cloudinit-r0.qcow2",
        sums=".sha512",
        algorithm="sha512",
        properties=_of("alpine", "3.22", "alpine"),
    ),
    "arch": CloudImage(
        title="Arch Linux",
        url="https://geo.mirror.pkgbuild.com/images/latest/Arch-Linux-x86_64-cloudimg.qcow2",
        sums=".SHA256",
        properties=_of("arch", "rolling", "arch"),
    ),
}


def image_called(name: str, catalog: Mapping[str, CloudImage] = CATALOG) -> CloudImage:
    """The image of the catalog; raises NoSuchCloudImage."""
    if name not in catalog:
        raise NoSuchCloudImage(name=name, known=", ".join(catalog))
    return catalog[name]


def checksum_in(text: str, file: str, algorithm: str) -> str | None:
    """The file's checksum in a list as `sha256sum` writes them, or as BSD's tools do."""
    digits = DIGITS[algorithm]
    for line in text.splitlines():
        plain = re.fullmatch(rf"([0-9a-fA-F]{{{digits}}})(?:\s+[* ]?(\S+))?\s*", line)
        bsd = re.fullmatch(rf"{algorithm.upper()} \((.+)\) = ([0-9a-fA-F]{{{digits}}})\s*", line)
        if plain is not None and (plain[2] is None or plain[2].rpartition("/")[2] == file):
            return plain[1].lower()
        if bsd is not None and bsd[1] == file:
            return bsd[2].lower()
    return None


def led_astray(asked: str, target: str) -> bool:
    """Whether a redirect left HTTPS behind."""
    return asked.startswith("https:") and not target.startswith("https:")


def only_checksum_in(text: str, algorithm: str) -> str | None:
    """The one checksum in a list that belongs to one file, whatever it calls it: openSUSE names the build there."""
    names = re.findall(rf"^[0-9a-fA-F]{{{DIGITS[algorithm]}}}\s+[* ]?(\S+)\s*$", text, re.MULTILINE)
    return checksum_in(text, names[0].rpartition("/")[2], algorithm) if len(names) == 1 else None


def fetch(name: str, image: CloudImage, say: Say, folder: Path | None = None) -> tuple[Path, str]:
    """The image's file, whole and checked, and its checksum; raises NotFetched or WrongChecksum."""
    folder = folder or guest_cache().parent / "fetched"
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(name, image, image.sums_url) as answer:
        target = str(getattr(answer, "url", image.sums_url))
        if led_astray(image.sums_url, target):
            raise NotSafe(url=image.sums_url, target=target, name=name)
        listed = answer.read(SUMS_LONGEST).decode(errors="replace")
    wanted = checksum_in(listed, image.file, image.algorithm)
    if wanted is None and "://" not in image.sums:
        wanted = only_checksum_in(listed, image.algorithm)
    if wanted is None:
        raise NotFetched(
            url=image.sums_url, why=f"it does not tell the {image.algorithm} of {image.file}", name=name,
            format=image.disk_format,
        )  # fmt: skip
    whole, part = folder / f"{wanted[:16]}-{image.file}", folder / f"{wanted[:16]}-{image.file}.part"
    if not whole.exists():
        say(f"fetching {image.url} ...")
        _bring(name, image, part)
        found = _digest(part, image.algorithm)
        if found != wanted:
            part.unlink()
            raise WrongChecksum(url=image.url, algorithm=image.algorithm, wanted=wanted, found=found)
        part.rename(whole)
    return whole, wanted


def _bring(name: str, image: CloudImage, part: Path) -> None:
    """The file has all that the address gives, going on from what is there."""
    have = part.stat().st_size if part.exists() else 0
    with _opened(name, image, image.url, start=have) as answer:
        goes_on = getattr(answer, "status", 200) == 206
        with part.open("ab" if goes_on else "wb") as file:
            try:
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
            except OSError as failed:
                raise NotFetched(url=image.url, why=failed, name=name, format=image.disk_format) from failed
        # A connection that is closed too early ends what is read, and nothing is raised (http.client).
        if missing := getattr(answer, "length", None):
            why = f"it broke off {missing} bytes before its end; what has come is kept, and the next try goes on there"
            raise NotFetched(url=image.url, why=why, name=name, format=image.disk_format)


def _opened(name: str, image: CloudImage, url: str, start: int = 0) -> IO[bytes]:
    headers = {"User-Agent": "pileus", **({"Range": f"bytes={start}-"} if start else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  the catalog's own addresses
    try:
        answer: IO[bytes] = urllib.request.urlopen(request, timeout=PATIENCE_S)  # noqa: S310
    except urllib.error.HTTPError as refused:
        refused.close()
        if refused.code == 416 and start:  # all of it is there already, or what is there is of something else
            return _opened(name, image, url)
        why: object = f"the answer is {refused.code}"
    except (urllib.error.URLError, OSError) as failed:
        why = getattr(failed, "reason", failed)
    else:
        return answer
    raise NotFetched(url=url, why=why, name=name, format=image.disk_format)


def _digest(file: Path, algorithm: str) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, algorithm).hexdigest()
