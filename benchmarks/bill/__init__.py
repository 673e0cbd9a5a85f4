"""
What AWS would charge: `python -m benchmarks.bill`.

    workflows.py   the textbook's loop, ours, and ours as Express: run and compared
    rehearsed.py   tasks in virtual time, through the real handlers and the real state machine
    meter.py       what each request counts for, in AWS's units
    charges.py     from a story to units, and the same as an Express workflow
    prices.py      what a unit costs
"""
