"""What the local cloud says when it cannot do what a template, a state machine or a caller asks of it."""


class CloudError(Exception):
    """The local cloud cannot go on; the message is one sentence that says what is wrong and where."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class ApiError(CloudError):
    """An AWS API refuses a call: `code` and `status` as the service would answer them."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class FunctionFailed(CloudError):
    """A function answered with an error; `payload` is what Lambda reports: errorType, errorMessage, stackTrace."""

    def __init__(self, function: str, payload: dict[str, object]) -> None:
        super().__init__(f"{function} failed with {payload.get('errorType')}: {payload.get('errorMessage')}")
        self.payload = payload
