"""A stand-in for an Airbyte server, made from Airbyte's published API description.

No Airbyte server can be had from a package registry. The models of its API description can, in `airbyte-api` (MIT): every request is
read by the model of its operation, a source's and a destination's configuration by the model of its connector, and every answer is
written by the model of the answer, so what does not fit the description is refused here with 422 and the reason. Fields that no
model has are refused too. The server's own API (`/api/v1`) is not in the package; the few operations of it that are answered here
have the form that Airbyte's documentation shows.

    airbyte_server.py CLIENT_ID CLIENT_SECRET

It listens on a free port, which is the first line of its output. State is kept in memory. A job takes as many looks as it has steps.
A connection whose name has `fail` in it fails. Each third request for a job is answered with 429 and `Retry-After` first.
"""

import json
import sys
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import parse_qs, urlparse

import pydantic
from airbyte_api import models

WORKSPACE = "0f1e2d3c-0000-4000-8000-000000000001"
SOURCES = {"postgres": models.SourcePostgres, "mysql": models.SourceMysql, "mongodb-v2": models.SourceMongodbV2}
DESTINATIONS = {"s3-data-lake": models.DestinationS3DataLake, "s3": models.DestinationS3}
STEPS = ["pending", "running", "running"]
RECORDS = 1234


class Refused(Exception):
    def __init__(self, status, detail):
        super().__init__(detail)
        self.status, self.detail = status, detail


def fits(model, value, what):
    """The value by a model of the description; fields that the model does not have are refused."""
    known = {field.alias or name for name, field in model.model_fields.items()}
    unknown = set(value) - known
    if unknown and model.model_config.get("extra") != "allow":
        raise Refused(422, f"{what}: {model.__name__} has no {sorted(unknown)}")
    try:
        return model.model_validate(value)
    except pydantic.ValidationError as error:
        raise Refused(422, f"{what}: {error}") from error


def told(model, value):
    """An answer, which has to fit too."""
    fits(model, value, "answer")
    return value


