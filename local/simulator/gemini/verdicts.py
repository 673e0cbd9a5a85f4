"""What the filters say to a prompt, and in which words.

The texts are recorded ones. The support codes of Google's page on responsible AI stand for categories: 42876398 is
"other" for a prompt, 39322892 a face and 29310472 a celebrity.
"""

import re
from typing import Literal, get_args

Verdict = Literal["nsfw", "risky", "quiet", "forbidden", "crash"]

BLOCKED_PROMPT = (
    "Image generation failed with the following error: The prompt could not be submitted. This prompt contains "
    "sensitive words that violate Google's Responsible AI practices. Try rephrasing the prompt. If you think this was "
    "an error, send feedback. Support codes: 42876398"
)
ALL_FILTERED = (
    "Unable to show generated images. All images were filtered out because they violated Vertex AI's usage guidelines. "
    "You will not be charged for blocked images. Try rephrasing the prompt. If you think this was an error, send "
    "feedback. Support codes: 39322892, 29310472"
)
SOME_FILTERED = (
    "Your current safety filter threshold filtered out {count} generated images. You will not be charged for blocked "
    "images. Try rephrasing the prompt. If you think this was an error, send feedback."
)
FILTERED_CONTENT = (
    "Unable to show the generated image. The image was filtered out because it violated Google's Generative AI "
    "Prohibited Use policy. You will not be charged for blocked images. Try rephrasing the prompt."
)
REFUSAL = "I cannot fulfill this request. My purpose is to be helpful and harmless."


def verdict(prompt: str) -> Verdict | None:
    """What the first of the words that count decides, in the order of `Verdict`; None for any other prompt."""
    words = set(re.findall(r"\w+", prompt.lower()))
    return next((word for word in get_args(Verdict) if word in words), None)
