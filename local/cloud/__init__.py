"""
A SAM template, running on this machine.

    cloud.py        started and stopped, in order
    template.py     a SAM template becomes resources, by AWS's own translator
    intrinsics.py   Ref, Sub, If and the like
    deploy.py       resources come to life
    inert.py        what deliberately does not, and why
    endpoint.py     one URL for all AWS services, with moto behind it
    permissions.py  who may ask it for what
    functions/      processes, each behind Lambda's Runtime API
    machines/       Step Functions: definitions, states, executions
    http/           an HTTP API: routes, the authorizer, events and responses
    schedules.py    rules that fire by the clock
"""
