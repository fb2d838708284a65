"""What OpenAPI says of the API: made from the table and from the structs themselves."""

from typing import Any, Final, get_args, get_origin

import msgspec
from msgspec import Struct

from control.api.table import CALLS, Call
from control.launch_requests import LaunchedClient, RedeemLaunchLink

Json = dict[str, Any]

IN_QUERY: Final = frozenset({"GET", "DELETE"})
"""Methods whose fields come from the query; those of the others come from a JSON object."""
_OF_STRANGERS: Final = (RedeemLaunchLink, LaunchedClient)
_REF: Final = "#/components/schemas/{name}"
_TAG: Final = "ask"
_REFUSALS: Final = {
    "400": "Makes no sense, or a field is not what it must be",
    "401": "Nobody is logged in",
    "403": "The role may not, or a step is needed first",
    "404": "There is nothing of this name",
    "409": "Does not go with what is there",
    "413": "The request is too large",
    "422": "What is stored was altered",
    "424": "An engine, a broker or a target does not answer",
    "503": "The node cannot use its database",
}
_PROBLEM: Final = {
    "type": "object",
    "required": ["error", "kind"],
    "properties": {
        "error": {"type": "string", "description": "What happened, and what to do next."},
        "kind": {"type": "string"},
    },
}


def fields_in_path(call: Call) -> list[str]:
    """Return the names in `{}` of a path."""
    return [part[1:-1] for part in call.path.split("/") if part.startswith("{")]


def open_fields(call: Call) -> list[str]:
    """Return the fields that may be sent in the query or in the body."""
    fixed = {*fields_in_path(call), call.own, call.login}
    return [name for name in call.request.__struct_fields__ if name not in fixed]


def operation(call: Call) -> Json:
    """Return what OpenAPI says of one call."""
    described: Json = {
        "security": [{"bearer": []}, {"cookie": []}],
        "x-right": str(call.right),
        "parameters": [_parameter(call, name, "path") for name in fields_in_path(call)],
        "responses": {
            "200": {"description": "Done", "content": _json(_schema_of(call.answer))},
            **{
                status: {"description": why, "content": _json(_ref("Problem"))}
                for status, why in _REFUSALS.items()
            },
        },
    }
    names = open_fields(call)
    if call.method in IN_QUERY:
        described["parameters"] += [_parameter(call, name, "query") for name in names]
    elif names:
        described["requestBody"] = {"required": True, "content": _json(_body(call, names))}
    return described


def redemption() -> Json:
    """Return what OpenAPI says of following a launch link, which needs no log-in."""
    refused = {
        "400": "No JSON object with a token",
        "410": "The link starts nothing: unknown, used, expired or taken back",
        "429": "Too many links that start nothing came from there: wait",
    }
    said = {
        status: {"description": why, "content": _json(_ref("Problem"))}
        for status, why in refused.items()
    }
    done = {"description": "Done", "content": _json(_ref(LaunchedClient.__name__))}
    body = {"required": True, "content": _json(_ref(RedeemLaunchLink.__name__))}
    return {"security": [], "requestBody": body, "responses": {"200": done, **said}}


def components() -> Json:
    """Return the schemas and the ways to prove who one is."""
    return {
        "schemas": {**_COMPONENTS, "Problem": _PROBLEM},
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-proxyd"},
        },
    }


def _answer_structs() -> list[type[Struct]]:
    return [get_args(c.answer)[0] if get_origin(c.answer) else c.answer for c in CALLS]


def _schemas() -> tuple[dict[type[Struct], Json], Json]:
    asked = (call.request for call in CALLS)
    kinds = list(dict.fromkeys([*asked, *_answer_structs(), *_OF_STRANGERS]))
    _, found = msgspec.json.schema_components(kinds, ref_template=_REF)
    requests = {call.request: found.pop(call.request.__name__) for call in _once_each()}
    return requests, found


def _once_each() -> list[Call]:
    return list({call.request: call for call in CALLS}.values())


def _schema_of(answer: Any) -> Json:  # noqa: ANN401 - a type, or a list of one
    if get_origin(answer) is list:
        return {"type": "array", "items": _ref(get_args(answer)[0].__name__)}
    return _ref(answer.__name__)


def _parameter(call: Call, name: str, where: str) -> Json:
    schema = dict(_REQUESTS[call.request]["properties"][name])
    is_needed = where == "path" or name in _needed(call)
    found: Json = {"name": name, "in": where, "required": is_needed, "schema": schema}
    if "description" in schema:
        found["description"] = schema.pop("description")
    return found


def _body(call: Call, names: list[str]) -> Json:
    properties = _REQUESTS[call.request]["properties"]
    return {
        "type": "object",
        "properties": {name: properties[name] for name in names},
        "required": [name for name in names if name in _needed(call)],
        "additionalProperties": False,
    }


def _needed(call: Call) -> list[str]:
    return [name for name in _REQUESTS[call.request].get("required", []) if name != _TAG]


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> Json:
    return {"$ref": _REF.format(name=name)}


_REQUESTS, _COMPONENTS = _schemas()
