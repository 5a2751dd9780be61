"""The API of Amazon ECR as moto has it, behind a look at who asks.

moto answers whatever a request is signed with. AWS does not: here every signature is computed anew by botocore, which is what AWS's own
clients sign with, from the request as it came over the wire, and what is signed by another key or in another way is refused in AWS's
words.

    ecr_server.py serve PORT REGION KEY...      KEY is `KEY_ID:SECRET`, or `KEY_ID:SECRET:SESSION_TOKEN`
    ecr_server.py ask ENDPOINT REGION KEY OPERATION PARAMETERS

The first listens at 127.0.0.1; what is below `/moto-api` is asked without a signature. The second asks an operation with botocore's own
client, with parameters in JSON, and its answer is the output. State is kept in memory.
"""

import datetime
import hashlib
import hmac
import io
import json
import sys

from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.session import Session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.wrappers import Request, Response

SERVICE = "ecr"
ALGORITHM = "AWS4-HMAC-SHA256"
TIME = "%Y%m%dT%H%M%SZ"
# So far may the clock of whoever signs be off.
SKEW = datetime.timedelta(minutes=5)


class Refused(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind, self.message = kind, message


def invalid(message):
    return Refused("InvalidSignatureException", message)


def incomplete(message):
    return Refused("IncompleteSignatureException", message)


def unknown_key():
    return Refused("UnrecognizedClientException", "The security token included in the request is invalid.")


def credentials(text):
    return Credentials(*text.split(":", 2))


def parts(authorization):
    """`Credential`, `SignedHeaders` and `Signature` of the header."""
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    found = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    for name in ("Credential", "Signature", "SignedHeaders"):
        if not found.get(name):
            raise incomplete(f"Authorization header requires '{name}' parameter. Authorization={authorization}")
    return found


def check_time(signed_at):
    try:
        then = datetime.datetime.strptime(signed_at, TIME).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise incomplete(f"Date must be in ISO-8601 'basic format'. Got '{signed_at}'.") from None
    now = datetime.datetime.now(datetime.timezone.utc)
    if then < now - SKEW:
        limit = f"{now - SKEW:{TIME}} ({now:{TIME}} - 5 min.)"
        raise invalid(f"Signature expired: {signed_at} is now earlier than {limit}")
    if then > now + SKEW:
        limit = f"{now + SKEW:{TIME}} ({now:{TIME}} + 5 min.)"
        raise invalid(f"Signature not yet current: {signed_at} is still later than {limit}")


class Signed:
    """An application that only signed requests reach."""

    def __init__(self, application, region, keys):
        self.application, self.region = application, region
        self.keys = {key.access_key: key for key in keys}

    def __call__(self, environ, start_response):
        request = Request(environ)
        if not request.path.startswith("/moto-api/"):
            body = request.get_data()
            try:
                self.check(request, body)
            except Refused as refused:
                told = json.dumps({"__type": refused.kind, "message": refused.message})
                return Response(told, 403, content_type="application/x-amz-json-1.1")(environ, start_response)
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
        return self.application(environ, start_response)

    def check(self, request, body):
        authorization = request.headers.get("authorization")
        if not authorization:
            raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
        found = parts(authorization)
        try:
            key_id, day, region, service, end = found["Credential"].split("/")
        except ValueError:
            raise incomplete(f"Credential must have exactly 5 slash-delimited elements. Got '{found['Credential']}'.") from None
        key = self.keys.get(key_id)
        # The token of a session belongs to its key, and others have none.
        if key is None or key.token != request.headers.get("x-amz-security-token"):
            raise unknown_key()
        scope = (("region", region, self.region), ("service", service, SERVICE), ("terminator", end, "aws4_request"))
        for what, given, expected in scope:
            if given != expected:
                raise invalid(f"Credential should be scoped to correct {what}: '{expected}'. ")
        signed_at = request.headers.get("x-amz-date", "")
        check_time(signed_at)
        if day != signed_at[:8]:
            raise invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                f"'{day}' != '{signed_at[:8]}', from '{signed_at}'."
            )

        names = found["SignedHeaders"].split(";")
        for name in ("host", *(name.lower() for name, _ in request.headers if name.lower().startswith("x-amz-"))):
            if name not in names:
                raise invalid(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
        # botocore takes this header's word for what the body is.
        digest = hashlib.sha256(body).hexdigest()
        whole = request.headers.get("x-amz-content-sha256", digest) == digest
        headers = {name: request.headers.get(name, "") for name in names}
        # As it came: decoded and encoded again it may be another one.
        url = f"http://{request.host}{request.environ['REQUEST_URI']}"
        again = AWSRequest(method=request.method, url=url, headers=headers, data=body)
        again.context["timestamp"] = signed_at
        signer = SigV4Auth(key, SERVICE, self.region)
        signature = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
        same = hmac.compare_digest(signature.encode(), found["Signature"].encode())
        if not (same and whole):
            raise invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
                "signing method. Consult the service documentation for details."
            )


def serve(port, region, *keys):
    application = Signed(DomainDispatcherApplication(create_backend_app), region, map(credentials, keys))
    # As moto starts its own.
    run_simple("127.0.0.1", int(port), application, threaded=True, request_handler=MotoRequestHandler)


def ask(endpoint, region, key, operation, parameters):
    key = credentials(key)
    session = Session()
    session.set_credentials(key.access_key, key.secret_key, key.token)
    # A server on this machine is no matter of a proxy, and a refusal is final.
    config = Config(proxies={}, retries={"total_max_attempts": 1})
    client = session.create_client(SERVICE, region, endpoint_url=endpoint, config=config)
    try:
        answer = getattr(client, xform_name(operation))(**json.loads(parameters))
    except ClientError as error:
        sys.exit(str(error))
    del answer["ResponseMetadata"]
    # Times are for people.
    print(json.dumps(answer, default=str))


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
