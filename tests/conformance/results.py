"""Turns the stream stestr writes into one JSON object per test: {"id", "status", "why"}; runs in Tempest's environment.

python tests/conformance/results.py < results.subunit > results.jsonl
"""

import json
import sys

import subunit
from testtools import StreamToDict

# What subunit says -> what we say. A test whose class could not be prepared is `setUpClass (name)`, and failed.
STATUS = {"success": "passed", "fail": "failed", "inprogress": "failed", "skip": "skipped", "uxsuccess": "failed"}
KEPT = 20_000  # characters of what the test logged: the end tells what went wrong


def main() -> None:
    """Print every test that ran."""
    stream = StreamToDict(_print)
    source = subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name="stdout")
    stream.startTestRun()
    source.run(stream)
    stream.stopTestRun()


def _print(test: dict) -> None:
    status = STATUS.get(test["status"])
    if status is None:
        return
    why = ""
    if status == "skipped" and "reason" in test["details"]:
        why = test["details"]["reason"].as_text()
    elif status != "passed":
        why = "\n".join(part.as_text()[-KEPT:] for name, part in sorted(test["details"].items()) if part.as_text())
    print(json.dumps({"id": test["id"], "status": status, "why": why}))


if __name__ == "__main__":
    main()
