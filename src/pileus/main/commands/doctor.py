"""`pileus doctor`: what is not as it should be, why, and what helps."""

import argparse
import asyncio
from collections import Counter

from pileus.main.commands.options import add_state, chosen
from pileus.main.settings import Settings
from pileus.main.state import State


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_state(parser)
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely")


def run(args: argparse.Namespace) -> int:
    """Print what was found; 0 when nothing is wrong, or nothing any more."""
    state, configured = chosen(args)
    return asyncio.run(_run(state, configured.options, fix=args.fix))


async def _run(state: State, settings: Settings, *, fix: bool) -> int:
    from pileus.main.doctor import examine_settled, mend
    from pileus.main.doctor_visit import visit

    async with visit(state, settings) as (patient, checks):
        findings = await examine_settled(patient, checks)
        if not findings:
            print(f"All is well in {state.path}.")
            return 0
        mended = await mend(findings) if fix else {}
        for finding in findings:
            print(f"{finding.code}  {finding.subject}\n    {finding.what}\n    cause: {finding.cause}")
            if finding in mended:
                why = mended[finding]
                print(f"    mended: {'yes' if why is None else f'no: {why}'}")
            else:
                print(f"    remedy: {finding.remedy}")
        left = [finding for finding in findings if mended.get(finding, "") is not None]
        kinds = ", ".join(f"{number} {code}" for code, number in sorted(Counter(f.code for f in findings).items()))
        print(f"---\n{len(findings)} found ({kinds}); {len(findings) - len(left)} mended.")
        return 1 if left else 0
