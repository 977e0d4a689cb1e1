"""Arguments that several commands share: which cloud is meant, and how it is configured."""

import argparse
from pathlib import Path

from pileus.kit.config import Configured, load, read
from pileus.kit.errors import NotFound
from pileus.main.settings import Settings, settings_of
from pileus.main.state import State, default_state


class NoCloud(NotFound):
    """There is no cloud in {state}; `pileus up --state {state}` makes one."""


def add_state(parser: argparse.ArgumentParser) -> None:
    """Let the command be told which cloud is meant."""
    parser.add_argument("--state", type=Path, default=None, metavar="DIR", help="where the cloud lives")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Let the command override options."""
    parser.set_defaults(gives_settings=True)
    parser.add_argument(
        "--config", type=Path, default=None, metavar="FILE", help="options to take into DIR/config.toml"
    )
    parser.add_argument("--listen", default=None, metavar="HOST:PORT", help="address to serve at (127.0.0.1:5000)")
    parser.add_argument("--compute", default=None, choices=("qemu", "fake"), help="what runs servers (qemu)")
    parser.add_argument("--network", default=None, choices=("ovn", "fake"), help="what carries networks (ovn)")
    parser.add_argument("--volumes", default=None, choices=("file", "fake"), help="what keeps volumes (as servers)")
    parser.add_argument("--services", default=None, metavar="A,B", help="only these services (all)")


def given_settings(args: argparse.Namespace) -> dict[str, object]:
    """The options the command line gave."""
    if not getattr(args, "gives_settings", False):
        return {}  # What has the same name there means something else: where hosts are answered, how many volumes.
    names = {
        "listen": "listen",
        "compute": "compute_driver",
        "network": "network_driver",
        "volumes": "volume_driver",
        "services": "services",
    }
    given: dict[str, object] = {option: getattr(args, name, None) for name, option in names.items()}
    if isinstance(given["services"], str):
        given["services"] = [part.strip() for part in given["services"].split(",") if part.strip()]
    file = getattr(args, "config", None)
    # What a configuration file says is taken into the cloud's own, so that later commands know it too.
    said: dict[str, object] = dict(read(file)) if file is not None else {}
    if said:
        load(Settings, file, {}, {})  # Wrong options are told of where they were written.
    return {**said, **{name: value for name, value in given.items() if value is not None}}


def state_of(args: argparse.Namespace) -> State:
    """The state directory the command is about."""
    return State(args.state or default_state())


def chosen(args: argparse.Namespace) -> tuple[State, Configured[Settings]]:
    """An existing cloud and its options; raises NoCloud."""
    state = state_of(args)
    if not state.exists():
        raise NoCloud(state=state.path)
    return state, settings_of(state, given_settings(args))
