"""Gateways that behave like the real ones, faults included, on one loopback port.

    __main__       the command
    server         HTTP, with the control door; transmission loses replies on a real connection
    door           the control door, /_simulator
    simulator      all of it without a socket: keys, mounts, faults, the request log
    houses         who stands at which host: upstreams, and gateways
    exchange       a request and a reply, as simulator and dialects hand them to each other
    replicate/     the Replicate protocol, as Replicate speaks it and as the gateways resell it
    fal/           the queue of fal, likewise
    gemini/        Google's pictures: Imagen and the image models of Gemini, likewise
    openai/        OpenAI's images, likewise
    relay          what the gateways have in common below every mount
    files          the file hosts, where pictures are fetched from
    strangers      hosts that nobody should be led to
    jobs           queued, running, ended: jobs as functions of time
    faults         errors and delays on request
    switches       the faults that have a name
    deeds          what they do on the way; lenses, how they show jobs; downloads, what they make of files
    scene          a request that a fault happens to
    ledger         what was requested and what was charged
    pictures       the pictures; lettering sets the words on them
    clock          how fast time passes, how one waits, and how it is written
    chance         names that nobody can guess

Every dialect is a room beside `replicate/` and one more mount in `houses`. Nothing here comes from the project's own
dialects: it is written from the gateways' documents, so that a misreading on one side is not repeated on the other.
"""
