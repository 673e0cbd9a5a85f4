"""
Seconds to the next question: by what is known of a route, and by what the gateway says of the task.

Of a task that waits there, at least a whole run is still to come. Once the gateway has begun with it, its run alone
counts, and the share of it that is done, if that is told.
"""

from darkroom import clock, histogram, schedule, timings
from darkroom.answer import Running
from darkroom.route import Model, Route


def first(model: Model, route: Route, chance: float) -> float:
    """From when the gateway has accepted the request; `chance`, from 0 to 1, dithers it."""
    return timings.plan(model, route).next(0, chance)


def following(model: Model, route: Route, elapsed: float, answer: Running) -> float:
    """From now on, `elapsed` seconds after the gateway has accepted the request."""
    chance, begun = clock.chance(), answer.began is not None
    running = max(0.0, elapsed - (answer.began or 0.0))
    if answer.done:
        likely = histogram.narrowed(timings.weights(model, route, run=begun), running / answer.done)
        plan = schedule.plan(likely, timings.price(route.gateway), model.max_lag)
    else:
        plan = timings.plan(model, route, run=begun)
    wait = plan.next(running, chance) - running
    if answer.queued and timings.runs_known(route):
        wait = max(wait, timings.plan(model, route, run=True).next(0, chance))
    return wait
