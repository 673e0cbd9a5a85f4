"""The endpoints that are known here: those for pictures that the gateways resell.

Inputs and results are those of the official JavaScript client's types, and for imagen4, which the types do not have,
those of the gateways' pages. Only what is listed there is demanded; other inputs are let through. Any other
`owner/alias`, with any path behind it, is an endpoint without required inputs, except for those with `unknown` in
their name, which is how to ask for one that does not exist, and those that make films.
"""

from local.simulator.fal.fields import Field, Size
from local.simulator.fal.models import FORMATS, Fact, Inputs, Member, Model

ABSENT = {"unknown", "veo3", "kling-video"}
NAMED: Inputs = {
    name: kind
    for kind, names in (
        (Field(), "prompt negative_prompt image_url mask_url aspect_ratio acceleration enhance_prompt_mode"),
        (Field("boolean"), "sync_mode enable_safety_checker enhance_prompt limit_generations"),
        (Field("integer"), "seed num_inference_steps max_images"),
        (Field("integer", least=1, most=4), "num_images"),
        (Field("number"), "strength guidance_scale guidance_scale_2 shift"),
        (Field("list"), "image_urls reference_image_urls loras"),
        (Field(choices=tuple(FORMATS)), "output_format image_format"),
        (Field(choices=("1", "2", "3", "4", "5", "6")), "safety_tolerance"),
        (Size(), "image_size"),
    )
    for name in names.split()
}
"""Inputs by their names, which mean the same wherever an endpoint takes them. The bounds of `num_images` are
imagen4's; for the others they are not recorded."""
IMAGEN = {
    **NAMED,
    "aspect_ratio": Field(choices=("1:1", "16:9", "9:16", "3:4", "4:3")),
    "resolution": Field(choices=("1K", "2K")),
}
FILED: tuple[Fact, ...] = ("url", "content_type", "file_name", "file_size")
SEED: tuple[Member, ...] = ("seed",)
STORY: tuple[Member, ...] = ("description",)


def find(endpoint: str) -> Model | None:
    """The endpoint of that name, or None where there is none."""
    return None if ABSENT & set(endpoint.split("/")) else offered(endpoint)


def offered(endpoint: str) -> Model:
    """The endpoint of a name that there is."""
    return KNOWN.get(endpoint) or Model(endpoint, NAMED)


def _imagen(path: str, seconds: float) -> Model:
    name = f"fal-ai/imagen4/{path}"
    return Model(name, IMAGEN, ("prompt",), seconds, "png", members=SEED, described=FILED)


def _drawn(path: str, *required: str, size: str = "square_hd") -> Model:
    return Model(f"fal-ai/{path}", NAMED, required, size=size)


def _seedream(path: str, *required: str) -> Model:
    return Model(f"fal-ai/bytedance/seedream/v4/{path}", NAMED, required, 9.0, "png", members=SEED)


def _banana(path: str, *required: str) -> Model:
    unsaid: tuple[Fact, ...] = ("width", "height")
    name = f"fal-ai/{path}"
    return Model(name, NAMED, required, 7.0, "png", members=STORY, described=FILED, unsaid=unsaid)


def _qwen(path: str, *required: str) -> Model:
    return Model(f"fal-ai/{path}", NAMED, required, 7.0, "png")


WAN = Model(
    "fal-ai/wan/v2.2-a14b/image-to-image",
    NAMED,
    ("prompt", "image_url"),
    12.0,
    members=("prompt", "seed"),
    single=True,
)
VIDU = Model(
    "fal-ai/vidu/reference-to-image",
    NAMED,
    ("prompt", "reference_image_urls"),
    8.0,
    "png",
    members=(),
    described=FILED,
    single=True,
)
KNOWN = {
    model.endpoint: model
    for model in (
        _imagen("preview", 6.0),
        _imagen("preview/fast", 3.0),
        _imagen("preview/ultra", 8.0),
        _drawn("flux-1/dev", "prompt", size="landscape_4_3"),
        _drawn("flux-1/dev/image-to-image", "prompt", "image_url"),
        _drawn("flux-1/dev/redux", "image_url", size="landscape_4_3"),
        _drawn("flux-1/schnell/redux", "image_url", size="landscape_4_3"),
        _drawn("flux-pro/kontext", "prompt", "image_url"),
        _drawn("flux-pro/kontext/max", "prompt", "image_url"),
        _drawn("flux-pro/kontext/text-to-image", "prompt"),
        _drawn("flux-pro/kontext/max/multi", "prompt", "image_urls"),
        _drawn("flux-lora", "prompt", size="landscape_4_3"),
        _drawn("flux-lora/image-to-image", "prompt", "image_url"),
        _drawn("flux-lora/inpainting", "prompt", "image_url", "mask_url"),
        _seedream("text-to-image", "prompt"),
        _seedream("edit", "prompt", "image_urls"),
        _qwen("qwen-image-edit-lora", "prompt", "image_url"),
        _qwen("qwen-image-edit-plus", "prompt", "image_urls"),
        _banana("nano-banana", "prompt"),
        _banana("nano-banana/edit", "prompt", "image_urls"),
        WAN,
        VIDU,
    )
}