class Airbyte:
    def __init__(self, client_id, client_secret):
        self.client_id, self.client_secret = client_id, client_secret
        self.token = uuid.uuid4().hex
        self.things = {"sources": {}, "destinations": {}, "connections": {}}
        self.jobs, self.seen, self.asked = {}, {}, 0
        self.counts = {}

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def configuration(self, given, kind, key):
        """Checked by the connector's own model."""
        of = SOURCES if kind == "sources" else DESTINATIONS
        connector = given.get(key)
        if connector not in of:
            raise Refused(422, f"{key}: `{connector}` is none of {sorted(of)}")
        fits(of[connector], given, "configuration")
        text = json.dumps(given)
        if "secret://" in text:
            raise Refused(422, "configuration: a reference came in the place of a secret")
        return connector

    def actor(self, kind, thing):
        key = "sourceType" if kind == "sources" else "destinationType"
        shown = dict(thing)
        shown[key] = thing["configuration"][key]
        model = models.SourceResponse if kind == "sources" else models.DestinationResponse
        return told(model, shown)

    def make(self, kind, body):
        if kind == "connections":
            fits(models.ConnectionCreateRequest, body, "body")
            for end in ("source", "destination"):
                if body[f"{end}Id"] not in self.things[f"{end}s"]:
                    raise Refused(404, f"there is no {end} {body[f'{end}Id']}")
            thing = {"configurations": {}, **body, "createdAt": int(time.time()), "tags": [], "workspaceId": WORKSPACE}
        else:
            create = models.SourceCreateRequest if kind == "sources" else models.DestinationCreateRequest
            fits(create, body, "body")
            key = "sourceType" if kind == "sources" else "destinationType"
            connector = self.configuration(body["configuration"], kind, key)
            thing = {"definitionId": f"definition-{connector}", **body, "createdAt": int(time.time())}
        identity = str(uuid.uuid4())
        thing[f"{kind[:-1]}Id"] = identity
        self.things[kind][identity] = thing
        self.count(f"made {kind}")
        return self.show(kind, thing)

    def change(self, kind, identity, body):
        thing = self.one(kind, identity)
        if kind == "connections":
            fits(models.ConnectionPatchRequest, body, "body")
        else:
            fits(models.SourcePatchRequest if kind == "sources" else models.DestinationPatchRequest, body, "body")
            key = "sourceType" if kind == "sources" else "destinationType"
            self.configuration(body["configuration"], kind, key)
        thing.update(body)
        return self.show(kind, thing)

    def show(self, kind, thing):
        if kind == "connections":
            return told(models.ConnectionResponse, thing)
        return self.actor(kind, thing)

    def one(self, kind, identity):
        if identity not in self.things[kind]:
            raise Refused(404, f"there is no {kind[:-1]} {identity}")
        return self.things[kind][identity]

    def start(self, body):
        fits(models.JobCreateRequest, body, "body")
        connection = self.one("connections", body["connectionId"])
        if any(job["connectionId"] == body["connectionId"] and job["status"] in STEPS for job in self.jobs.values()):
            raise Refused(409, "a sync is already running for this connection")
        number = len(self.jobs) + 1
        self.jobs[number] = {
            "jobId": number, "status": STEPS[0], "jobType": body["jobType"], "connectionId": connection["connectionId"],
            "startTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        self.seen[number] = 0
        self.count(f"made {body['jobType']} jobs")
        return told(models.JobResponse, self.jobs[number])

    def look(self, number):
        if number not in self.jobs:
            raise Refused(404, f"there is no job {number}")
        job = self.jobs[number]
        if job["status"] in STEPS:
            self.seen[number] += 1
            step = self.seen[number]
            if step < len(STEPS):
                job["status"] = STEPS[step]
            else:
                fails = "fail" in self.things["connections"][job["connectionId"]]["name"]
                job["status"] = "failed" if fails else "succeeded"
                job["duration"] = "PT3S"
            job["rowsSynced"] = 0 if job["status"] == "failed" else RECORDS * min(step, len(STEPS)) // len(STEPS)
            job["bytesSynced"] = job["rowsSynced"] * 100
        return told(models.JobResponse, job)

    def cancel(self, number):
        job = self.jobs[number]
        if job["status"] in STEPS:
            job["status"] = "cancelled"
        return told(models.JobResponse, job)

    # The server's own API.

    def attempts(self, number):
        job = self.jobs[number]
        streams = self.things["connections"][job["connectionId"]]["configurations"].get("streams", [])
        share = job.get("rowsSynced", 0) // max(len(streams), 1)
        attempt = {"id": 0, "status": job["status"], "createdAt": 1, "updatedAt": 2, "streamStats": [
            {"streamName": each["name"], "streamNamespace": each.get("namespace"),
             "stats": {"recordsEmitted": share, "bytesEmitted": share * 100, "recordsCommitted": share}} for each in streams]}
        if job["status"] == "failed":
            attempt["failureSummary"] = {"partialSuccess": False, "failures": [
                {"failureOrigin": "destination", "failureType": "config_error", "timestamp": 1,
                 "externalMessage": "The bucket does not exist", "internalMessage": "NoSuchBucket"}]}
        return {"job": {"id": number}, "attempts": [{"attempt": attempt}]}

    def check(self, body):
        connector = body["sourceDefinitionId"].removeprefix("definition-")
        given = {**body["connectionConfiguration"], "sourceType": connector}
        self.configuration(given, "sources", "sourceType")
        if given.get("password") == "wrong":
            return {"status": "failed", "message": "State code: 28P01; Message: password authentication failed", "jobInfo": {}}
        return {"status": "succeeded", "jobInfo": {}}

    def discover(self, body):
        self.check(body)
        stream = {"name": "work_orders", "namespace": "production", "supportedSyncModes": ["full_refresh", "incremental"],
                  "defaultCursorField": [], "sourceDefinedPrimaryKey": [["id"]],
                  "jsonSchema": {"type": "object", "properties": {
                      "id": {"type": "number", "airbyte_type": "integer"}, "note": {"type": "string"}}}}
        return {"catalog": {"streams": [{"stream": stream, "config": {}}]}, "jobInfo": {"succeeded": True}}

    def answer(self, method, path, query, body):
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "v1"]:
            own = {"scheduler/sources/check_connection": self.check, "scheduler/sources/discover_schema": self.discover}
            if parts[2:] == ["jobs", "get"]:
                return self.attempts(body["id"])
            return own["/".join(parts[2:])](body)
        match method, parts[3:]:
            case "GET", ["workspaces", workspace, "definitions", "sources"]:
                if workspace != WORKSPACE:
                    raise Refused(404, f"there is no workspace {workspace}")
                data = [{"id": f"definition-{name}", "name": name, "dockerRepository": f"airbyte/source-{name}",
                         "dockerImageTag": "3.7.0"} for name in SOURCES]
                return told(models.DefinitionsResponse, {"data": data})
            case "POST", ["jobs"]:
                return self.start(body)
            case "GET", ["jobs"]:
                wanted = (query["connectionId"][0], models.JobTypeEnum(query["jobType"][0]).value)
                of = [job for job in self.jobs.values() if (job["connectionId"], job["jobType"]) == wanted]
                of.sort(key=lambda job: -job["jobId"])
                return told(models.JobsResponse, {"data": of[: int(query["limit"][0])]})
            case "GET", ["jobs", number]:
                self.asked += 1
                if self.asked % 3 == 0:
                    raise Refused(429, "too many requests")
                return self.look(int(number))
            case "DELETE", ["jobs", number]:
                return self.cancel(int(number))
            case "GET", [kind]:
                offset, limit = int(query["offset"][0]), int(query["limit"][0])
                page = [self.show(kind, thing) for thing in self.things[kind].values()][offset : offset + limit]
                return {"data": page, "previous": "", "next": ""}
            case "POST", [kind]:
                return self.make(kind, body)
            case "GET", [kind, identity]:
                return self.show(kind, self.one(kind, identity))
            case "PATCH", [kind, identity]:
                return self.change(kind, identity, body)
            case "DELETE", [kind, identity]:
                self.one(kind, identity)
                del self.things[kind][identity]
                return None
        raise Refused(404, f"nobody answers {method} {path}")


