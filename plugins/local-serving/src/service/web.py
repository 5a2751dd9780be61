"""The HTTP side: /health, /predict and /docs."""

import html
import json
import math
import os
from string import Template

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from batches import Batches
from columns import Unacceptable, rows_of

# A hundred thousand rows of dozens of numbers fit.
MAX_BODY = 32 << 20

# More rows go to a thread of their own, so that small requests are answered meanwhile.
BATCH_ROWS = 256


def application(model):
    """The routes over one model."""
    health = encode({"status": "healthy", "model": model.name, "version": model.version})
    page = docs(model)
    classes = model.classes()
    batches = Batches(model.predict, BATCH_ROWS if model.by_row else 0)

    async def get_health(_request):
        return Response(health, media_type="application/json")

    async def get_docs(_request):
        return HTMLResponse(page)

    async def get_root(_request):
        return RedirectResponse("docs")

    async def predicted(rows):
        if len(rows) > BATCH_ROWS:
            return await run_in_threadpool(model.predict, rows)
        return await batches.ask(rows)

    async def post_predict(request):
        try:
            rows = rows_of(await json_body(request), model.columns)
        except Unacceptable as error:
            return problem(422, "Unprocessable Content", str(error), error.field)
        except Refused as error:
            return problem(error.status, error.title, error.detail)
        try:
            predictions, probabilities = await predicted(rows)
        except (ValueError, TypeError) as error:
            # scikit-learn's way to say that the values do not fit: an unknown category, NaN where none may be.
            return problem(422, "Unprocessable Content", f"the model does not take these values: {error}")
        answer = {"predictions": predictions, "probabilities": probabilities}
        if classes is not None:
            answer["classes"] = classes
        return Response(encode({**answer, "model": model.name, "version": model.version}), media_type="application/json")

    return Starlette(
        routes=[
            Route("/health", get_health, methods=["GET"]),
            Route("/predict", post_predict, methods=["POST"]),
            Route("/docs", get_docs, methods=["GET"]),
            Route("/", get_root, methods=["GET"]),
        ],
        exception_handlers={404: not_found, 405: wrong_method, 500: defect},
    )


class Refused(Exception):
    """A body that is not even looked at."""

    def __init__(self, status, title, detail):
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


async def json_body(request):
    """The body, parsed, up to its limit."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise Refused(413, "Content Too Large", f"the body may have {MAX_BODY >> 20} MiB: send fewer rows at once")
        parts.append(part)
    try:
        return json.loads(b"".join(parts))
    except (ValueError, RecursionError) as error:
        raise Refused(400, "Bad Request", f"the body is no JSON: {error}") from None


def encode(value):
    """JSON that every reader takes: numbers that are none become null."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str).encode()
    except ValueError:
        return encode(finite(value))


def finite(value):
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [finite(each) for each in value]
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    return value


def problem(status, title, detail, field=None):
    """RFC 9457."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if field:
        body["field"] = field
    return Response(encode(body), status_code=status, media_type="application/problem+json")


async def not_found(request, _error):
    return problem(404, "Not Found", f"there is no {request.url.path}: expected /health, /predict or /docs")


async def wrong_method(request, _error):
    return problem(405, "Method Not Allowed", f"{request.url.path} does not take {request.method}")


async def defect(_request, error):
    return problem(500, "Internal Server Error", f"the model failed: {type(error).__name__}: {error}")


def docs(model):
    """A page that shows the model's columns and tries a prediction, without anything from elsewhere."""
    with open(os.path.join(os.path.dirname(__file__), "docs.html"), encoding="utf-8") as file:
        template = Template(file.read())
    rows = "".join(
        f"<tr><td>{html.escape(column.name)}</td><td>{html.escape(column.words())}</td></tr>" for column in model.columns
    )
    example = {"features": [[column.example() for column in model.columns]]}
    return template.substitute(
        name=html.escape(model.name), version=html.escape(model.version), columns=rows,
        example=html.escape(json.dumps(example)),
    )
