"""Operators' policy files: policy/<service>.yaml in the state directory takes the place of the defaults it names.

A file is read again when it has changed, by every controller and without a restart. One that cannot be understood opens
nothing: at the start the cloud refuses it, later the last rules that were understood stay, and the log says so. What is
understood and yet changes nothing (a rule nobody asks for, a file of no service) is told as well: somebody relies on it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from pileus.kit.clock import Clock
from pileus.kit.errors import Invalid
from pileus.kit.flow.standing import Standing
from pileus.kit.http import Kernel
from pileus.kit.observe.log import log_of
from pileus.kit.policy import Enforcer, PolicyError, Rule, references
from pileus.main.named_rules import NAMED_RULES

log = log_of(__name__)

LOOK_EVERY_S = 1.0
# Editors that empty a file and then write it show half of it for a moment; half of it may be the half without a refusal.
SETTLED_S = 1.0
SAY_AGAIN_S = 300.0
_POLICY = (".yaml", ".yml", ".json")


class BadPolicy(Invalid):
    """{file}: {why}. A policy that cannot be understood opens nothing."""


class Stamp(msgspec.Struct, frozen=True):
    """What tells one version of a file from another."""

    inode: int
    size: int
    changed_ns: int


class PolicyFile:
    """The file of one service, and the rules it is for."""

    def __init__(self, path: Path, enforcer: Enforcer) -> None:
        self.path = path
        self.refused = ""  # why the file that lies there does not hold
        self.idle: tuple[str, ...] = ()  # the rules in it that nobody asks for
        self._enforcer = enforcer
        self._seen: Stamp | None = None  # the version last read; None: there was no file
        self._new: Stamp | None = None  # another one, that lies there since `_new_at`
        self._new_at: float | None = None

    def take(self) -> None:
        """What lies there holds, and the defaults for the rest. Raises BadPolicy, and changes nothing, if it is broken."""
        self._seen, self._new_at = self._stamp(), None
        try:
            strings = {} if self._seen is None else _read(self.path)
            self._enforcer.override(strings)
        except PolicyError as bad:
            raise BadPolicy(file=self.path, why=bad) from bad
        self.idle = tuple(sorted(_idle(strings, self._enforcer.defaults)))
        if self.idle:
            log.warning("a policy file names rules that nobody asks for", file=str(self.path), rules=list(self.idle))

    def look(self, now: float) -> bool:
        """Take the file if it has changed and does not go on changing; whether it was taken. Raises as `take`."""
        stamp = self._stamp()
        if stamp == self._seen:
            self._new_at = None
            return False
        if self._new_at is None or stamp != self._new:
            self._new, self._new_at = stamp, now
            return False
        if now - self._new_at < SETTLED_S:
            return False
        self.take()
        return True

    def _stamp(self) -> Stamp | None:
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


class PolicyFiles:
    """The files of all services."""

    def __init__(self, folder: Path, enforcers: Mapping[str, Enforcer], clock: Clock) -> None:
        self._clock = clock
        self._said_at = 0.0
        self._folder = folder
        self._strange: tuple[str, ...] = ()
        self.files = [PolicyFile(folder / f"{name}.yaml", enforcer) for name, enforcer in enforcers.items()]

    def take(self) -> None:
        """Every file holds. Raises BadPolicy if one is broken: a start is the moment to be told."""
        for file in self.files:
            file.take()
        self._strangers()

    async def look(self) -> str | None:
        """Take files that have changed; a broken one leaves the rules as they were, and is complained about until mended."""
        now = self._clock.monotonic()
        taken = []
        for file in self.files:
            try:
                if file.look(now):
                    file.refused = ""
                    taken.append(file.path.name)
            except (BadPolicy, OSError) as bad:
                file.refused = str(bad)
                self._said_at = 0.0
        refused = [file for file in self.files if file.refused]
        if refused and (not self._said_at or now - self._said_at >= SAY_AGAIN_S):
            self._said_at = now
            for file in refused:
                log.error("a policy file is refused: the rules before it hold", file=str(file.path), why=file.refused)
        self._strangers()
        return f"took {', '.join(taken)}" if taken else None

    def _strangers(self) -> None:
        """Files that look like policy and are no service's have been told of, each time there are others."""
        known = {file.path.name for file in self.files}
        try:
            there = os.listdir(self._folder)
        except OSError:  # There is none, or it cannot be read: then its files say so.
            there = []
        strange = tuple(sorted(name for name in there if name.endswith(_POLICY) and name not in known))
        if strange and strange != self._strange:
            log.error("policy files of no service are not read", files=list(strange), read=sorted(known))
        self._strange = strange

    def standing(self) -> Standing:
        """Looks at the files for ever, on every controller: each has a state directory of its own."""
        return Standing("policy files", LOOK_EVERY_S, self.look, everywhere=True)


class _Once(yaml.SafeLoader):
    """Reads YAML in which nothing is said twice: of two rules of one name one would be forgotten."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  its base's
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"'{name}' is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> Mapping[str, str]:
    """The check strings in a file, by rule; raises BadPolicy."""
    try:
        found = yaml.load(path.read_text(), _Once)  # noqa: S506  it is a safe loader
        return {} if found is None else msgspec.convert(found, dict[str, str])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as bad:
        raise BadPolicy(file=path, why=bad) from bad


def _idle(strings: Mapping[str, str], declared: Mapping[str, str]) -> set[str]:
    """The rules in a file that no operation has and no other rule in it refers to."""
    used = {name for string in strings.values() for name in references(string)}
    return strings.keys() - declared.keys() - used


def policy_files(state: Path, kernel: Kernel, manifests: Mapping[str, Any], clock: Clock) -> PolicyFiles:
    """The policy files of the services that are mounted; operators' rules may refer to the names OpenStack has."""
    enforcers = {}
    for name, manifest in manifests.items():
        if manifest.MOUNT not in kernel.mounts:  # it answers by itself, and has no rules of this kind
            continue
        enforcer = kernel.mounts[manifest.MOUNT].enforcer
        enforcer.declare(Rule(rule, default) for rule, default in NAMED_RULES.get(name, {}).items())
        enforcers[name.replace("_", "-")] = enforcer
    return PolicyFiles(state / "policy", enforcers, clock)
