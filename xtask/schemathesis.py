"""Requests of schemathesis as they are sent: nothing waits for long, and uploads begin as what they claim to be."""

import schemathesis

WAIT_MS_MAX = 20
MAGIC = {"/v1/programs": b"\x7fELF", "/v1/inputs": b"PHin"}


def whole(value):
    """A value whose integers have no fraction. JSON Schema calls 1.0 an integer, the API does not, as few programs do."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_wait(value):
    """Whether the gateway takes it for a number of milliseconds."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.operation.path
    if isinstance(case.body, (dict, list)):
        case.body = whole(case.body)
    # The longest wait is a minute, and absent means that too. What is no number stays what it is.
    if path.endswith("/wait"):
        query = dict(case.query or {})
        asked = query.get("timeout_ms", 2**63)
        if is_wait(asked) or isinstance(asked, str) and asked.isascii() and asked.isdigit():
            case.query = {**query, "timeout_ms": min(int(asked), WAIT_MS_MAX) if int(asked) < 2**64 else asked}
    if path.endswith("/claim") and isinstance(case.body, dict) and is_wait(case.body.get("wait_ms")):
        case.body["wait_ms"] = min(case.body["wait_ms"], WAIT_MS_MAX)
    # Random bytes never begin so; half of them go on to be stored.
    if path in MAGIC and isinstance(case.body, bytes) and len(case.body) % 2 == 0:
        case.body = MAGIC[path] + case.body
