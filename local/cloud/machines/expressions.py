"""JSONata in state machines: strings of the form `{% … %}` are compiled once and evaluated natively.

https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

import json
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.utils import Utils

from local.cloud.errors import CloudError


class StateError(Exception):
    """A state fails: `error` is the name that Retry, Catch and the execution's status know, `cause` the reason."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


class Expression:
    """One compiled `{% … %}`."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.compiled = Jsonata(text[2:-2])
        except JException as error:
            raise CloudError(f"{text} is not JSONata: {error}.") from error
        # Otherwise null and nothing are the same to this library, and nothing must be an error.
        self.compiled.set_output_convert_nulls(False)

    def evaluate(self, bindings: dict[str, Any]) -> Any:
        try:
            result = self.compiled.evaluate(None, bindings)
            if result is None:
                raise StateError(
                    "States.QueryEvaluationError", f"The JSONata expression '{self.text}' returned nothing."
                )
            # Through JSON, so that the library's own list types stay in here, and what is no data is found.
            return json.loads(json.dumps(Utils.convert_nulls(result), allow_nan=False))
        except (JException, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
            raise StateError(
                "States.QueryEvaluationError", f"The JSONata expression '{self.text}' threw an error: {error}"
            ) from error


def compiled(value: Any) -> Any:
    """The value with each `{% … %}` string in it turned into an Expression."""
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        return Expression(value)
    if isinstance(value, list):
        return [compiled(entry) for entry in value]
    if isinstance(value, dict):
        return {key: compiled(entry) for key, entry in value.items()}
    return value


def evaluated(value: Any, bindings: dict[str, Any]) -> Any:
    """The value with each Expression in it replaced by what it gives; raises StateError."""
    if isinstance(value, Expression):
        return value.evaluate(bindings)
    if isinstance(value, list):
        return [evaluated(entry, bindings) for entry in value]
    if isinstance(value, dict):
        return {key: evaluated(entry, bindings) for key, entry in value.items()}
    return value
