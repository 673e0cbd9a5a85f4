"""template.yaml: routes, environment, permissions, and that state machines and code mean the same."""

import ast
import json
import re
import subprocess
from typing import Any, get_args

import pytest
import yaml

import submit
from darkroom import acceptance, driver, errors
from local.cloud.http.routes import CORS
from local.cloud.intrinsics import Scope
from local.cloud.template import parameter_values, read, translate
from tests.conftest import ROOT, template
from tests.test_architecture import DOORS, HOUSE, imports, room

TEMPLATE: dict[str, Any] = template()
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
FUNCTIONS = {
    name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Lambda::Function"
}
MACHINES = sorted((ROOT / "statemachines").glob("*.asl.yaml"))
#: Ready-made policies that SAM gives to functions: log lines, traces, and to take from a queue that feeds one.
READY_MADE = {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess", "AWSLambdaSQSQueueExecutionRole"}


def levels(machine: dict[str, Any]) -> list[dict[str, dict[str, Any]]]:
    """The states of a machine, and those of what its maps do with each item, by name."""
    within = [state["ItemProcessor"] for state in machine["States"].values() if state["Type"] == "Map"]
    return [machine["States"], *(level for each in within for level in levels(each))]


def states(machine: dict[str, Any]) -> list[dict[str, Any]]:
    return [state for level in levels(machine) for state in level.values()]


def statements(role: str) -> list[dict[str, Any]]:
    """All that a role may do: by its own policies, and by those that are attached to it."""
    policies = list(RESOURCES[role]["Properties"].get("Policies", []))
    attached = (each["Properties"] for each in RESOURCES.values() if each["Type"] == "AWS::IAM::Policy")
    policies += [each for each in attached if {"Ref": role} in each["Roles"]]
    return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]


def reached_rooms(door: str) -> set[str]:
    """The rooms that a door can get to by imports."""
    found: set[str] = set()
    ahead = {room(module) for module in imports(DOORS / f"{door}.py") if module.startswith("darkroom.")}
    while ahead:
        found |= ahead
        files = [HOUSE / f"{name}.py" for name in ahead if (HOUSE / f"{name}.py").is_file()]
        ahead = {room(m) for file in files for m in imports(file) if m.startswith("darkroom.")} - found
    return found


def variables() -> dict[str, str]:
    """The environment variable that each function of settings.py reads."""
    return dict(re.findall(r'def (\w+)\(\).*?_read\("(\w+)"\)', (HOUSE / "settings.py").read_text(), re.DOTALL))


def test_every_function_has_its_door() -> None:
    doors = {properties["Handler"] for properties in FUNCTIONS.values()}
    assert doors == {f"{file.stem}.handler" for file in DOORS.glob("*.py")}


def test_every_door_has_its_event() -> None:
    assert {file.stem for file in (ROOT / "events").glob("*.json")} == {file.stem for file in DOORS.glob("*.py")}


def test_only_links_health_and_the_apis_document_are_open() -> None:
    paths = RESOURCES["Api"]["Properties"]["Body"]["paths"]
    opened = {
        path for path, methods in paths.items() for method in methods.values() if method["security"] == [{"NONE": []}]
    }
    assert opened == {"/health", "/openapi.json", "/v1/files/{task_id}/{name}"}
    assert all(method.get("security") for methods in paths.values() for method in methods.values())


def test_the_routes_of_the_template_are_those_of_the_doors() -> None:
    routed = {
        (method.upper(), path)
        for path, methods in RESOURCES["Api"]["Properties"]["Body"]["paths"].items()
        for method in methods
    }
    served = {
        (method.upper(), path.replace("<", "{").replace(">", "}"))
        for file in DOORS.glob("*.py")
        for method, path in re.findall(r'@app\.(get|post|put|delete)\("([^"]+)"\)', file.read_text())
    } | {tuple(key.split()) for key in submit.ROUTES}
    assert routed == served


def cors(origins: str | None) -> dict[str, Any] | None:
    """What the API allows pages, for a value of the parameter, as CloudFormation makes it."""
    given = {} if origins is None else {"CorsOrigins": origins}
    made = translate(read(ROOT / "template.yaml"), given)
    names = parameter_values(made["Parameters"], given)
    body = {CORS: made["Resources"]["Api"]["Properties"]["Body"][CORS]}
    found: dict[str, Any] | None = Scope(names, conditions=made["Conditions"]).resolve(body).get(CORS)
    return found


