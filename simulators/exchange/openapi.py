"""The OpenAPI description of the exchange, made from the same routes and models that serve it."""

from __future__ import annotations

from functools import cache
from typing import Any

from simulators.exchange.routes import ROUTES, Route

_PROBLEM = "application/problem+json"
_REF = "#/components/schemas/{model}"
_QUERY = {
    "tenderId": {"type": "string", "maxLength": 128},
    "after": {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999},
    "start": {"type": "string", "format": "date-time"},
    "end": {"type": "string", "format": "date-time"},
    "run": {"type": "string", "enum": ["PRELIM", "FINAL", "TRUEUP"]},
    "lastSeq": {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999},
    "subscriptionId": {"type": "string"},
}
_REQUIRED = ("start", "end")


@cache
def describe() -> dict[str, Any]:
    """The whole document; JSON-serialisable, do not change it."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": _problem_schema()}
    for route in ROUTES:
        method = "post" if route.model is not None else "get"
        paths[f"/cts/{route.name}"] = {method: _operation(route)}
        if route.model is not None:
            schema = route.model.model_json_schema(by_alias=True, ref_template=_REF)
            schemas |= schema.pop("$defs", {})
            schemas[route.model.__name__] = schema
    paths["/cts/ticker"] = {"get": _ticker()}
    paths["/oauth2/token"] = {"post": _token()}
    paths["/openapi.json"] = {"get": _own()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Energy exchange, binding CTS-JSON/1",
            "version": "1",
            "description": "Signed documents are sent as application/jose: a compact JWS"
            " (alg Ed25519, typ cts+jose, iat) whose payload is the JSON shown here.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "client": {"type": "http", "scheme": "basic"},
            },
        },
        "security": [{"bearer": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    writes = route.write is not None
    good = "201" if writes and route.name != "cancelTender" else "200"
    refusals = ["400", "401", "429"]
    if route.model is not None:
        refusals += ["403", "404", "413"]
    if writes:
        refusals += ["409", "422", "503"]
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.about,
        "parameters": [
            {
                "name": n,
                "in": "query",
                "required": n in _REQUIRED and n not in route.optional,
                "schema": _QUERY[n],
            }
            for n in route.query
        ],
        "responses": {good: _json(f"the answer of {route.name}"), **_refusals(refusals)},
    }
    if writes:
        operation["parameters"].append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )
    if route.model is not None:
        reference = {"$ref": _REF.format(model=route.model.__name__)}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": reference}},
        }
    return operation


def _ticker() -> dict[str, Any]:
    return {
        "operationId": "ticker",
        "summary": "WebSocket: frames {seq, type, payload} after lastSeq",
        "parameters": [
            {"name": n, "in": "query", "required": False, "schema": _QUERY[n]}
            for n in ("subscriptionId", "lastSeq")
        ],
        "responses": {
            "101": {"description": "switching to WebSocket"},
            **_refusals(["400", "401", "426", "429"]),
        },
    }


def _token() -> dict[str, Any]:
    form = {
        "type": "object",
        "required": ["grant_type"],
        "properties": {"grant_type": {"const": "client_credentials"}},
    }
    return {
        "operationId": "token",
        "summary": "OAuth2 client credentials by HTTP Basic",
        "security": [{"client": []}],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form}},
        },
        "responses": {"200": _json("the bearer token"), **_refusals(["400", "401", "413", "429"])},
    }


def _own() -> dict[str, Any]:
    return {
        "operationId": "openapi",
        "summary": "this description",
        "security": [],
        "responses": {"200": _json("OpenAPI 3.1")},
    }


def _json(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": {"type": "object"}}}}


def _refusals(codes: list[str]) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="Problem")}
    content = {_PROBLEM: {"schema": schema}}
    found: dict[str, Any] = {}
    for code in codes:
        found[code] = {"description": "refused", "content": content}
        if code in ("429", "503"):
            retry = {"schema": {"type": "integer", "minimum": 1}}
            found[code]["headers"] = {"Retry-After": retry | {"description": "seconds"}}
    return found


def _problem_schema() -> dict[str, Any]:
    text_or_null = {"type": ["string", "null"]}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "serverTime"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "ordRejReason": {"type": ["integer", "null"]},
            "inResponseTo": text_or_null,
            "serverTime": {"type": "string", "format": "date-time"},
        },
    }
