"""
The operator's command: what CloudFormation cannot put in place for a stack.

    operate.py gateway-key NAME      put (or replace) the key of a gateway; it is read from standard input
    operate.py tenant NAME           make a tenant: its webhook secret, and a first API key
    operate.py api-key TENANT        one more API key for a tenant; --note TEXT says what it is for
    operate.py api-keys [TENANT]     list the API keys: id, tenant, since when, until when, note; never the key itself
    operate.py revoke-key KEY        let a key in no more, named by its id or by all of it
    operate.py webhook-secret TENANT show what a tenant's webhooks are signed with; --rotate makes another, and for
                                     --overlap HOURS (default: 24; 0: not at all) the one before signs, too
    operate.py catalogue             read catalogue.toml, and list what can be made over what; needs no AWS

All but the last take --stack NAME (default: darkroom), --region NAME (default: the environment's or the profile's), and
AWS credentials from where the AWS CLI takes them.
"""

import argparse
import getpass
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "layers" / "core"))

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from darkroom import aws, catalogue, clock, rotation, tenants
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


def api_key(stack: str, name: str, note: str = "") -> None:
    """One more key for a tenant; it is shown once."""
    ssm = aws.ssm()
    try:
        ssm.get_parameter(Name=f"/{stack}/tenants/{name}/webhook-secret")
    except ssm.exceptions.ParameterNotFound:
        raise OperatorError(f"There is no tenant {name!r} yet: operate.py tenant {name}") from None
    print(f"API key:        {tenants.make_key(name, note)}")
    print("Keep the API key; it is not shown again.", file=sys.stderr)


def api_keys(_stack: str, name: str | None) -> None:
    """The keys of a tenant or of all, a line each; those that are revoked too."""
    line = "{:10}{:34}{:19}{:19}{}"
    print(line.format("id", "tenant", "made", "revoked", "note").rstrip())
    for key in tenants.list_keys(name):
        revoked = "" if key.revoked is None else _minute(key.revoked)
        print(line.format(key.id, key.tenant, _minute(key.made), revoked, key.note).rstrip())


def revoke_key(_stack: str, name: str) -> None:
    """Let a key in no more."""
    key = tenants.revoke(name)
    print(f"Revoked: {key.id} of {key.tenant}. It is refused within 60 seconds: that long an answer is kept.")


def webhook_secret(stack: str, name: str, rotate: bool, overlap: int) -> None:
    """What a tenant's webhooks are signed with, for whoever verifies them; or another one from now on."""
    ssm, now = aws.ssm(), clock.now()
    try:
        found = ssm.get_parameter(Name=f"/{stack}/tenants/{name}/webhook-secret", WithDecryption=True)
    except ssm.exceptions.ParameterNotFound:
        raise OperatorError(f"There is no tenant {name!r} yet: operate.py tenant {name}") from None
    try:
        held = rotation.read(found["Parameter"]["Value"])
    except ValueError:
        if not rotate or overlap:
            raise OperatorError("What is there is no webhook secret. For another: --rotate --overlap 0") from None
        held = rotation.Secrets("")
    if rotate:
        if overlap < 0:
            raise OperatorError("An overlap is a number of hours, 0 or more.")
        if overlap and held.overlap(now):
            raise OperatorError(
                f"Two sign already, until {_minute(held.until)}, and a third would end that for the oldest. Wait, or"
                " say --overlap 0: then the new one alone signs."
            )
        held = held.rotated(tenants.make_webhook_secret(), now, overlap * 3_600_000)
        _put(stack, f"tenants/{name}/webhook-secret", str(held), overwrite=True)
    print(f"webhook secret: {held.current}")
    if held.overlap(now):
        print(f"one before:     {held.before}   signs, too, until {_minute(held.until)}")
    if rotate:
        print("Every webhook carries the new one's signature from a minute from now on.", file=sys.stderr)


def show_catalogue(_stack: str) -> None:
    """What can be made, and over which routes. Whatever is wrong with the catalogue is named with its line."""
    for name, model in catalogue.catalogue().models.items():
        print(name)
        for route in model.routes:
            price = "" if route.price is None else f"   ${route.price} an image"
            print(f"    {route.name}{price}")


def _find(stack: str) -> None:
    """Look up the stack's table of tenants. Raises OperatorError if there is no such stack here."""
    try:
        found = aws.ssm().get_parameter(Name=f"/{stack}/tenants-table")
    except aws.ssm().exceptions.ParameterNotFound:
        raise OperatorError(f"There is no stack {stack!r} in this account and region. See --stack.") from None
    os.environ["TENANTS_TABLE"] = found["Parameter"]["Value"]


def _put(stack: str, name: str, value: str, *, overwrite: bool = False) -> bool:
    """A SecureString under the stack's name; False if there is one that shall not be overwritten."""
    ssm = aws.ssm()
    try:
        ssm.put_parameter(Name=f"/{stack}/{name}", Value=value, Type="SecureString", Overwrite=overwrite)
    except ssm.exceptions.ParameterAlreadyExists:
        return False
    return True


def _minute(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")


def main() -> int:
    parser = argparse.ArgumentParser(prog="operate.py", description="Put in place what CloudFormation cannot.")
    parser.add_argument("--stack", default="darkroom", help="the stack's name (default: darkroom)")
    region = os.environ.get("AWS_REGION")
    parser.add_argument("--region", default=region, help="the stack's region (default: the environment's or profile's)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--stack")
    shared.add_argument("--region")
    parsers = {}
    for command, whose, what in (
        (gateway_key, "GATEWAY", "put the key of a gateway, read from standard input"),
        (tenant, "TENANT", "make a tenant: its webhook secret, and a first API key"),
        (api_key, "TENANT", "one more API key for a tenant"),
        (api_keys, "TENANT", "list the API keys of a tenant, or of all"),
        (revoke_key, "KEY", "let an API key in no more, named by its id or by all of it"),
        (webhook_secret, "TENANT", "show what a tenant's webhooks are signed with, or rotate it"),
    ):
        made = commands.add_parser(command.__name__.replace("_", "-"), help=what, parents=[shared])
        made.add_argument("name", metavar=whose, nargs="?" if command is api_keys else None)
        made.set_defaults(run=command)
        parsers[command] = made
    parsers[webhook_secret].add_argument("--rotate", action="store_true", help="make another")
    parsers[webhook_secret].add_argument(
        "--overlap", type=int, default=24, metavar="HOURS", help="for how long the one before signs, too (default: 24)"
    )
    parsers[api_key].add_argument("--note", default="", help="what it is for, to tell it from the tenant's others")
    listing = commands.add_parser("catalogue", help="list what can be made over what; needs no AWS")
    listing.set_defaults(run=show_catalogue)
    given = vars(parser.parse_args())
    run = given.pop("run")
    if region := given.pop("region"):
        os.environ["AWS_DEFAULT_REGION"] = region
    aws.connect = aws.sdk
    try:
        if run is not show_catalogue:
            _find(given["stack"])
        run(given.pop("stack"), **given)
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