@pytest.mark.parametrize("origins", [None, ""])
def test_pages_in_browsers_may_not_call_unless_the_operator_says_so(origins: str | None) -> None:
    assert cors(origins) is None


def test_pages_of_the_origins_that_the_operator_names_may_send_and_read_what_callers_need() -> None:
    allowed = cors("https://studio.example.com,http://localhost:5173")
    assert allowed
    assert allowed["allowOrigins"] == ["https://studio.example.com", "http://localhost:5173"]
    assert {"authorization", "content-type", "idempotency-key", "prefer", "cancel-after"} <= set(
        allowed["allowHeaders"]
    )
    assert {"idempotent-replayed", "location", "preference-applied", "retry-after"} <= set(allowed["exposeHeaders"])
    methods = {name.upper() for path in RESOURCES["Api"]["Properties"]["Body"]["paths"].values() for name in path}
    assert set(allowed["allowMethods"]) == methods
    assert "allowCredentials" not in allowed, "cookies are nobody's key"


@pytest.mark.parametrize(
    ("origins", "accepted"),
    [
        ("", True),
        ("*", True),
        ("https://a.example.com", True),
        ("https://a.example.com,http://localhost:5173", True),
        ("https://*", True),
        ("https://a.example.com/", False),
        ("https://a.example.com, https://b.example.com", False),
        ("a.example.com", False),
        ("https://a.example.com,", False),
        ("*,https://a.example.com", False),
    ],
)
def test_origins_that_no_browser_would_send_are_refused_when_deploying(origins: str, accepted: bool) -> None:
    pattern = TEMPLATE["Parameters"]["CorsOrigins"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, origins)) is accepted


def test_an_authorizers_answer_is_kept_for_a_minute_under_the_authorization_header_alone() -> None:
    (authorizer,) = RESOURCES["Api"]["Properties"]["Body"]["components"]["securitySchemes"].values()
    details = authorizer["x-amazon-apigateway-authorizer"]
    assert details["identitySource"] == ["$request.header.Authorization"]
    assert details["authorizerResultTtlInSeconds"] == 60
    assert details["enableSimpleResponses"] is True


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_given_only_settings_that_its_rooms_read(name: str) -> None:
    given = set(FUNCTIONS[name]["Environment"]["Variables"]) - {"POWERTOOLS_SERVICE_NAME", "STACK", "URL_SUFFIX"}
    names = variables()
    reached = reached_rooms(FUNCTIONS[name]["Handler"].removesuffix(".handler"))
    read = {
        names[node.attr]
        for each in reached
        if (HOUSE / f"{each}.py").is_file()
        for node in ast.walk(ast.parse((HOUSE / f"{each}.py").read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings"
        if node.attr in names  # what Lambda itself gives to every function is nobody's setting
    }
    assert given <= read


def test_every_function_is_told_what_addresses_of_aws_end_in() -> None:
    told = [properties["Environment"]["Variables"].get("URL_SUFFIX") for properties in FUNCTIONS.values()]
    assert told == [{"Ref": "AWS::URLSuffix"}] * len(FUNCTIONS)


def test_every_setting_is_given_to_somebody() -> None:
    given = {name for properties in FUNCTIONS.values() for name in properties["Environment"]["Variables"]}
    assert set(variables().values()) <= given


def test_no_function_waits_longer_than_the_state_that_called_it() -> None:
    for state in (state for file in MACHINES for state in states(yaml.safe_load(file.read_text()))):
        if name := re.fullmatch(r"\$\{(\w+)\}", state.get("Resource", "")):
            assert FUNCTIONS[name[1]]["Timeout"] < state["TimeoutSeconds"]


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.name)
def test_the_errors_that_a_machine_knows_are_classes_of_errors(file: Any) -> None:
    handlers = [
        handler
        for state in states(yaml.safe_load(file.read_text()))
        for handler in [*state.get("Retry", []), *state.get("Catch", [])]
    ]
    ours = {name for handler in handlers for name in handler["ErrorEquals"] if "." not in name}
    assert all(issubclass(getattr(errors, name), errors.DarkroomError) for name in ours)


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.name)
def test_every_task_has_a_timeout_and_no_choice_defaults_to_success(file: Any) -> None:
    machine = yaml.safe_load(file.read_text())
    for level in levels(machine):
        for state in level.values():
            if state["Type"] == "Task":
                assert state["TimeoutSeconds"] > 0
            if state["Type"] == "Choice":
                assert level[state["Default"]]["Type"] == "Fail"


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.name)
def test_no_two_states_of_a_machine_have_the_same_name(file: Any) -> None:
    machine = yaml.safe_load(file.read_text())
    assert len({name for level in levels(machine) for name in level}) == len(states(machine))


