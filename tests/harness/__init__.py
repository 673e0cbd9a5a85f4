"""
The harness that would catch us if we lost money or pictures.

The real handlers, the real state machines and the simulator of the gateways run together in one process, over moto, in
virtual time: a story of hours takes a fraction of a second, and the same seed tells the same story again. Between any
two effects (a call of AWS, an exchange over the network) an invocation can be killed, stall, or lose the reply to what
was done, and others can come in between. When everything is quiet again, the invariants are checked.

    virtual.py      an event loop in which time passes only when nobody has anything to do
    invocation.py   one run of a handler, from effect to effect
    mishaps.py      what can befall an effect
    stack.py        a stack in moto; orders.py  what callers want
    world.py        its callers, its driver and its sweeper, until everything is quiet
    network.py      the wire: names, gateways, file hosts and a receiver
    services.py     the hooks in boto3, Step Functions and EventBridge
    invariants.py   what must hold afterwards
    crashes.py      every effect of a task's life x every way to crash there; pairs of them
    expected.py     how a task ends at a gateway that misbehaves, a row for each fault; misbehaviour.py has it happen
    schedules.py    random stories: callers that repeat, duplicate drivers, cancels, outages, a lying gateway
    variants.py     the design, broken on purpose: the harness has to notice; hunt.py looks
    simulate.py     the command

`make simulate` runs more of it than `make test`: all pairs of crashes, and as many random schedules as wanted.
"""
