"""What the checks share: the committed Python files, and the exceptions that may only shrink."""

import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def committed(*patterns: str) -> list[Path]:
    """The files git knows (or would add) that match, relative to the root."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = sorted({Path(name) for name in listed.stdout.split("\0") if name})
    else:  # an unpacked archive has no git
        names = sorted(
            path.relative_to(ROOT) for pattern in patterns or ["*"] for path in ROOT.rglob(Path(pattern).name)
        )
    return [name for name in names if (ROOT / name).is_file()]


def exceptions(section: str) -> Mapping[str, object]:
    """The committed exceptions of one check."""
    found = tomllib.loads((ROOT / "tools" / "exceptions.toml").read_text()).get(section, {})
    return dict(found)


def verdict(rule: str, complaints: Sequence[str]) -> int:
    """Say what is wrong; return the exit code."""
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        print(f"{rule}: {len(complaints)} to mend", file=sys.stderr)
    return 1 if complaints else 0
