"""A catalogue with everything in it that one can have, for tests to change."""

GOOD = """
[gateways.one]
url = "https://one.example"
dialects = { replicate = "/replicate/v1", fal = "" }

[gateways.two] # has everything that a gateway can have
url = "https://two.example:8443"
dialects = { replicate = "/v1", gemini = "/v1beta", openai = "/v1" }
auth = "X-Key: Key {key}"
concurrency = 3
question = 0.5

[inputs.words]
prompt = "prompt"
aspect_ratio = { name = "size", values = { "1:1" = "square", "16:9" = "wide" } }
num_images = { name = "n", most = 4, default = 1 }
output_format = { values = ["jpg", "png"] }
style = { values = [
    "photo",
    "ink",
] }

[models."owner/model"]
seconds = 4
output = "one"
max_lag = 5
routes = [
    { gateway = "two", dialect = "replicate", model = "owner/name-there", inputs = "words", price = 0.02 },
    { gateway = "one", dialect = "fal", model = "owner/app/fast", price = 1 },
    { gateway = "one", dialect = "replicate", model = "owner/model" }, # the last
]

[models."owner/*"]
seconds = 7.5
routes = [{ gateway = "one", dialect = "replicate", model = "*" }]
"""

ROUTE = '{ gateway = "one", dialect = "fal", model = "owner/app/fast", price = 1 },'
LAST = '{ gateway = "one", dialect = "replicate", model = "owner/model" }, # the last'
WILD = '[{ gateway = "one", dialect = "replicate", model = "*" }]'
