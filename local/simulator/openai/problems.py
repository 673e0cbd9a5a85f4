"""OpenAI's errors: `{"error": {"message", "type", "param", "code"}}`.

Most texts are quoted ones, from issues and test suites in public repositories: a wrong key, an unknown parameter, a
value outside its list or its bounds, a model that does not exist, a refused prompt. What is not recorded: the body for
`gpt-image-1` since its shutdown, which therefore takes the words of the API's other routes.
"""

from collections.abc import Sequence
from http import HTTPStatus

from local.simulator.exchange import Reply, as_json


class Problem(Exception):
    """Ends the work on a request; what the caller gets is `reply`."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status} {reply.body.decode()}")
        self.reply = reply


def of(status: int) -> Problem:
    """Any error of that status."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return _problem(status, HTTPStatus(status).phrase, kind=kind)


def invalid_key() -> Problem:
    """No key, or an unknown one."""
    message = "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys."
    return _problem(401, message, code="invalid_api_key")


def invalid_url(method: str, path: str) -> Problem:
    """There is no such route."""
    return _problem(404, f"Invalid URL ({method} {path})")


def unreadable() -> Problem:
    """A body that is no JSON object."""
    return _problem(400, "We could not parse the JSON body of your request.")


def no_model() -> Problem:
    """A request that names no model."""
    return _problem(400, "you must provide a model parameter")


def gone(model: str) -> Problem:
    """A model that the route knew and does not serve any more, as recorded for both DALL-E models."""
    return _problem(400, f"The model '{model}' does not exist.", code="invalid_value")


def not_found(model: str) -> Problem:
    """A model that has been shut down, in the words of the other routes."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return _problem(404, message, code="model_not_found")


def unknown_parameter(name: str) -> Problem:
    """A parameter that the route does not know, or not for this model."""
    return _problem(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def missing_parameter(name: str) -> Problem:
    """A parameter that has to be there."""
    return _problem(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def invalid_type(name: str, expected: str, given: str) -> Problem:
    """A value of the wrong JSON type."""
    message = f"Invalid type for '{name}': expected {expected}, but got {given} instead."
    return _problem(400, message, param=name, code="invalid_type")


def invalid_value(name: str, value: object, choices: Sequence[str]) -> Problem:
    """A value that is not one of the list."""
    *most, last = (f"'{choice}'" for choice in choices)
    listed = f"{', '.join(most)}{',' if len(most) > 1 else ''} and {last}"
    message = f"Invalid value: '{value}'. Supported values are: {listed}."
    return _problem(400, message, param=name, code="invalid_value")


def out_of_bounds(name: str, value: int, bound: int, *, above: bool) -> Problem:
    """A whole number that is too large or too small."""
    side, sign, code = ("above maximum", "<=", "above_max") if above else ("below minimum", ">=", "below_min")
    message = f"Invalid '{name}': integer {side} value. Expected a value {sign} {bound}, but got {value} instead."
    return _problem(400, message, param=name, code=f"integer_{code}_value")


def too_long(name: str, length: int, longest: int) -> Problem:
    """A text of too many characters."""
    expected = f"Expected a string with maximum length {longest}, but got a string with length {length} instead."
    return _problem(400, f"Invalid '{name}': string too long. {expected}", param=name, code="string_above_max_length")


def does_not_fit(message: str, name: str) -> Problem:
    """A value that would be good with another model, or beside other values."""
    return _problem(400, message, param=name, code="invalid_value")


def png_compression() -> Problem:
    """A PNG cannot be compressed with a loss."""
    message = "Compression less than 100 is not supported for PNG output format"
    return _problem(400, message, kind="image_generation_user_error", code="invalid_png_output_compression")


def server_error() -> Problem:
    """Something broke before there was any work."""
    message = "The server had an error while processing your request. Sorry about that!"
    return _problem(500, message, kind="server_error")


def moderation_blocked(request_id: str) -> Problem:
    """A GPT image model's refusal."""
    message = (
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        f"help.openai.com and include the request ID {request_id}. safety_violations=[sexual]."
    )
    return _problem(400, message, kind="image_generation_user_error", code="moderation_blocked")


def content_policy_violation() -> Problem:
    """DALL-E's refusal."""
    message = "Your request was rejected as a result of our safety system."
    return _problem(400, message, kind="image_generation_user_error", code="content_policy_violation")


def _problem(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> Problem:
    error = {"message": message, "type": kind, "param": param, "code": code}
    return Problem(as_json(status, {"error": error}))
