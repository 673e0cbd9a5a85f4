"""
Stories that run whole: HTTP request → functions → state machines → verified webhook, from the real template, in the
local cloud, against the simulator of the gateways. Time runs ten times faster.
"""

import base64
import io
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from standardwebhooks import Webhook

from local.cloud.machines.events import Event
from local.cloud.permissions import Act, covers
from local.installation import GATEWAY_KEY, Installation
from local.receiver import Receiver
from tests import conftest, documented_models
from tests.batch_dropper import Dropper

pytestmark = pytest.mark.slow

MODEL = "google/imagen-4-fast"
CREATE = f"/replicate/v1/models/{MODEL}/predictions"
VECTORNODE = httpx.URL(conftest.VECTORNODE).host
WAN = "fal-ai/wan/v2.2-a14b/image-to-image"
#: Models that take pictures: what the one is asked for is posted by the submission, of the other by the driver.
KONTEXT, NANO_BANANA = "black-forest-labs/flux-kontext-pro", "google/nano-banana"
#: A picture that a caller has somewhere.
OUTSIDE = "https://example.com/cat.png"
#: Words that stand in prompts here, and must stand nowhere else.
CANARY = "cormorant"


class Caller:
    """Somebody with an API key."""

    def __init__(self, darkroom: Installation, client: httpx.Client) -> None:
        self.darkroom = darkroom
        self.client = client

    def order(
        self, prompt: str = f"a {CANARY}", model: str = MODEL, webhook: str | None = None, **more: Any
    ) -> httpx.Response:
        body = {"version": model, "input": {"prompt": prompt, **more}} | ({"webhook": webhook} if webhook else {})
        return self.client.post("/v1/predictions", json=body)

    def task(self, task_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.client.get(f"/v1/predictions/{task_id}").raise_for_status().json()
        return shown

    def wait(self, task_id: str, *statuses: str) -> dict[str, Any]:
        """The task as soon as it has one of the statuses (by default, as soon as it has ended)."""
        deadline = time.monotonic() + 30
        while (task := self.task(task_id))["status"] not in (statuses or ("succeeded", "failed", "canceled")):
            assert time.monotonic() < deadline, f"still {task['status']}"
            time.sleep(0.05)
        return task

    def announced(self, task_id: str) -> Event:
        """The event that announces a task's end, as soon as it is there."""
        deadline = time.monotonic() + 30
        while not (found := [one for one in self.darkroom.cloud.events() if _tells_of(one, task_id)]):
            assert time.monotonic() < deadline, "it is not announced"
            time.sleep(0.05)
        (event,) = found
        return event

    def deliveries(self, task_id: str, status: str) -> dict[str, Any]:
        """What is on record of a task's webhook, as soon as it stands so."""
        deadline = time.monotonic() + 30
        while (shown := self.client.get(f"/v1/predictions/{task_id}/deliveries").json())["status"] != status:
            assert time.monotonic() < deadline, f"still {shown['status']}"
            time.sleep(0.05)
        found: dict[str, Any] = shown
        return found

    def fault(self, **fault: Any) -> None:
        """Ask the simulator to misbehave."""
        httpx.post(f"{self.darkroom.simulator_url}/_simulator/faults", json=fault).raise_for_status()

    def ledger(self) -> dict[str, Any]:
        kept: dict[str, Any] = httpx.get(f"{self.darkroom.simulator_url}/_simulator/ledger").json()
        return kept

    def news(self, receiver: Receiver) -> dict[str, Any]:
        """The next webhook's body; its signature is verified as any receiver would."""
        delivery = receiver.next()
        body: dict[str, Any] = Webhook(self.darkroom.webhook_secret).verify(delivery.body, delivery.headers)
        return body


def _tells_of(event: Event, task_id: str) -> bool:
    told: bool = event.detail.get("prediction", {}).get("id") == task_id
    return told


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with Installation(speed=10) as darkroom:
        headers = {"authorization": f"Bearer {darkroom.api_key}"}
        with httpx.Client(base_url=darkroom.api_url, headers=headers, timeout=35) as client:
            yield Caller(darkroom, client)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_one_task_goes_from_post_to_picture_to_webhook(caller: Caller, receiver: Receiver) -> None:
    charged = len(caller.ledger()["charges"])
    reply = caller.order(webhook=receiver.url, aspect_ratio="4:3", output_format="png")
    assert reply.status_code == 201
    news = caller.news(receiver)
    task = caller.wait(reply.json()["id"])
    assert news == task
    assert (task["status"], task["error"]) == ("succeeded", None)
    fetched = httpx.get(task["output"])
    assert fetched.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(fetched.content))
    assert (picture.format, picture.size) == ("PNG", (task["images"][0]["width"], task["images"][0]["height"]))
    ledger = caller.ledger()
    assert len(ledger["charges"]) - charged == 1
    assert ledger["leaked_keys"] == 0


