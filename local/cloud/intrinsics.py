"""CloudFormation's intrinsic functions: a template's value in, a plain value out.

The rule of this room: what it does not know, it refuses with a sentence.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from local.cloud.errors import CloudError

PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")
NO_VALUE = object()  # what AWS::NoValue leaves behind until its property or list entry is removed


@dataclass
class Scope:
    """All that a template can refer to.

    `names` is what Ref gives (parameters, pseudo parameters, deployed resources), `attributes` what GetAtt gives.
    `rewrite` replaces a part of every resolved string: the local cloud's one liberty, see deploy.py.
    """

    names: dict[str, Any]
    mappings: dict[str, Any] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    rewrite: dict[str, str] = field(default_factory=dict)

    def resolve(self, value: Any) -> Any:
        """The value with every intrinsic function replaced by what it gives."""
        if isinstance(value, list):
            return [entry for entry in map(self.resolve, value) if entry is not NO_VALUE]
        if not isinstance(value, dict):
            return self._rewritten(value)
        if intrinsic := intrinsic_of(value):
            name, argument = intrinsic
            if name not in FUNCTIONS:
                raise CloudError(f"The intrinsic function {name} is not known to the local cloud.")
            return self._rewritten(FUNCTIONS[name](self, argument))
        entries = {key: self.resolve(entry) for key, entry in value.items()}
        return {key: entry for key, entry in entries.items() if entry is not NO_VALUE}

    def condition(self, name: str) -> bool:
        if name not in self.conditions:
            raise CloudError(f"The template has no condition {name}.")
        return self._truth(self.conditions[name])

    def _truth(self, expression: Any) -> bool:
        match expression:
            case {"Condition": str(name)}:
                return self.condition(name)
            case {"Fn::And": list(parts)}:
                return all(self._truth(part) for part in parts)
            case {"Fn::Or": list(parts)}:
                return any(self._truth(part) for part in parts)
            case {"Fn::Not": [part]}:
                return not self._truth(part)
            case {"Fn::Equals": [left, right]}:
                # CloudFormation compares parameters as text: a Number parameter's 0 equals a template's "0".
                return str(self.resolve(left)) == str(self.resolve(right))
        raise CloudError(f"{expression} is not a condition that the local cloud knows.")

    def _rewritten(self, value: Any) -> Any:
        if isinstance(value, str):
            for old, new in self.rewrite.items():
                value = value.replace(old, new)
        return value

    def ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name not in self.names:
            raise CloudError(f"The template refers to {name}, which it does not have.")
        return self.names[name]

    def attribute(self, argument: Any) -> Any:
        resource, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        try:
            return self.attributes[resource][attribute]
        except KeyError:
            raise CloudError(f"The local cloud does not know the attribute {attribute} of {resource}.") from None

    def substitute(self, argument: Any) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument
        values = {name: self.resolve(value) for name, value in own.items()}

        def replace(placeholder: re.Match[str]) -> str:
            literal, name = placeholder.groups()
            if literal:
                return "${" + name + "}"
            if name in values:
                return str(values[name])
            return str(self.attribute(name) if "." in name else self.ref(name))

        return PLACEHOLDER.sub(replace, text)

    def join(self, argument: Any) -> str:
        separator, parts = argument
        return str(separator).join(str(part) for part in self.resolve(parts))

    def select(self, argument: Any) -> Any:
        index, entries = argument
        return self.resolve(entries)[int(self.resolve(index))]

    def split(self, argument: Any) -> list[str]:
        separator, text = argument
        return str(self.resolve(text)).split(separator)

    def find_in_map(self, argument: Any) -> Any:
        table, first, second = self.resolve(argument)
        try:
            return self.mappings[table][first][second]
        except KeyError:
            raise CloudError(f"The template's mappings have no {table}.{first}.{second}.") from None

    def choose(self, argument: Any) -> Any:
        name, then, otherwise = argument
        return self.resolve(then if self.condition(name) else otherwise)


FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "Ref": Scope.ref,
    "Fn::GetAtt": Scope.attribute,
    "Fn::Sub": Scope.substitute,
    "Fn::Join": Scope.join,
    "Fn::Select": Scope.select,
    "Fn::Split": Scope.split,
    "Fn::FindInMap": Scope.find_in_map,
    "Fn::If": Scope.choose,
}


def intrinsic_of(value: dict[str, Any]) -> tuple[str, Any] | None:
    if len(value) == 1:
        ((name, argument),) = value.items()
        if name == "Ref" or name.startswith("Fn::"):
            return name, argument
    return None


def referred(value: Any) -> Iterator[str]:
    """The names that a value refers to, by Ref, GetAtt or Sub: what has to be deployed before it."""
    if isinstance(value, list):
        for entry in value:
            yield from referred(entry)
    elif isinstance(value, dict):
        match intrinsic_of(value):
            case ("Ref", str(name)):
                yield name
            case ("Fn::GetAtt", argument):
                yield argument.split(".", 1)[0] if isinstance(argument, str) else argument[0]
            case ("Fn::Sub", argument):
                text, own = (argument, {}) if isinstance(argument, str) else argument
                yield from referred(list(own.values()))
                for literal, name in PLACEHOLDER.findall(text):
                    if not literal and name not in own:
                        yield name.split(".", 1)[0]
            case _:
                yield from referred(list(value.values()))
