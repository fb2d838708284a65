import json

from control.api.described import (
    components,
    fields_in_path,
    open_fields,
    operation,
    redemption,
)
from control.api.table import CALLS


def test_every_call_is_described_with_its_fields():
    for call in CALLS:
        said = operation(call)
        parameters = {one["name"]: one["in"] for one in said["parameters"]}
        assert {name for name, where in parameters.items() if where == "path"} == set(
            fields_in_path(call)
        )
        body = said.get("requestBody", {}).get("content", {}).get("application/json", {})
        in_body = set(body.get("schema", {}).get("properties", {}))
        in_query = {name for name, where in parameters.items() if where == "query"}
        assert in_body | in_query == set(open_fields(call))


def test_what_is_referred_to_is_there():
    known = {f"#/components/schemas/{name}" for name in components()["schemas"]}
    every = [*map(operation, CALLS), redemption(), components()]
    text = json.dumps(every)
    referred = set(text.split('"$ref": "')[1:])
    assert {one.split('"')[0] for one in referred} <= known


def test_who_asks_cannot_say_that_he_is_another():
    mine = [call for call in CALLS if call.own]
    assert mine
    assert not any(call.own in open_fields(call) for call in mine)
    by_log_in = [call for call in CALLS if call.login]
    assert by_log_in
    assert not any(call.login in open_fields(call) for call in by_log_in)
