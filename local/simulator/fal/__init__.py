"""The queue of fal, as fal speaks it (`upstream.py`) and as the gateways resell it (`gateway.py`).

    upstream   the routes, and what each of them does
    gateway    the same work behind a gateway's door: what differs there
    order      what a submitted request asks for, and of whom: paths, bodies
    endpoints  those that are known here
    models     what a model takes, how long it runs, what it draws
    fields     what an input may be, and the complaint where it is not
    status     a job as the queue shows it
    result     a job's pictures, as its model hands them over
    failures   how a job can fail, and the queue's own errors

Written from fal's documentation of its queue and its errors, the source of its official clients, recorded replies in
the tests of other clients, and the gateways' own pages. Not simulated: webhooks (the parameter is taken, nobody is
called), the stream of statuses, the synchronous host fal.run, start time-outs, priorities, uploads and video.
"""

from local.simulator.fal.gateway import Gateway
from local.simulator.fal.upstream import Upstream

__all__ = ["Gateway", "Upstream"]
