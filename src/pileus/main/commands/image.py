"""`pileus image build | fetch | imports`: the small guest that tests and tries boot from, well-known images, and what comes in."""

import argparse
import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pileus.main.state import guest_cache

if TYPE_CHECKING:
    from pileus.main.client import Client
    from pileus.main.cloud_images import CloudImage

SOURCE = "pileus_source"  # a property: what the image was fetched from, and its checksum there


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from pileus.main.commands.options import add_state

    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="make the guest image, unless it is there already")
    build.add_argument("--output", type=Path, default=None, metavar="FILE", help="also write the disk image here")
    build.add_argument("--force", action="store_true", help="make it anew even if it is there")
    build.set_defaults(verb=_build)
    fetch = actions.add_parser("fetch", help="bring a well-known cloud image into the cloud; without NAME, list them")
    fetch.add_argument("name", nargs="?", metavar="NAME", help="such as debian-12")
    fetch.add_argument("--output", type=Path, default=None, metavar="FILE", help="write it here, into no cloud")
    add_state(fetch)
    fetch.set_defaults(verb=_fetch)
    imports = actions.add_parser("imports", help="tell how far the imports are that are under way")
    add_state(imports)
    imports.set_defaults(verb=_imports)


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    return int(args.verb(args))


def _build(args: argparse.Namespace) -> int:
    """Make the image and say where it is."""
    from pileus.guest import build, make

    cache = guest_cache()
    if args.output is None:
        guest = asyncio.run(make(cache, print, anew=args.force))
        print(f"image:  {guest.image}")
    else:
        guest = asyncio.run(build(args.output, cache, print, anew=args.force))
        print(f"image:  {args.output}")
    print(f"kernel: {guest.kernel} ({guest.version})")
    print(f"initrd: {guest.initrd}")
    return 0


def _fetch(args: argparse.Namespace) -> int:
    """Bring the image and say where it is; or list what there is."""
    from pileus.main.cloud_images import CATALOG, fetch, image_called

    if args.name is None:
        for name, one in CATALOG.items():
            print(f"{name:<18}{one.title:<42}{one.url}")
        return 0
    known = image_called(args.name)
    if args.output is not None:
        file, checksum = fetch(args.name, known, print, args.output.resolve().parent)
        file.replace(args.output)
        print(f"{args.output}  {known.algorithm} {checksum}")
        return 0
    admin = _admin(args)
    file, checksum = fetch(args.name, known, print)
    print(f"{args.name}  {bring(admin, args.name, known, file, checksum)}")
    file.unlink()
    return 0


def _admin(args: argparse.Namespace) -> "Client":
    from pileus.main.certificates import authority_of
    from pileus.main.client import Client
    from pileus.main.commands.options import chosen

    state, configured = chosen(args)
    settings = configured.options
    password = state.credentials().passwords["admin"]
    return Client(f"{settings.url}/identity/v3", "admin", password, "admin", authority_of(state, settings))


def _imports(args: argparse.Namespace) -> int:
    """Print a line for each import under way."""
    for line in underway(_admin(args)):
        print(line)
    return 0


def underway(admin: "Client") -> Iterator[str]:
    """A line for each import that has not ended: its image, how it comes, and how far it is."""
    for status in ("processing", "pending"):
        for one in admin.get("image", "/v2/tasks", status=status, limit="1000")["tasks"]:
            task = admin.get("image", f"/v2/tasks/{one['id']}")
            method = task["input"].get("import_req", {}).get("method", {}).get("name", task["type"])
            yield f"{task['image_id']}  {method:<16}  {task['message'] or status}"


def bring(admin: "Client", name: str, known: "CloudImage", file: Path, checksum: str) -> str:
    """The cloud has the image, seen by everybody; returns its id. One of the same bytes is not brought again."""
    source = f"{known.url} {known.algorithm}:{checksum}"
    about: Mapping[str, object] = {
        "name": name,
        "disk_format": known.disk_format,
        "container_format": "bare",
        "visibility": "public",
        SOURCE: source,
        **known.properties,
    }
    for image in admin.get("image", "/v2/images", name=name)["images"]:
        if image.get(SOURCE) == source:
            if image["status"] == "queued":  # of an earlier try that did not get its bytes
                admin.upload("image", f"/v2/images/{image['id']}/file", file)
            return str(image["id"])
    image = admin.post("image", "/v2/images", dict(about))
    admin.upload("image", f"/v2/images/{image['id']}/file", file)
    return str(image["id"])
