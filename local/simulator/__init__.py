"""Gateways that behave like the real ones, faults included, on one loopback port.

    __main__     the command
    houses       who stands at which host: upstreams, and gateways
    server       HTTP: keys, mounts, faults, the request log
    door         the control door, /_simulator
    exchange     a request and a reply, as server and dialects hand them to each other
    replicate/   the Replicate protocol, as Replicate speaks it and as the gateways resell it
    fal/         the queue of fal, likewise
    gemini/      Google's pictures: Imagen and the image models of Gemini, likewise
    openai/      OpenAI's images, likewise
    relay        what the gateways have in common below every mount
    files        the file hosts, where pictures are fetched from
    jobs         queued, running, ended: jobs as functions of time
    faults       errors and delays on request
    ledger       what was requested and what was charged
    pictures     the pictures; lettering sets the words on them
    clock        how fast time passes, and how it is written

Every dialect is a room beside `replicate/` and one more mount in `server`. Nothing here comes from the project's own
dialects: it is written from the gateways' documents, so that a misreading on one side is not repeated on the other.
"""