def test_the_bucket_holds_the_picture_and_how_it_came_to_be(caller: Caller) -> None:
    task = caller.wait(caller.order().json()["id"])
    s3, bucket = caller.darkroom.cloud.client("s3"), caller.darkroom.cloud.outputs["ImagesBucket"]
    found = {one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=f"images/{task['id']}/")["Contents"]}
    name = httpx.URL(task["output"]).path.rpartition("/")[2]
    assert found == {f"images/{task['id']}/{name}", f"images/{task['id']}/task.json"}
    record = json.loads(s3.get_object(Bucket=bucket, Key=f"images/{task['id']}/task.json")["Body"].read())
    assert (record["model"], record["images"][0]["sha256"]) == (MODEL, task["images"][0]["sha256"])


def test_a_model_with_several_outputs_gives_a_list_in_order(caller: Caller) -> None:
    reply = caller.order(model="black-forest-labs/flux-schnell", num_outputs=3)
    task = caller.wait(reply.json()["id"])
    assert len(task["output"]) == 3
    assert [image["url"] for image in task["images"]] == task["output"]
    assert all(httpx.get(link).headers["content-type"].startswith("image/") for link in task["output"])


def test_an_end_is_announced_to_the_account_with_or_without_a_webhook(caller: Caller) -> None:
    cloud = caller.darkroom.cloud
    for words, end in (("a", "succeeded"), ("nsfw", "failed")):
        task = caller.wait(caller.order(prompt=f"{words} {CANARY}").json()["id"])
        announced = caller.announced(task["id"])
        assert (announced.source, announced.detail_type) == (f"darkroom.{cloud.stack}", f"Task {end}")
        assert announced.detail["bucket"] == cloud.outputs["ImagesBucket"]
        keys = [image["key"] for image in announced.detail["prediction"]["images"]]
        assert [httpx.URL(image["url"]).path.rpartition("/")[2] for image in task.get("images", [])] == [
            key.rpartition("/")[2] for key in keys
        ]


def test_a_failed_prompt_ends_failed_with_the_gateways_reason_and_a_webhook(caller: Caller, receiver: Receiver) -> None:
    task_id = caller.order(prompt="nsfw", webhook=receiver.url).json()["id"]
    news = caller.news(receiver)
    assert (news["id"], news["status"], news["output"]) == (task_id, "failed", None)
    assert "NSFW content detected" in news["error"]
    assert news["error_code"] == "gateway_failed"


def test_a_canceled_task_is_canceled_at_the_gateway_and_ends_canceled(caller: Caller, receiver: Receiver) -> None:
    # The simulator takes longer for this model than the catalogue says, so that the driver asks before it is done.
    task_id = caller.order(model="black-forest-labs/flux-schnell", webhook=receiver.url).json()["id"]
    asked = caller.client.post(f"/v1/predictions/{task_id}/cancel")
    assert asked.status_code == 200
    assert caller.news(receiver)["status"] == "canceled"
    assert caller.wait(task_id)["status"] == "canceled"
    assert any(request["path"].endswith("/cancel") for request in caller.ledger()["requests"])


def test_a_gateway_that_is_busy_hands_over_to_the_next_at_once(caller: Caller) -> None:
    charged = len(caller.ledger()["charges"])
    caller.fault(match={"host": VECTORNODE, "path": CREATE}, answer={"status": 429})
    reply = caller.order()
    assert [attempt["outcome"] for attempt in reply.json()["attempts"]] == ["refused", "accepted"]
    task = caller.wait(reply.json()["id"])
    assert (task["status"], task["attempts"][1]["route"]) == ("succeeded", f"replicate/replicate/{MODEL}")
    assert len(caller.ledger()["charges"]) - charged == 1


