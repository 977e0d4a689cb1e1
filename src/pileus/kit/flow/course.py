"""Where an operation goes after a step has answered: pure functions of the row, the flow, the answer and the time.

    forward: step 1 -> step 2 -> ... -> done          a failure turns it round
    back:    undo 3 -> undo 2 -> undo 1 -> failed     or forward again from the step the failure named

Undo begins with the step that failed, since it may have half happened.
"""

import datetime as dt

from msgspec.structs import replace

from pileus.kit.flow.operation import Operation, State
from pileus.kit.flow.step import Done, Fail, Flow, Outcome, Step, Wait

ERRORS_BORNE = 3
LONGEST_PAUSE_S = 60.0


def after(flow: Flow, op: Operation, outcome: Outcome, now: dt.datetime) -> Operation:
    """The row after its present step has answered."""
    if isinstance(outcome, Done):
        op = replace(op, facts={**op.facts, **outcome.facts})
        return _previous(flow, op, now) if op.undoing else _next(flow, op, now)
    must_go_on = op.undoing or flow[op.step].final
    if isinstance(outcome, Wait):
        late = _lateness(flow, op, outcome.why, now)
        if late is None:
            return waiting(op, outcome.seconds, outcome.why, now)
        return _stuck(op, late, now) if must_go_on else turned_back(flow, op, Fail(late), now)
    if must_go_on:
        return erring(flow, op, outcome.why, now)
    return turned_back(flow, op, outcome, now)


def waiting(op: Operation, seconds: float, why: str, now: dt.datetime) -> Operation:
    """The same step again, later."""
    return replace(op, attempts=0, look_again_at=now + dt.timedelta(seconds=seconds), waiting_why=why, updated=now)


def erring(flow: Flow, op: Operation, why: str, now: dt.datetime) -> Operation:
    """The step went wrong in a way that may pass: try again after a pause; give up going forward after a few times."""
    must_go_on = op.undoing or flow[op.step].final
    if must_go_on:
        late = _lateness(flow, op, why, now)
        if late is not None:
            return _stuck(op, late, now)
    elif op.attempts + 1 >= ERRORS_BORNE:
        return turned_back(flow, op, Fail(why), now)
    pause_s = min(LONGEST_PAUSE_S, 2.0 ** min(op.attempts, 10))
    return replace(waiting(op, pause_s, why, now), attempts=op.attempts + 1)


def turned_back(flow: Flow, op: Operation, fail: Fail, now: dt.datetime) -> Operation:
    """Begin to undo, from the present step backwards."""
    back_to, why = fail.again_from, fail.why
    if back_to is not None and (op.tries >= flow.tries or not _lies_behind(flow, op, back_to)):
        back_to = None
    turned = replace(
        op, undoing=True, back_to=back_to, failure=why, facts={**op.facts, **fail.facts},
        deadline=now + dt.timedelta(seconds=flow.undo_deadline_s),
    )  # fmt: skip
    return _back(flow, turned, flow.steps.index(flow[op.step]), now)


def resumed(flow: Flow, op: Operation, now: dt.datetime) -> Operation:
    """A stuck operation tries again what it was stuck in."""
    deadline = now + dt.timedelta(seconds=flow.undo_deadline_s) if op.undoing else None
    return replace(_at(op, flow[op.step], now), state=State.RUNNING, finished=None, deadline=deadline)


def lost(op: Operation, now: dt.datetime) -> Operation:
    """The row names a flow or a step that this release does not have: only a person can say what it meant."""
    return _stuck(op, f"This release has no step {op.step!r} in a flow {op.flow!r}.", now)


def _next(flow: Flow, op: Operation, now: dt.datetime) -> Operation:
    at = flow.steps.index(flow[op.step]) + 1
    if at == len(flow.steps):
        return _ended(op, State.DONE, now)
    return _at(op, flow.steps[at], now)


def _previous(flow: Flow, op: Operation, now: dt.datetime) -> Operation:
    if _goes_forth_at(op, flow[op.step]):
        return _forth(flow, op, flow[op.step], now)
    return _back(flow, op, flow.steps.index(flow[op.step]) - 1, now)


def _back(flow: Flow, op: Operation, at: int, now: dt.datetime) -> Operation:
    """The nearest step from `at` downwards that has something to undo, or the end of the way back."""
    for step in reversed(flow.steps[: at + 1]):
        if step.undo is not None:
            return _at(op, step, now)
        if _goes_forth_at(op, step):
            return _forth(flow, op, step, now)
    return _ended(op, State.FAILED, now)


def _goes_forth_at(op: Operation, step: Step) -> bool:
    return step.name == op.back_to and op.turn_back is None


def _forth(flow: Flow, op: Operation, step: Step, now: dt.datetime) -> Operation:
    deadline = None if flow.deadline_s is None else now + dt.timedelta(seconds=flow.deadline_s)
    again = replace(op, undoing=False, back_to=None, failure=None, tries=op.tries + 1, deadline=deadline)
    return _at(again, step, now)


def _at(op: Operation, step: Step, now: dt.datetime) -> Operation:
    return replace(
        op, step=step.name, shows=step.shows, attempts=0, begun=now, look_again_at=now, waiting_why=None, updated=now
    )


def _ended(op: Operation, state: State, now: dt.datetime) -> Operation:
    return replace(op, state=state, finished=now, updated=now, waiting_why=None, shows=None)


def _stuck(op: Operation, why: str, now: dt.datetime) -> Operation:
    failure = why if op.failure is None else f"{op.failure} Undoing it failed as well: {why}"
    return replace(_ended(op, State.STUCK, now), failure=failure, waiting_why=why)


def _lies_behind(flow: Flow, op: Operation, name: str) -> bool:
    target, present = flow.index(name), flow.index(op.step)
    return target is not None and present is not None and target <= present


def _lateness(flow: Flow, op: Operation, why: str, now: dt.datetime) -> str | None:
    """Why the present step has had its time, None while it has not."""
    limit_s = None if op.undoing else flow[op.step].deadline_s
    if limit_s is not None and now - op.begun >= dt.timedelta(seconds=limit_s):
        return f"{op.step} took longer than {limit_s:g} s: {why}"
    # A final step can only go on, so the time of the whole flow does not end it: a deletion waits for its host to return.
    final = flow[op.step].final and not op.undoing
    if op.deadline is not None and now >= op.deadline and not final:
        return f"The operation took too long; the last word of {op.step} was: {why}"
    return None
