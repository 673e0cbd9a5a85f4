"""
The parameters under the stack's name: gateway keys, webhook secrets, the link key, the API's address.

All but the address are SecureStrings that the operator's command puts there (CloudFormation cannot). They are kept in
the warm function for a minute, so that a new key is in use everywhere within a minute.
"""

from functools import lru_cache

from darkroom import aws, clock, rotation, settings
from darkroom.errors import OperatorError, SettingMissing

#: Milliseconds for which a parameter is kept; that there is none, too.
MAX_AGE_MS = 60_000


def gateway(name: str) -> str | None:
    """The key of a gateway, or None if the operator has put none."""
    return _read(f"gateways/{name}")


def webhook_secrets(tenant: str) -> tuple[str, ...]:
    """`whsec_…`, all with which a tenant's webhooks are signed now, the newest first. Raises OperatorError."""
    return _secrets(tenant).signing(clock.now())


def webhook_secret(tenant: str) -> str:
    """`whsec_…`, with which a tenant's receivers should verify from now on. Raises OperatorError."""
    return _secrets(tenant).verifying(clock.now())


def link() -> str:
    """What links to images are signed with. Raises SettingMissing."""
    return _needed("link-key")


def api_url() -> str:
    """Our own scheme and host, for those who cannot see it in a request. Raises SettingMissing."""
    return _needed("api-url")


def forget() -> None:
    """Read everything anew: a gateway has refused a key, so there may be a newer one."""
    _parameter.cache_clear()


def _secrets(tenant: str) -> rotation.Secrets:
    name = f"tenants/{tenant}/webhook-secret"
    try:
        return rotation.read(_needed(name))
    except ValueError as error:
        raise OperatorError(f"the parameter /{settings.stack()}/{name} holds no webhook secret") from error


def _needed(name: str) -> str:
    value = _read(name)
    if value is None:
        raise SettingMissing(f"there is no parameter {_path(name)}; operate.py puts it there")
    return value


def _read(name: str) -> str | None:
    return _parameter(_path(name), clock.now() // MAX_AGE_MS)


def _path(name: str) -> str:
    return f"/{settings.stack()}/{name}"


@lru_cache(maxsize=256)
def _parameter(path: str, _age: int) -> str | None:
    client = aws.ssm()
    try:
        return client.get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"]
    except client.exceptions.ParameterNotFound:
        return None