def test_gateways_that_are_all_busy_are_asked_again_until_one_takes_the_task(caller: Caller) -> None:
    charged = len(caller.ledger()["charges"])
    busy = {"status": 429, "headers": {"Retry-After": "1"}}
    caller.fault(match={"method": "POST", "path": "/"}, times=3, answer=busy)
    reply = caller.order(model="black-forest-labs/flux-schnell")
    assert (reply.status_code, reply.json()["status"]) == (201, "starting")
    task = caller.wait(reply.json()["id"])
    assert task["status"] == "succeeded"
    assert [attempt["outcome"] for attempt in task["attempts"]] == ["refused", "refused", "refused", "accepted"]
    assert len(caller.ledger()["charges"]) - charged == 1


@pytest.mark.parametrize(
    ("model", "asked", "route", "pictures"),
    [
        ("google/imagen-4", {"num_images": 2}, "quickrouter/fal/fal-ai/imagen4/preview", 2),
        (WAN, {"image_url": OUTSIDE}, f"vectornode/fal/{WAN}", 1),
        ("google/imagen-4", {"person_generation": "dont_allow"}, "tokaify/gemini/imagen-4.0-generate-001:predict", 1),
        ("google/nano-banana", {"resolution": "1K"}, "google/gemini/gemini-nano-banana-2.1:generateContent", 1),
        ("openai/gpt-image-2", {"num_images": 2}, "vectornode/openai/gpt-image-2", 2),
    ],
)  # fmt: skip
def test_every_dialect_leads_to_pictures(
    caller: Caller, model: str, asked: dict[str, Any], route: str, pictures: int
) -> None:
    charged = len(caller.ledger()["charges"])
    if route.startswith("google/"):
        caller.fault(match={"host": VECTORNODE, "path": "/v1beta/"}, answer={"status": 429})
    reply = caller.order(model=model, **asked)
    assert reply.status_code == 201
    task = caller.wait(reply.json()["id"])
    assert (task["status"], task["error"]) == ("succeeded", None)
    assert (task["attempts"][-1]["route"], len(task["images"])) == (route, pictures)
    links = task["output"] if isinstance(task["output"], list) else [task["output"]]
    assert all(httpx.get(link).headers["content-type"].startswith("image/") for link in links)
    assert len(caller.ledger()["charges"]) - charged == 1


def test_every_documented_image_model_leads_to_pictures(caller: Caller) -> None:
    charged = len(caller.ledger()["charges"])
    accepted = {model: caller.order(model=model, **asked) for model, asked in documented_models.ALL.items()}
    assert {model: reply.status_code for model, reply in accepted.items()} == dict.fromkeys(accepted, 201)
    ended = {model: caller.wait(reply.json()["id"]) for model, reply in accepted.items()}
    assert {model: task["error"] for model, task in ended.items()} == dict.fromkeys(ended, None)
    assert all(image["verified"] for task in ended.values() for image in task["images"])
    assert len(caller.ledger()["charges"]) - charged == len(documented_models.ALL)


def test_four_inline_pictures_of_2k_never_enter_a_state_or_the_table(caller: Caller) -> None:
    reply = caller.order(model="google/imagen-4", num_images=4, resolution="2K", person_generation="allow_adult")
    task = caller.wait(reply.json()["id"])
    assert (task["status"], len(task["output"])) == ("succeeded", 4)
    assert {max(image["width"], image["height"]) for image in task["images"]} == {2048}
    cloud = caller.darkroom.cloud
    key = {"task_id": {"S": task["id"]}}
    item = cloud.client("dynamodb").get_item(TableName=cloud.outputs["TasksTable"], Key=key)["Item"]
    histories = [cloud.history(one.arn) for one in cloud.executions() if one.name.startswith(task["id"])]
    assert len(json.dumps(item)) < 8_000
    assert len(json.dumps(histories, default=str)) < 50_000


def test_a_model_that_is_gone_everywhere_is_told_at_once(caller: Caller) -> None:
    reply = caller.order(model="retired/model")
    assert (reply.status_code, reply.json()["code"]) == (422, "model_unavailable")


