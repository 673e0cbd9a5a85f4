"""Gemini's protocol for pictures, as Google speaks it (`upstream.py`) and as the gateways resell it (`gateway.py`).

    upstream   the routes, the wait for the job, the keys
    gateway    the same work behind a gateway's door: what differs there
    imagen     `:predict`: what a request may say, and its reply
    content    `:generateContent`: what a request may say, and its reply
    turns      `contents`: the turns of a conversation
    body       reading a body, as Google's servers do
    models     the models: what they take, how long they run, how large their pictures are
    verdicts   what the filters say to a prompt
    problems   the errors, google.rpc.Status

Everything is synchronous: the reply comes when the job has ended. Only 200 is a success, and a 200 need not have a
picture in it. A word in the prompt decides, in any case, as a whole word; any other prompt succeeds:

    word        :predict                                  :generateContent
    nsfw        only an element with the reason           a candidate without content, IMAGE_SAFETY
    risky       half of the pictures, then the reason     words instead of a picture; NO_IMAGE if only one may come
    quiet       {}                                        a candidate without content, NO_IMAGE
    forbidden   400, before the work                      promptFeedback and no candidates, before the work
    crash       503, before the work                      503, before the work

Written from Google's pages on Imagen, on image generation with Gemini, on responsible AI and on troubleshooting, the
recorded replies in the tests of the Firebase SDKs, the source of google-genai 2.19 and 3.4, Tokaify's page of
`:predict`, and replies that users of the API have published. Not simulated: streaming, files, batches, counting
tokens, and errors wrapped in a list, which only routes that are not here are known to send.
"""

from local.simulator.gemini.gateway import Gateway
from local.simulator.gemini.upstream import Upstream

__all__ = ["Gateway", "Upstream"]
