"""A template's resource on its way to life, and what is left of it then."""

from dataclasses import dataclass, field
from typing import Any

Properties = dict[str, Any]


@dataclass
class Resource:
    """One resource of the template: `name` as CloudFormation would call it, `properties` are those not yet taken."""

    logical_id: str
    kind: str
    name: str
    properties: Properties

    def take(self, name: str, default: Any = None) -> Any:
        return self.properties.pop(name, default)


@dataclass(frozen=True)
class Deployed:
    """What Ref and GetAtt give for a resource."""

    ref: str
    attributes: dict[str, str] = field(default_factory=dict)
