"""A template's resources come to life: one small method for each type, through the services' own APIs.

Each method takes its resource's properties out of a dict; what is left afterwards and is not in inert.py is refused.

One liberty: an HTTP API's address is `https://{api id}.execute-api.{region}.amazonaws.com` on AWS and a port of this
machine here. Templates write that address by hand, so each resolved string that holds it gets ours instead.
"""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from local.cloud import messages
from local.cloud.buckets import Notifications
from local.cloud.errors import CloudError
from local.cloud.functions.host import Function, Functions
from local.cloud.http import cors, routes
from local.cloud.http.server import HttpApi
from local.cloud.inert import PROPERTIES, TYPES
from local.cloud.intrinsics import Scope
from local.cloud.machines import definition
from local.cloud.machines.engine import Engine
from local.cloud.permissions import Permissions
from local.cloud.queues import Queues
from local.cloud.resource import Deployed, Properties, Resource
from local.cloud.rules import Rules
from local.cloud.schedules import Schedules
from local.cloud.template import REGION, in_order, parameter_values


@dataclass
class Deployment:
    """One stack on its way: `resources` and `outputs` fill while `run` works."""

    stack: str
    account: str
    folder: Path  # the template's
    session: boto3.Session
    endpoint: str
    functions: Functions
    engine: Engine
    api: HttpApi
    schedules: Schedules
    rules: Rules
    queues: Queues
    notifications: Notifications
    permissions: Permissions
    time_scale: float
    resources: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    layers: dict[str, Path] = field(default_factory=dict)  # by ARN

    def run(self, template: dict[str, Any], parameters: dict[str, str]) -> None:
        names = parameter_values(template.get("Parameters", {}), parameters) | {
            "AWS::AccountId": self.account,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{self.account}:stack/{self.stack}/local",
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": "amazonaws.com",
        }
        scope = Scope(names, template.get("Mappings", {}), template.get("Conditions", {}))
        for logical_id, resource in in_order(template, scope):
            try:
                deployed = self._deploy(logical_id, resource, scope)
            except CloudError as error:
                raise CloudError(f"{logical_id} ({resource['Type']}): {error}") from error
            scope.names[logical_id] = self.resources[logical_id] = deployed.ref
            scope.attributes[logical_id] = deployed.attributes
        self.rules.check()
        for name, output in template.get("Outputs", {}).items():
            if "Condition" not in output or scope.condition(output["Condition"]):
                self.outputs[name] = scope.resolve(output["Value"])

    def _deploy(self, logical_id: str, resource: dict[str, Any], scope: Scope) -> Deployed:
        kind = resource["Type"]
        name = f"{self.stack}-{logical_id}-{_random(12).upper()}"
        it = Resource(logical_id, kind, name, scope.resolve(resource.get("Properties", {})))
        if kind in TYPES:
            return Deployed(name)
        if kind not in KINDS:
            raise CloudError("this type of resource is not known to the local cloud.")
        deployed = KINDS[kind](self, it)
        if kind == "AWS::ApiGatewayV2::Api":
            scope.rewrite[f"https://{deployed.ref}.execute-api.{REGION}.amazonaws.com"] = self.api.origin
        if unknown := sorted(entry for entry in it.properties if f"{kind}.{entry}" not in PROPERTIES):
            raise CloudError(f"the local cloud does not know the property {', '.join(unknown)}.")
        return deployed

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{REGION}:{self.account}:{rest}"

    def _file(self, address: Properties) -> Path:
        """The file or folder that template.py put into the key of an address in S3."""
        key: str = address["S3Key"] if "S3Key" in address else address["Key"]
        return (self.folder / key).resolve()

    # ---- What is kept ----

    def table(self, it: Resource) -> Deployed:
        dynamodb, name = self.client("dynamodb"), it.name
        expiry = it.take("TimeToLiveSpecification")
        recovery = it.take("PointInTimeRecoverySpecification")
        wanted = ("BillingMode", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
        chosen = {key: it.take(key) for key in wanted if key in it.properties}
        arn = dynamodb.create_table(TableName=name, **chosen)["TableDescription"]["TableArn"]
        if expiry:
            dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
        if recovery:
            dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
        return Deployed(name, {"Arn": arn})

    def bucket(self, it: Resource) -> Deployed:
        s3, name = self.client("s3"), it.name.lower()
        s3.create_bucket(Bucket=name)
        if block := it.take("PublicAccessBlockConfiguration"):
            s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
        if ownership := it.take("OwnershipControls"):
            s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=ownership)
        if encryption := it.take("BucketEncryption"):
            rules = [
                {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
                for rule in encryption["ServerSideEncryptionConfiguration"]
            ]
            s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
        if lifecycle := it.take("LifecycleConfiguration"):
            rules = [_lifecycle_rule(rule) for rule in lifecycle["Rules"]]
            s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
        if versioning := it.take("VersioningConfiguration"):
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
        if notification := it.take("NotificationConfiguration"):
            if notification != {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}:
                raise CloudError("the local cloud knows notifications to EventBridge only.")
            self.notifications.buckets.add(name)
        return Deployed(name, {"Arn": f"arn:aws:s3:::{name}"})

    def parameter(self, it: Resource) -> Deployed:
        name = it.take("Name", it.name)
        self.client("ssm").put_parameter(Name=name, Type=it.take("Type"), Value=it.take("Value"))
        return Deployed(name)

    def log_group(self, it: Resource) -> Deployed:
        logs, name = self.client("logs"), it.name
        logs.create_log_group(logGroupName=name)
        if days := it.take("RetentionInDays"):
            logs.put_retention_policy(logGroupName=name, retentionInDays=int(days))
        return Deployed(name, {"Arn": self.arn("logs", f"log-group:{name}:*")})

    # ---- What runs ----

    def role(self, it: Resource) -> Deployed:
        arn = f"arn:aws:iam::{self.account}:role/{it.name}"
        documents = [policy["PolicyDocument"] for policy in it.take("Policies", [])]
        self.permissions.define(arn, [statement for document in documents for statement in document["Statement"]])
        return Deployed(it.name, {"Arn": arn})

    def policy(self, it: Resource) -> Deployed:
        for role in it.take("Roles"):
            self.permissions.extend(role, it.properties["PolicyDocument"]["Statement"])
        it.take("PolicyDocument")
        return Deployed(it.name)

    def function(self, it: Resource) -> Deployed:
        self.permissions.grant(it.logical_id, it.take("Role"))
        arn = self.arn("lambda", f"function:{it.name}")
        variables = it.take("Environment", {}).get("Variables", {})
        logging = it.take("LoggingConfig", {})
        if unknown := logging.keys() - {"LogGroup"}:
            raise CloudError(f"the local cloud does not know LoggingConfig's {', '.join(sorted(unknown))}.")
        function = Function(
            logical_id=it.logical_id,
            name=it.name,
            arn=arn,
            handler=it.take("Handler"),
            timeout=int(it.take("Timeout", 3)),
            memory=int(it.take("MemorySize", 128)),
            environment={key: str(value) for key, value in variables.items()},
            code=self._file(it.take("Code")),
            layers=[self.layers[layer] for layer in it.take("Layers", [])],
            log_group=logging.get("LogGroup", f"/aws/lambda/{it.name}"),
        )
        self.functions.add(function)
        return Deployed(it.name, {"Arn": arn})

    def layer(self, it: Resource) -> Deployed:
        arn = self.arn("lambda", f"layer:{it.name}:1")
        folder = self._file(it.take("Content"))
        # A built layer has the folder that Lambda puts on the path; sources are on it themselves.
        self.layers[arn] = folder / "python" if (folder / "python").is_dir() else folder
        return Deployed(arn)

    def state_machine(self, it: Resource) -> Deployed:
        arn = self.arn("states", f"stateMachine:{it.logical_id}-{_random(12)}")
        if it.take("StateMachineType", "STANDARD") != "STANDARD":
            raise CloudError("the local cloud knows Standard workflows only.")
        self.permissions.grant(it.logical_id, it.take("RoleArn"), arn)
        text = self._file(it.take("DefinitionS3Location")).read_text()
        substitutions = it.take("DefinitionSubstitutions", {})
        self.engine.add(arn, definition.parse(text, substitutions, it.logical_id))
        return Deployed(arn, {"Arn": arn, "Name": arn.rsplit(":", 1)[1]})

    # ---- The door to callers ----

    def http_api(self, it: Resource) -> Deployed:
        if self.api.api_id:
            raise CloudError("the local cloud has one HTTP API only.")
        api_id = _random(10)
        body = it.take("Body")
        served = routes.read(body)
        self.api.serve(api_id, served, cors.read(body, served))
        return Deployed(api_id, {"ApiEndpoint": self.api.origin})

    def stage(self, it: Resource) -> Deployed:
        it.take("ApiId")
        stage: str = it.take("StageName")
        if stage != "$default" or not it.take("AutoDeploy", False):
            raise CloudError("the local cloud knows the stage $default only, deployed by itself.")
        return Deployed(stage)


KINDS: dict[str, Callable[[Deployment, Resource], Deployed]] = {
    "AWS::ApiGatewayV2::Api": Deployment.http_api,
    "AWS::ApiGatewayV2::Stage": Deployment.stage,
    "AWS::DynamoDB::Table": Deployment.table,
    "AWS::Events::Rule": messages.rule,
    "AWS::IAM::Policy": Deployment.policy,
    "AWS::IAM::Role": Deployment.role,
    "AWS::Lambda::EventSourceMapping": messages.mapping,
    "AWS::Lambda::Function": Deployment.function,
    "AWS::Lambda::LayerVersion": Deployment.layer,
    "AWS::Logs::LogGroup": Deployment.log_group,
    "AWS::S3::Bucket": Deployment.bucket,
    "AWS::SQS::Queue": messages.queue,
    "AWS::SQS::QueuePolicy": messages.queue_policy,
    "AWS::SSM::Parameter": Deployment.parameter,
    "AWS::StepFunctions::StateMachine": Deployment.state_machine,
}


def _random(length: int) -> str:
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


def _lifecycle_rule(rule: Properties) -> Properties:
    """A rule as CloudFormation writes it, as the API of S3 takes it."""
    made = {"ID": rule.pop("Id"), "Status": rule.pop("Status"), "Filter": {"Prefix": rule.pop("Prefix", "")}}
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": int(rule.pop("ExpirationInDays"))}
    if "NoncurrentVersionExpirationInDays" in rule:
        made["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(rule.pop("NoncurrentVersionExpirationInDays"))}
    for name in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"):
        if name in rule:
            made[name] = rule.pop(name)
    if rule:
        raise CloudError(f"the local cloud does not know a lifecycle rule's {', '.join(sorted(rule))}.")
    return made
