"""
Darkroom: durable image generation over AI gateways.

The rooms of this package, and which may import which, are in docs/architecture.md.
Importing this package does nothing.
"""
