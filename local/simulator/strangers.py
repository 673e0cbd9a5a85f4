"""Hosts that are no business of a caller's: only a gateway that lies, or was taken over, leads there.

Whoever comes is counted, and whoever brings a key has let it out of the house.
"""

from local.simulator.exchange import Reply

ELSEWHERE = "elsewhere.example"
METADATA = "169.254.169.254"
"""Where a machine in a cloud is told its own credentials."""
HOSTS = (ELSEWHERE, METADATA)
GREETING = Reply(404, b"Not Found", {"Content-Type": "text/plain; charset=utf-8"})