def test_a_picture_of_the_inbox_is_lent_to_the_gateway_and_to_nobody_else(caller: Caller) -> None:
    s3, inbox = caller.darkroom.cloud.client("s3"), caller.darkroom.cloud.outputs["InboxBucket"]
    s3.put_object(Bucket=inbox, Key="default/cat.png", Body=b"a cat")
    reference = f"s3://{inbox}/default/cat.png"
    assert lent(caller, KONTEXT, image=reference) == lent(caller, NANO_BANANA, images=[reference]) == b"a cat"


def test_an_uploaded_file_is_lent_to_the_gateway_and_to_nobody_else(caller: Caller) -> None:
    small = caller.client.post("/v1/files", files={"content": ("cat.png", b"a cat", "image/png")}).json()
    large = caller.client.post("/v1/files", json={"name": "dog.png", "content_type": "image/png", "size": 5}).json()
    put = large["upload"]
    httpx.request(put["method"], put["url"], headers=put["headers"], content=b"a dog").raise_for_status()
    for file in (small, large):
        assert caller.client.get(f"/v1/files/{file['id']}").json()["size"] == 5
    assert lent(caller, KONTEXT, image=small["urls"]["get"]) == b"a cat"
    assert lent(caller, NANO_BANANA, images=[large["urls"]["get"]]) == b"a dog"


def lent(caller: Caller, model: str, **asked: Any) -> bytes:
    """What a gateway gets by the link that it is given for the picture in an order; callers never see that link."""
    before = set(caller.ledger()["charges"])
    task = caller.wait(caller.order(model=model, **asked).json()["id"])
    assert (task["status"], task["input"]) == ("succeeded", {"prompt": f"a {CANARY}", **asked})
    (job,) = set(caller.ledger()["charges"]) - before
    truth = httpx.get(f"{caller.darkroom.simulator_url}/_simulator/jobs/{job}").json()
    (link,) = re.findall(r'"(http[^"]+X-Amz-Signature[^"]+)"', json.dumps(truth["inputs"]))
    assert httpx.get(link.partition("?")[0]).status_code == 403
    return httpx.get(link).content


def test_a_reply_that_was_lost_after_the_charge_is_never_posted_again(caller: Caller) -> None:
    charged = len(caller.ledger()["charges"])
    caller.fault(match={"method": "POST", "path": CREATE}, before=False, close=True)
    task = caller.wait(caller.order().json()["id"])
    assert (task["status"], task["error_code"], task["may_be_billed"]) == ("failed", "submission_unknown", True)
    assert [attempt["outcome"] for attempt in task["attempts"]] == ["unknown"]
    assert len(caller.ledger()["charges"]) - charged == 1


def test_what_the_gateway_rejects_is_told_at_once(caller: Caller) -> None:
    reply = caller.order(model="black-forest-labs/flux-schnell", output_quality=900)
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
    assert "output_quality" in reply.json()["detail"]


def test_a_picture_that_is_not_there_yet_is_fetched_again(caller: Caller) -> None:
    page = {"status": 200, "body": "<html>One moment, please</html>"}
    caller.fault(match={"method": "GET", "path": "/xezq/"}, answer=page)
    caller.fault(match={"method": "GET", "path": "/xezq/"}, answer={"status": 404})
    task = caller.wait(caller.order().json()["id"])
    assert (task["status"], task["images"][0]["verified"]) == ("succeeded", True)


def test_a_receiver_that_fails_at_first_is_told_again_with_the_same_body(caller: Caller) -> None:
    with Receiver(answers=(500, 302)) as receiver:
        caller.order(webhook=receiver.url)
        first, second = receiver.next(), receiver.next()
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    Webhook(caller.darkroom.webhook_secret).verify(second.body, second.headers)


def test_a_webhook_is_sent_again_by_hand_and_verified_with_the_secret_that_the_api_tells(caller: Caller) -> None:
    with Receiver(answers=(410,)) as receiver:
        task_id = caller.order(webhook=receiver.url).json()["id"]
        first = receiver.next()
        assert caller.deliveries(task_id, "given_up")["attempts"][0]["status"] == 410
        begun = caller.client.post(f"/v1/predictions/{task_id}/redeliver")
        assert (begun.status_code, begun.json()["status"]) == (202, "pending")
        second = receiver.next()
        shown = caller.deliveries(task_id, "delivered")
    assert [attempt["status"] for attempt in shown["attempts"]] == [410, 200]
    assert second.body == first.body
    assert second.headers["webhook-id"] == first.headers["webhook-id"] == shown["webhook_id"]
    secret = caller.client.get("/v1/webhooks/default/secret").json()["key"]
    assert Webhook(secret).verify(second.body, second.headers)["id"] == task_id
    assert caller.client.get("/v1/account").json()["username"] == "default"


