"""
When to ask, against the best that can be: `python -m benchmarks.detection`.

    durations.py       how long tasks may take
    optimum.py         the best schedule for who knows that
    learning.py        what Darkroom counts, and asks by it
    circumstances.py   gateways that tell less or more, whole seconds, refusals, a bound of the lag
    picture.py         docs/detection.svg
"""
