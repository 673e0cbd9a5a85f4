"""Whose certificates are believed: one context for all, since to read so many roots takes longer than a call."""

import ssl
from functools import cache


@cache
def context() -> ssl.SSLContext:
    import certifi  # a function may be done before it is needed

    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
