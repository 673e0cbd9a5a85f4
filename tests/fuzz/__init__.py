"""The HTTP API against its own OpenAPI document, by schemathesis, with all of its checks."""
