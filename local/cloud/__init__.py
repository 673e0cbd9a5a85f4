"""
A SAM template, running on this machine.

    cloud.py        started and stopped, in order
    template.py     a SAM template becomes resources, by AWS's own translator
    intrinsics.py   Ref, Sub, If and the like
    deploy.py       resources (resource.py) come to life
    messages.py     and those that have to do with messages
    inert.py        what deliberately does not, and why
    endpoint.py     one URL for all AWS services, with moto behind it
    permissions.py  who may ask it for what
    buckets.py      S3: told of new objects, and read and written by state machines
    rules.py        rules with a pattern (patterns.py): from the bus to a queue
    queues.py       from a queue to a function
    functions/      processes, each behind Lambda's Runtime API
    machines/       Step Functions: definitions, states, executions
    http/           an HTTP API: routes, the authorizer, events and responses
    schedules.py    rules that fire by the clock
"""