def test_the_same_key_gives_the_same_task_and_one_charge(caller: Caller) -> None:
    charged = len(caller.ledger()["charges"])
    path, body = f"/v1/models/{MODEL}/predictions", {"input": {"prompt": "twice"}}
    key = {"idempotency-key": "twice"}
    first, second = (caller.client.post(path, json=body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    ended = caller.wait(first.json()["id"])
    assert caller.client.post(path, json=body, headers=key).json() == ended
    assert len(caller.ledger()["charges"]) - charged == 1


def test_without_a_key_it_is_401_and_with_a_wrong_one_403(caller: Caller) -> None:
    url = f"{caller.darkroom.api_url}/v1/predictions/any"
    without, wrong = httpx.get(url), httpx.get(url, headers={"authorization": "Bearer darkroom_wrong"})
    assert (without.status_code, without.json()) == (401, {"message": "Unauthorized"})
    assert (wrong.status_code, wrong.json()) == (403, {"message": "Forbidden"})


def test_a_tenant_sees_nothing_of_another(caller: Caller) -> None:
    task_id = caller.order().json()["id"]
    key = caller.darkroom.operate("tenant", "other").split()[-1]
    url, other = f"{caller.darkroom.api_url}/v1/predictions", {"authorization": f"Bearer {key}"}
    assert httpx.get(f"{url}/{task_id}", headers=other).status_code == 404
    assert httpx.get(url, headers=other).json()["results"] == []
    assert task_id in [each["id"] for each in caller.client.get("/v1/predictions").json()["results"]]


def test_a_key_is_made_listed_and_revoked_by_the_operators_command(caller: Caller) -> None:
    operate, url = caller.darkroom.operate, f"{caller.darkroom.api_url}/v1/account"
    first, second = (operate("api-key", "default", "--note", note).split()[-1] for note in ("night", "day"))
    assert httpx.get(url, headers={"authorization": f"Bearer {first}"}).status_code == 200
    operate("revoke-key", second)  # nobody has asked with it yet, so no answer is kept
    assert httpx.get(url, headers={"authorization": f"Bearer {second}"}).status_code == 403
    listed = {line.split()[0]: line for line in operate("api-keys", "default").splitlines()}
    assert listed[first.split("_")[1]].endswith("night")
    assert "day" in listed[second.split("_")[1]]


def test_no_prompt_key_or_signed_link_is_in_any_log_line_or_execution(caller: Caller) -> None:
    # Gateways quote what they were sent.
    quoting = {"error": {"message": f"I do not like {CANARY}, see https://replicate.delivery/xezq/signed"}}
    for match in ({"method": "POST", "path": CREATE}, {"method": "GET", "path": "/replicate/v1/predictions/"}):
        caller.fault(match=match, answer={"status": 500, "body": quoting})
        caller.order()
    task = caller.wait(caller.order().json()["id"])
    histories = [caller.darkroom.cloud.history(one.arn) for one in caller.darkroom.cloud.executions()]
    told = "\n".join(caller.darkroom.cloud.log_lines()) + json.dumps(histories, default=str)
    signature = task["output"].partition("signature=")[2]
    for secret in (CANARY, GATEWAY_KEY, caller.darkroom.api_key, caller.darkroom.webhook_secret, signature, "xezq"):
        assert secret not in told
    assert task["id"] in told


def lose_the_driver(caller: Caller, task_id: str, machine: str = "Generation") -> None:
    """
    Stop a task's driver, and let so much time pass that the sweeper starts another: again and again, since a function
    that the driver has called may be at it still, and puts that off.
    """
    cloud = caller.darkroom.cloud
    for driver in cloud.executions(machine):
        if driver.name.startswith(task_id):
            cloud.client("stepfunctions").stop_execution(executionArn=driver.arn)
    while f"{task_id}-2" not in {driver.name for driver in cloud.executions(machine)}:
        cloud.client("dynamodb").update_item(
            TableName=cloud.outputs["TasksTable"],
            Key={"task_id": {"S": task_id}},
            UpdateExpression="SET due = :past",
            ExpressionAttributeValues={":past": {"N": "1"}},
        )
        time.sleep(0.5)


def test_a_task_that_has_lost_its_driver_gets_another_and_is_not_paid_again(caller: Caller) -> None:
    charged = len(caller.ledger()["charges"])
    task_id = caller.order(model="google/imagen-4-ultra").json()["id"]
    lose_the_driver(caller, task_id)
    assert caller.wait(task_id)["status"] == "succeeded"
    assert len(caller.ledger()["charges"]) - charged == 1


def test_a_webhook_that_has_lost_its_delivery_is_delivered_by_another(caller: Caller) -> None:
    # The third attempt would be five minutes after the second: time enough to lose the delivery before it.
    with Receiver(answers=(500, 500)) as receiver:
        task_id = caller.order(webhook=receiver.url).json()["id"]
        first, second = receiver.next(), receiver.next()
        lose_the_driver(caller, task_id, "Delivery")
        assert receiver.next().body == second.body == first.body


@pytest.mark.parametrize(("method", "path"), [("GET", "/replicate/v1/predictions/"), ("POST", "/replicate/v1/")])
def test_an_output_that_comes_inline_is_a_picture_like_any_other(caller: Caller, method: str, path: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "navy").save(file, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    body = {"id": "inline", "status": "succeeded", "output": uri}
    caller.fault(match={"method": method, "path": path}, answer={"status": 200, "body": body})
    task = caller.wait(caller.order().json()["id"])
    assert httpx.get(task["output"]).content == file.getvalue()


def test_a_dropped_file_is_tasks_like_any_other(caller: Caller, receiver: Receiver) -> None:
    dropper = Dropper(caller.darkroom)
    defaults = {"webhook": receiver.url, "input": {"image": f"s3://{dropper.inbox}/default/owl.png"}}
    dropper.drop("default/owls/_defaults.json", json.dumps({"model": KONTEXT, **defaults}))
    dropper.drop("default/owls/owls.txt", "the owl wears a hat\n")
    dropper.drop("default/owl.png", conftest.picture())
    assert dropper.ended("results/default/owls/owls/")["successRecordCount"] == 1
    assert caller.news(receiver)["data"]["successRecordCount"] == 1
    (line,) = dropper.lines("results/default/owls/owls/output.jsonl")
    task = caller.task(line["task_id"])
    assert task["row"]["custom_id"] == "1"
    assert httpx.get(task["output"]).content == dropper.read(line["images"][0]["key"])
    # What nobody can read is put off, and comes again.
    queue = caller.darkroom.cloud.resources["IntakeQueue"]
    caller.darkroom.cloud.client("sqs").send_message(QueueUrl=queue, MessageBody="no event")


#: What is granted, was not seen in use in the stories above, and is granted all the same.
RARELY = {
    **dict.fromkeys(
        [
            ("Poll", "s3:ListBucket", "ImagesBucket", ""),
            ("Intake", "s3:ListBucket", "ImagesBucket", ""),
            ("Intake", "s3:ListBucket", "InboxBucket", ""),
            ("Accept", "s3:ListBucket", "ImagesBucket", ""),
            ("Collate", "s3:ListBucket", "ImagesBucket", ""),
        ],
        "so that S3 tells what is not there from what is forbidden",
    ),
    **dict.fromkeys(
        [
            ("Intake", "s3:AbortMultipartUpload", "ImagesBucket", "/batches/*"),
            ("Collate", "s3:AbortMultipartUpload", "ImagesBucket", "/results/*/output.jsonl"),
            ("Collate", "s3:AbortMultipartUpload", "ImagesBucket", "/results/*/errors.jsonl"),
        ],
        "when a large file could not be written to its end",
    ),
    ("Accept", "s3:GetObject", "ImagesBucket", "/uploads/*"): "when a row refers to an uploaded file",
    ("Finalize", "s3:GetObject", "ImagesBucket", "/results/*/images/*"): "when a row's picture is there already",
}


def test_whatever_is_granted_has_been_seen_in_use(caller: Caller) -> None:
    permissions, tables = caller.darkroom.cloud.permissions, caller.darkroom.cloud.resources
    unused = {allowed for allowed in permissions.granted() if not any(covers(allowed, act) for act in permissions.used)}
    assert unused == {Act(who, action, f"s3:{tables[bucket]}{keys}") for who, action, bucket, keys in RARELY}