class Handler(BaseHTTPRequestHandler):
    airbyte: Airbyte
    lock = Lock()

    def serve(self):
        url = urlparse(self.path)
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {}
        try:
            with self.lock:
                if url.path == "/counts":
                    answer = self.airbyte.counts | {kind: len(things) for kind, things in self.airbyte.things.items()}
                elif url.path.endswith("/applications/token"):
                    answer = self.token(text)
                else:
                    if self.headers.get("Authorization") != f"Bearer {self.airbyte.token}":
                        raise Refused(401, "no token, or one that is over")
                    body = json.loads(text) if text else {}
                    answer = self.airbyte.answer(self.command, url.path, parse_qs(url.query), body)
            status = 204 if answer is None else 200
        except Refused as refused:
            status, answer = refused.status, {"title": "refused", "detail": refused.detail, "status": refused.status}
            if status == 429:
                headers["Retry-After"] = "1"
        out = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(out)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(out)

    def token(self, text):
        form = {key: values[0] for key, values in parse_qs(text).items()}
        wanted = {"client_id": self.airbyte.client_id, "client_secret": self.airbyte.client_secret}
        if form.get("grant_type") != "client_credentials" or any(form.get(key) != value for key, value in wanted.items()):
            raise Refused(401, "these are no credentials of an application")
        return {"access_token": self.airbyte.token, "token_type": "Bearer", "expires_in": 900}

    do_GET = do_POST = do_PATCH = do_DELETE = serve

    def log_message(self, *arguments):
        sys.stderr.write(f"{arguments[1]} {arguments[2]}\n")


def main():
    _, client_id, client_secret = sys.argv
    Handler.airbyte = Airbyte(client_id, client_secret)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


main()
