//! The OpenAPI document against the gateway that serves it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Server;

/// All that the API has.
const ROUTES: &[&str] = &[
    "get /healthz",
    "get /readyz",
    "get /metrics",
    "get /openapi.json",
    "post /v1/programs",
    "post /v1/inputs",
    "get /v1/jobs",
    "post /v1/jobs",
    "get /v1/jobs/{job}",
    "delete /v1/jobs/{job}",
    "get /v1/jobs/{job}/tasks",
    "get /v1/jobs/{job}/tasks/{task}/attempts",
    "get /v1/jobs/{job}/wait",
    "get /v1/jobs/{job}/events",
    "get /v1/jobs/{job}/receipt",
    "get /v1/jobs/{job}/verification",
    "post /v1/jobs/{job}/requeue",
    "get /v1/events",
    "get /v1/dead",
    "get /v1/artifacts/{digest}",
    "head /v1/artifacts/{digest}",
    "put /v1/artifacts/{digest}",
    "post /v1/artifacts/{digest}/place",
    "get /v1/workers",
    "post /v1/workers",
    "post /v1/workers/{name}/claim",
    "post /v1/workers/{name}/beat",
    "post /v1/workers/{name}/settle",
    "post /v1/workers/{name}/announce",
    "post /v1/workers/{name}/complete",
    "post /v1/workers/{name}/fail",
    "post /v1/workers/{name}/look_up",
    "post /v1/workers/{name}/leave",
    "post /v1/workers/{name}/drain",
    "post /v1/workers/{name}/resume",
    "get /v1/queue",
    "get /v1/stats",
    "get /v1/tokens",
    "post /v1/tokens",
    "delete /v1/tokens/{name}",
    "get /v1/whoami",
    "get /v1/tenants",
    "put /v1/tenants/{name}",
];

fn document(server: &Server) -> Value {
    server.request("GET", "/openapi.json").send().is(200).json()
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (method.clone(), path.clone(), operation))
        })
        .collect()
}

/// Every `$ref` below a value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_document_lists_exactly_the_routes() {
    let (server, _directory) = Server::open();
    let document = document(&server);
    let listed: BTreeSet<String> =
        operations(&document).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(listed, ROUTES.iter().map(|route| (*route).to_owned()).collect());
}

#[test]
fn every_route_of_the_document_is_there_and_no_other_method_is() {
    let (server, _directory) = Server::open();
    let document = document(&server);
    let listed = operations(&document);
    let paths: BTreeSet<&str> = listed.iter().map(|(_, path, _)| path.as_str()).collect();
    for path in paths {
        let real = path.replace("{job}", "x").replace("{task}", "x").replace("{digest}", "x").replace("{name}", "x");
        for method in ["get", "post", "put", "delete", "patch"] {
            if path == "/v1/events" && method == "get" {
                continue;
            }
            let is_listed = listed.iter().any(|(m, p, _)| m == method && p == path);
            let status = server.request(&method.to_uppercase(), &real).send().status;
            assert_eq!(status != 405, is_listed, "{method} {path}: {status}");
        }
    }
}

#[test]
fn every_reference_of_the_document_resolves() {
    let (server, _directory) = Server::open();
    let document = document(&server);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 30, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_integer_without_a_sign_has_its_bounds() {
    let (server, _directory) = Server::open();
    let document = document(&server);
    let schemas = &document["components"]["schemas"];
    let limits = |schema: &Value| (schema["format"].clone(), schema["minimum"].as_f64(), schema["maximum"].as_u64());
    let unsigned = |format: &str, min: f64, max: u64| (Value::from(format), Some(min), Some(max));
    let attempt = &schemas["Held"]["properties"]["attempt"];
    assert_eq!(limits(attempt), unsigned("uint32", 0.0, u32::MAX.into()));
    let deadline = &schemas["NewJob"]["properties"]["deadline_after_ms"];
    assert_eq!(limits(deadline), unsigned("uint64", 1.0, u64::MAX));
    let parameters = document.pointer("/paths/~1v1~1jobs/get/parameters").and_then(Value::as_array).unwrap();
    let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
    assert_eq!(limits(&limit["schema"]), unsigned("uint32", 1.0, 500));
}

#[test]
fn every_answer_is_described() {
    let (server, _directory) = Server::open();
    let document = document(&server);
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{what}: its id is another's");
        assert!(operation["description"].is_string() || operation["summary"].is_string(), "{what}");
        let answers = operation["responses"].as_object().unwrap();
        for (status, answer) in answers {
            assert!(!answer["description"].as_str().unwrap().is_empty(), "{what} {status}");
            let content = answer.get("content").and_then(Value::as_object);
            let types: Vec<&String> = content.into_iter().flat_map(|types| types.keys()).collect();
            if status.starts_with('4') || status.starts_with('5') && path != "/readyz" {
                assert_eq!(types, ["application/json"], "{what} {status}");
                let schema = &answer["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/ErrorBody", "{what} {status}");
            } else if status != "204" && status != "304" && method != "head" {
                assert_eq!(types.len(), 1, "{what} {status}");
            }
        }
        if path.starts_with("/v1/") {
            for status in ["400", "401", "403", "404", "429", "500", "503"] {
                assert!(answers.contains_key(status), "{what} {status}");
            }
            assert_eq!(operation["security"][0]["token"], serde_json::json!([]), "{what}");
        }
    }
}

#[test]
fn answers_are_what_the_document_says() {
    let (server, _directory) = Server::open();
    let document = document(&server);
    let body = crate::support::new_job(&server, None, "a");
    let job = server.request("POST", "/v1/jobs").json(&body).send().is(201).json();
    let job = job["job"].as_str().unwrap();
    for (method, path, operation) in operations(&document) {
        if method != "get"
            || !path.starts_with("/v1/")
            || path == "/v1/events"
            || path.ends_with("/events")
            || path.ends_with("/wait")
        {
            continue;
        }
        let real = path
            .replace("{job}", job)
            .replace("{task}", "execute")
            .replace("{digest}", body["program"].as_str().unwrap());
        let reply = server.request("GET", &real).send();
        let answer = &operation["responses"][reply.status.to_string()];
        let (media, content) =
            answer["content"].as_object().unwrap_or_else(|| panic!("{path}: {}", reply.status)).iter().next().unwrap();
        assert!(reply.header("content-type").unwrap().starts_with(media.as_str()), "{path}");
        if media == "application/json" {
            check(&document, &content["schema"], &reply.json(), &path);
        }
    }
}

/// Holds a value against as much of JSON Schema as the document uses.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        return check(document, document.pointer(&reference[1..]).unwrap(), value, at);
    }
    if let Some(any) = schema.get("oneOf").or(schema.get("anyOf")).and_then(Value::as_array) {
        let fits = |one: &Value| one["type"] != "null" || value.is_null();
        return assert!(any.iter().any(fits), "{at}");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(
        types.iter().any(|one| one == is || one == "number" && is == "integer" || one.is_null()),
        "{at} is {value}, not {types:?}"
    );
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(required.as_str().unwrap()).is_some(), "{at} has no {required}");
    }
    if let Some(fields) = value.as_object() {
        for (name, field) in fields {
            let property = &schema["properties"][name];
            let property = if property.is_null() { &schema["additionalProperties"] } else { property };
            if property.is_object() {
                check(document, property, field, &format!("{at}.{name}"));
            } else {
                assert!(schema["properties"].is_null(), "{at}.{name} is not described");
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(document, &schema["items"], item, &format!("{at}[{index}]"));
    }
}
