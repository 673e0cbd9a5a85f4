"""
Side by side: the official clients and Darkroom, each with the same tasks at a gateway of its own.

    gateways    the simulated gateways, at the end of a line as long for all
    callers.py  Replicate's and fal's clients for Python; callers.cjs: those for JavaScript
    peers       these, run
    stack       Darkroom, run: its real functions and state machines in the local cloud
    figures     what came of a run, in figures; requests at equal mean lag
    pulse       how busy the machine was meanwhile
    __main__    all of it: python -m benchmarks.clients
"""
