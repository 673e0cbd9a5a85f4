"""
How AWS is asked, at the wire: by us and by the SDK, the same of both.

Wherever a test takes a `way`, it runs once with our client and once with boto3's, against the same server.
"""