@pytest.mark.parametrize("file", MACHINES, ids=lambda file: file.name)
def test_a_machines_next_steps_are_those_that_its_functions_know(file: Any) -> None:
    known = {"${Accept}": set(get_args(acceptance.Next))}
    for level in levels(yaml.safe_load(file.read_text())):
        for name, state in level.items():
            if state["Type"] == "Choice":
                asked = set(re.findall(r"\$states\.input\.next = '(\w+)'", json.dumps(state["Choices"])))
                (before,) = (each for each in level.values() if each.get("Next") == name)
                assert asked <= known.get(before["Resource"], set(get_args(driver.Next)))


@pytest.mark.parametrize("name", ["Generation", "Delivery"])
def test_a_machine_may_do_just_what_its_states_do(name: str) -> None:
    definition = (ROOT / "statemachines" / f"{name.lower()}.asl.yaml").read_text()
    substitutions = RESOURCES[name]["Properties"]["DefinitionSubstitutions"]
    called = [substitutions[found] for found in re.findall(r"Resource: \$\{(\w+)\}$", definition, re.MULTILINE)]
    started = [substitutions[found] for found in re.findall(r"StateMachineArn: \$\{(\w+)\}", definition)]
    granted = {statement["Action"]: statement["Resource"] for statement in statements(f"{name}Role")}
    bus = {"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"}
    announced = [bus] if ":::events:putEvents" in definition else []
    wanted = {"lambda:InvokeFunction": called, "states:StartExecution": started, "events:PutEvents": announced}
    assert {action for action, resources in wanted.items() if resources} == set(granted)
    for action, resources in wanted.items():
        allowed = granted.get(action, [])
        assert (allowed if isinstance(allowed, list) else [allowed]) == resources


def test_a_batchs_machine_may_do_just_what_its_states_and_its_map_do() -> None:
    """As AWS documents it for Distributed Maps (iam-policies-eg-dist-map) and for waiting (stepfunctions-iam)."""
    here = "${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}"
    states_here, events_here = (f"arn:{here % service}" for service in ("states", "events"))
    bucket, rule = "${ImagesBucket.Arn}/batches/*", "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
    granted: dict[str, set[str]] = {}
    for statement in statements("BatchRole"):
        actions, resources = statement["Action"], statement["Resource"]
        for action in actions if isinstance(actions, list) else [actions]:
            for each in resources if isinstance(resources, list) else [resources]:
                granted.setdefault(action, set()).add(each.get("Ref") or each.get("Fn::Sub") or each["Fn::GetAtt"][0])
    seen_to_their_end = {
        f"{states_here}:execution:${{Generation.Name}}:*",
        f"{states_here}:execution:${{Batch.Name}}:*",
        f"{states_here}:execution:${{Batch.Name}}/rows:*",
    }
    assert granted == {
        "lambda:InvokeFunction": {"Collate", "Accept", "Deliver"},
        "states:StartExecution": {"Generation", "Batch"},
        "states:DescribeExecution": seen_to_their_end,
        "states:StopExecution": seen_to_their_end,
        "states:RedriveExecution": {f"{states_here}:execution:${{Batch.Name}}/rows:*"},
        "events:PutEvents": {f"{events_here}:event-bus/default"},
        **{f"events:{each}": {f"{events_here}:{rule}"} for each in ("PutTargets", "PutRule", "DescribeRule")},
        "s3:GetObject": {f"{bucket}/index.jsonl", f"{bucket}/map/*"},
        **{f"s3:{each}": {f"{bucket}/map/*"} for each in ("PutObject", "ListMultipartUploadParts")},
        "s3:AbortMultipartUpload": {f"{bucket}/map/*"},
    }


