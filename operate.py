"""
The operator's command: what CloudFormation cannot put in place for a stack.

    operate.py gateway-key NAME      put (or replace) the key of a gateway; it is read from standard input
    operate.py tenant NAME           make a tenant: its webhook secret, and a first API key
    operate.py api-key TENANT        one more API key for a tenant
    operate.py webhook-secret TENANT show what a tenant's webhooks are signed with
    operate.py catalogue             read catalogue.toml, and list what can be made over what; needs no AWS

All but the last take --stack NAME (default: darkroom), --region NAME (default: the environment's or the profile's), and
AWS credentials from where the AWS CLI takes them.
"""

import argparse
import getpass
import os
import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "layers" / "core"))

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from darkroom import aws, catalogue, tenants
from darkroom.errors import DarkroomError, OperatorError


def gateway_key(stack: str, name: str) -> None:
    """Put the key of a gateway that the catalogue names."""
    if name not in catalogue.catalogue().gateways:
        known = ", ".join(catalogue.catalogue().gateways)
        raise OperatorError(f"catalogue.toml has no gateway {name!r}. Known: {known}.")
    key = getpass.getpass(f"Key for {name}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not key.strip():
        raise OperatorError("There was no key to read.")
    _put(stack, f"gateways/{name}", key.strip(), overwrite=True)
    print(f"Stored. Every function uses it within a minute. Models over {name} can be made now.")


def tenant(stack: str, name: str) -> None:
    """Make a tenant who can call the API and verify our webhooks."""
    if not tenants.is_name(name):
        raise OperatorError("A tenant's name is 1 to 32 characters of a-z, 0-9 and -.")
    secret = tenants.make_webhook_secret()
    _put(stack, "link-key", secrets.token_urlsafe(32))
    if not _put(stack, f"tenants/{name}/webhook-secret", secret):
        raise OperatorError(f"There is a tenant {name!r} already. For another key: operate.py api-key {name}")
    print(f"webhook secret: {secret}")
    api_key(stack, name)


def api_key(stack: str, name: str) -> None:
    """One more key for a tenant; it is shown once."""
    ssm = aws.ssm()
    try:
        ssm.get_parameter(Name=f"/{stack}/tenants/{name}/webhook-secret")
    except ssm.exceptions.ParameterNotFound:
        raise OperatorError(f"There is no tenant {name!r} yet: operate.py tenant {name}") from None
    os.environ["TENANTS_TABLE"] = ssm.get_parameter(Name=f"/{stack}/tenants-table")["Parameter"]["Value"]
    print(f"API key:        {tenants.make_key(name)}")
    print("Keep them; they are not shown again.", file=sys.stderr)


def webhook_secret(stack: str, name: str) -> None:
    """What a tenant's webhooks are signed with, for whoever verifies them."""
    ssm = aws.ssm()
    try:
        found = ssm.get_parameter(Name=f"/{stack}/tenants/{name}/webhook-secret", WithDecryption=True)
    except ssm.exceptions.ParameterNotFound:
        raise OperatorError(f"There is no tenant {name!r} yet: operate.py tenant {name}") from None
    print(f"webhook secret: {found['Parameter']['Value']}")


def show_catalogue(_stack: str, _name: str) -> None:
    """What can be made, and over which routes. Whatever is wrong with the catalogue is named with its line."""
    for name, model in catalogue.catalogue().models.items():
        print(name)
        for route in model.routes:
            price = "" if route.price is None else f"   ${route.price} an image"
            print(f"    {route.name}{price}")


def _check(stack: str) -> None:
    """Raises OperatorError if there is no such stack here."""
    try:
        aws.ssm().get_parameter(Name=f"/{stack}/tenants-table")
    except aws.ssm().exceptions.ParameterNotFound:
        raise OperatorError(f"There is no stack {stack!r} in this account and region. See --stack.") from None


def _put(stack: str, name: str, value: str, *, overwrite: bool = False) -> bool:
    """A SecureString under the stack's name; False if there is one that shall not be overwritten."""
    ssm = aws.ssm()
    try:
        ssm.put_parameter(Name=f"/{stack}/{name}", Value=value, Type="SecureString", Overwrite=overwrite)
    except ssm.exceptions.ParameterAlreadyExists:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="operate.py", description="Put in place what CloudFormation cannot.")
    parser.add_argument("--stack", default="darkroom", help="the stack's name (default: darkroom)")
    region = os.environ.get("AWS_REGION")
    parser.add_argument("--region", default=region, help="the stack's region (default: the environment's or profile's)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--stack")
    shared.add_argument("--region")
    for word, run, what in (
        ("gateway-key", gateway_key, "put the key of a gateway, read from standard input"),
        ("tenant", tenant, "make a tenant: its webhook secret, and a first API key"),
        ("api-key", api_key, "one more API key for a tenant"),
        ("webhook-secret", webhook_secret, "show what a tenant's webhooks are signed with"),
    ):
        command = commands.add_parser(word, help=what, parents=[shared])
        command.add_argument("name")
        command.set_defaults(run=run)
    listing = commands.add_parser("catalogue", help="list what can be made over what; needs no AWS")
    listing.set_defaults(run=show_catalogue, name="")
    arguments = parser.parse_args()
    if arguments.region:
        os.environ["AWS_DEFAULT_REGION"] = arguments.region
    try:
        if arguments.run is not show_catalogue:
            _check(arguments.stack)
        arguments.run(arguments.stack, arguments.name)
    except NoRegionError:
        print("operate.py: In which region? Say --region NAME, or export AWS_DEFAULT_REGION.", file=sys.stderr)
        return 1
    except NoCredentialsError:
        print("operate.py: There are no AWS credentials: run `aws configure`, or export AWS_PROFILE.", file=sys.stderr)
        return 1
    except (DarkroomError, ClientError, BotoCoreError) as error:
        print(f"operate.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
