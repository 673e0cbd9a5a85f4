"""Whose certificates are believed: one context for all, since to read so many roots takes longer than a call."""

import ssl
from functools import cache

import certifi


@cache
def context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