def test_a_policy_that_is_attached_to_a_role_is_for_that_role_alone() -> None:
    attached = [each["Properties"]["Roles"] for each in RESOURCES.values() if each["Type"] == "AWS::IAM::Policy"]
    assert attached == [[{"Ref": "BatchRole"}]]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_role_of_its_own_with_statements_of_its_own(name: str) -> None:
    role = FUNCTIONS[name]["Role"]["Fn::GetAtt"][0]
    assert role == f"{name}Role"
    managed = RESOURCES[role]["Properties"]["ManagedPolicyArns"]
    assert {str(arn).rpartition("/")[2].rstrip("'}") for arn in managed} <= READY_MADE
    for statement in statements(role):
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        assert statement["Effect"] == "Allow"
        assert all(re.fullmatch(r"\w+:\w+", action) for action in actions), "no wildcards among actions"
        assert statement["Resource"] != "*"


def test_nobody_may_scan_or_delete() -> None:
    actions = json.dumps([statements(name) for name in RESOURCES if name.endswith("Role")])
    assert not re.search(r"Scan|Delete|PutObjectAcl|BatchWrite|iam:", actions)


def test_what_is_kept_survives_the_stack() -> None:
    for name, resource in RESOURCES.items():
        if resource["Type"] in ("AWS::DynamoDB::Table", "AWS::S3::Bucket"):
            # A first deployment that fails leaves nothing behind; afterwards, nothing is ever deleted.
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
            assert resource["UpdateReplacePolicy"] == "Retain", name


def test_tables_cost_nothing_at_rest_and_can_be_restored() -> None:
    for resource in RESOURCES.values():
        if resource["Type"] == "AWS::DynamoDB::Table":
            properties = resource["Properties"]
            assert properties["BillingMode"] == "PAY_PER_REQUEST"
            assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_ended_tasks_leave_the_table_by_themselves() -> None:
    expiry = {"AttributeName": "expires", "Enabled": True}
    assert RESOURCES["TasksTable"]["Properties"]["TimeToLiveSpecification"] == expiry


def test_libraries_can_be_built_for_every_processor() -> None:
    parameters = read(ROOT / "template.yaml")["Parameters"]
    for processor in parameters["Architecture"]["AllowedValues"]:
        assert (ROOT / "layers" / "dependencies" / processor / "Makefile").is_file()


@pytest.mark.parametrize("processor", ["arm64", "x86_64"])
def test_libraries_are_taken_for_whatever_glibc_lambda_understands(processor: str) -> None:
    rules = ["make", "--dry-run", "--file", f"{processor}/Makefile", "build-DependenciesLayer"]
    folder = ROOT / "layers" / "dependencies"
    asked = subprocess.run(rules, cwd=folder, capture_output=True, text=True, check=True).stdout
    machine = "aarch64" if processor == "arm64" else processor
    names = {"manylinux2014", *(f"manylinux_2_{glibc}" for glibc in range(17, 35))}
    assert set(re.findall(r"--platform (\S+)", asked)) == {f"{name}_{machine}" for name in names}


def test_nothing_has_a_fixed_physical_name() -> None:
    text = (ROOT / "template.yaml").read_text()
    named = re.findall(r"^ +(?:Table|Bucket|Function|StateMachine|Role|LogGroup|Layer)Name:.*", text, re.MULTILINE)
    assert named == []
    parameters = [r["Properties"]["Name"] for r in RESOURCES.values() if r["Type"] == "AWS::SSM::Parameter"]
    assert all("${AWS::StackName}" in str(name) for name in parameters)


def test_no_secret_is_in_the_template() -> None:
    text = (ROOT / "template.yaml").read_text()
    assert not re.search(r"NoEcho|whsec_|darkroom_[a-z2-7]{8}_", text)
    given = {name for properties in FUNCTIONS.values() for name in properties["Environment"]["Variables"]}
    assert not [name for name in given if re.search(r"KEY|SECRET|TOKEN|PASSWORD", name)]
