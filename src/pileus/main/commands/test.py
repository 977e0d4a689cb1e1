"""`pileus test`: the house rules and the tests, as continuous integration runs them."""

import argparse

WHAT = ("rules", "unit", "real", "conformance", "browser", "alone", "all")


def configure(parser: argparse.ArgumentParser) -> None:
    """The parser knows what can be tested."""
    parser.add_argument("what", nargs="?", choices=WHAT, help="which tests; without it the rules, unit and real ones")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="goes to pytest as it is")


def run(args: argparse.Namespace) -> int:
    """Run the tests asked for; return the exit code."""
    from pileus.main import testing  # when the command runs, so that help stays quick

    return testing.run(args.what or "", list(args.rest))
