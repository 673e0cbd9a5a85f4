"""The image models that VectorNode's table of contents names, each with the least that it asks for."""

from typing import Any

_CAT = "https://example.com/cat.png"
_MASK = "https://example.com/mask.png"

REPLICATE: dict[str, dict[str, Any]] = {
    "stability-ai/stable-diffusion": {},
    "stability-ai/sdxl": {},
    "stability-ai/stable-diffusion-inpainting": {"image": _CAT, "mask": _MASK},
    "stability-ai/stable-diffusion-img2img": {"image": _CAT},
    "lucataco/flux-schnell-lora": {"hf_lora": "somebody/lora"},
    "lucataco/flux-dev-lora": {"hf_lora": "somebody/lora"},
    "sujaykhandekar/object-removal": {"image_path": _CAT},
    "cjwbw/rembg": {"image": _CAT},
    "ideogram-ai/ideogram-v2-turbo": {},
    "black-forest-labs/flux-kontext-dev": {"input_image": _CAT},
    "recraft-ai/recraft-v3": {},
    "recraft-ai/recraft-v3-svg": {},
    "black-forest-labs/flux-1.1-pro-ultra": {},
    "black-forest-labs/flux-kontext-pro": {},
    "black-forest-labs/flux-kontext-max": {},
    "flux-kontext-apps/multi-image-kontext-max": {"input_image_1": _CAT, "input_image_2": _CAT},
    "flux-kontext-apps/multi-image-kontext-pro": {"input_image_1": _CAT, "input_image_2": _CAT},
    "lucataco/remove-bg": {"image": _CAT},
    "black-forest-labs/flux-fill-dev": {"image": _CAT},
    "black-forest-labs/flux-fill-pro": {"image": _CAT},
    "google/imagen-4-fast": {},
    "google/imagen-4-ultra": {},
    "google/imagen-4": {},
    "bytedance/seedream-4": {},
}

FAL: dict[str, dict[str, Any]] = {
    "fal-ai/nano-banana": {},
    "fal-ai/nano-banana/edit": {"image_urls": [_CAT]},
    "fal-ai/flux-1/dev": {},
    "fal-ai/flux-1/dev/image-to-image": {"image_url": _CAT},
    "fal-ai/flux-1/dev/redux": {"image_url": _CAT},
    "fal-ai/flux-1/schnell/redux": {"image_url": _CAT},
    "fal-ai/flux-pro/kontext": {"image_url": _CAT},
    "fal-ai/flux-pro/kontext/text-to-image": {},
    "fal-ai/flux-pro/kontext/max": {"image_url": _CAT},
    "fal-ai/flux-pro/kontext/max/multi": {"image_urls": [_CAT]},
    "fal-ai/wan/v2.2-a14b/image-to-image": {"image_url": _CAT},
    "fal-ai/bytedance/seedream/v4/text-to-image": {},
    "fal-ai/bytedance/seedream/v4/edit": {"image_urls": [_CAT]},
    "fal-ai/vidu/reference-to-image": {"reference_image_urls": [_CAT]},
    "fal-ai/imagen4/preview": {},
    "fal-ai/qwen-image-edit-lora": {"image_url": _CAT},
    "fal-ai/qwen-image-edit-plus": {"image_urls": [_CAT]},
    "fal-ai/flux-lora": {},
    "fal-ai/flux-lora/image-to-image": {"image_url": _CAT},
    "fal-ai/flux-lora/inpainting": {"image_url": _CAT, "mask_url": _MASK},
}

#: By version, as a caller may also say it.
BY_VERSION: dict[str, dict[str, Any]] = {
    "stability-ai/sdxl:39ed52f2a78e934b3ba6e2a89f5b1c712de7dfea535525255b1aa35c5565e08b": {}
}

ALL = REPLICATE | FAL | BY_VERSION
