"""
The parameters under the stack's name: gateway keys, webhook secrets, the link key, the API's address.

All but the address are SecureStrings that the operator's command puts there (CloudFormation cannot). They are kept in
the warm function for a minute, so that a new key is in use everywhere within a minute.
"""

from functools import cache, lru_cache

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from darkroom import aws, clock, rotation, settings
from darkroom.errors import OperatorError, SettingMissing

#: Seconds for which a parameter is kept.
MAX_AGE = 60


def gateway(name: str) -> str | None:
    """The key of a gateway, or None if the operator has put none; that, too, is kept for a while."""
    return _gateway(settings.stack(), name, clock.now() // (MAX_AGE * 1000))


def webhook_secrets(tenant: str) -> tuple[str, ...]:
    """`whsec_…`, all with which a tenant's webhooks are signed now, the newest first. Raises OperatorError."""
    return _secrets(tenant).signing(clock.now())


def webhook_secret(tenant: str) -> str:
    """`whsec_…`, with which a tenant's receivers should verify from now on. Raises OperatorError."""
    return _secrets(tenant).verifying(clock.now())


def link() -> str:
    """What links to images are signed with. Raises SettingMissing."""
    return _read("link-key")


def api_url() -> str:
    """Our own scheme and host, for those who cannot see it in a request. Raises SettingMissing."""
    return _read("api-url")


def forget() -> None:
    """Read everything anew: a gateway has refused a key, so there may be a newer one."""
    _provider.cache_clear()
    _gateway.cache_clear()


@lru_cache(maxsize=64)
def _gateway(_stack: str, name: str, _age: int) -> str | None:
    try:
        return _read(f"gateways/{name}", max_age=0)
    except SettingMissing:
        return None


def _secrets(tenant: str) -> rotation.Secrets:
    name = f"tenants/{tenant}/webhook-secret"
    try:
        return rotation.read(_read(name))
    except ValueError as error:
        raise OperatorError(f"the parameter /{settings.stack()}/{name} holds no webhook secret") from error


@cache
def _provider() -> SSMProvider:
    return SSMProvider(boto3_client=aws.ssm())


def _read(name: str, max_age: int = MAX_AGE) -> str:
    path = f"/{settings.stack()}/{name}"
    try:
        value = _provider().get(path, max_age=max_age, decrypt=True)
    except GetParameterError as error:
        if not isinstance(error.__context__, aws.ssm().exceptions.ParameterNotFound):
            raise
        raise SettingMissing(f"there is no parameter {path}; operate.py puts it there") from error
    return str(value)
