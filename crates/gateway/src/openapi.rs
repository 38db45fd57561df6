//! The description of the API: what every route takes and gives, made from the handlers.

use std::collections::BTreeMap;

use axum::Router;
use phalanx_api::ErrorBody;
use serde_json::Value;
use utoipa::{
    IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        Ref, RefOr,
        content::ContentBuilder,
        response::{Response, ResponseBuilder},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    routes::{artifacts, events, fleet, health, jobs, receipts, tasks, tenants, tokens, uploads, workers},
    state::Shared,
};

/// What any route may answer instead of what it is asked for: one body for all.
pub(crate) struct Refusals;

/// Status and meaning.
const REFUSALS: [(&str, &str); 12] = [
    ("400", "The request cannot be read."),
    ("401", "There is no token, or none that is valid."),
    ("403", "The token does not allow it."),
    ("404", "There is no such thing, or it is another tenant's."),
    ("408", "The client was too slow."),
    ("409", "It contradicts what is there, or speaks of an attempt that is over."),
    ("413", "Longer than is accepted."),
    ("415", "Not the content type that is expected."),
    ("422", "The bytes are not what their name says, or an artifact that is named is not in the store."),
    ("429", "Too many requests or jobs; `Retry-After` says when to come again."),
    ("500", "The gateway failed."),
    ("503", "Database or store do not answer; try again."),
];

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let body = || ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorBody::name()))).build();
        let refusal = |what: &str| ResponseBuilder::new().description(what).content("application/json", body()).build();
        REFUSALS.into_iter().map(|(status, what)| (status.to_owned(), refusal(what).into())).collect()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Phalanx",
        description = "Proving as a service: jobs, their tasks, the workers that run them, and the artifacts between them. \
                       Times are milliseconds since 1970, sizes are bytes, digests are BLAKE3 in hexadecimal.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(ErrorBody)),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`phx_…`, as `phalanx token create` makes it"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// Says what holds everywhere and the derived schemas leave out: how large integers without a sign may be, for readers who do
/// not know their formats, and that a variant is named by one field and no other.
pub(crate) fn complete(value: &mut Value) {
    // utoipa writes these names with a hyphen; the registry of formats has none.
    let unsigned = match value.get("format").and_then(Value::as_str) {
        Some("u-int32") => Some(("uint32", u64::from(u32::MAX))),
        Some("u-int64") => Some(("uint64", u64::MAX)),
        _ => None,
    };
    match value {
        Value::Object(fields) => {
            if let Some((format, max)) = unsigned {
                fields.insert("format".to_owned(), format.into());
                fields.entry("maximum").or_insert(max.into());
            }
            for variant in fields.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
                let required = variant.get("required").and_then(Value::as_array).map(Vec::len);
                if let (Some(1), Some(variant)) = (required, variant.as_object_mut()) {
                    variant.entry("additionalProperties").or_insert(false.into());
                }
            }
            fields.values_mut().for_each(complete);
        }
        Value::Array(values) => values.iter_mut().for_each(complete),
        _ => {}
    }
}

/// Every route of the API with its description.
pub(crate) fn routes() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(uploads::program))
        .routes(routes!(uploads::input))
        .routes(routes!(jobs::submit, jobs::jobs))
        .routes(routes!(jobs::job, jobs::cancel))
        .routes(routes!(jobs::wait))
        .routes(routes!(jobs::requeue))
        .routes(routes!(tasks::tasks))
        .routes(routes!(tasks::attempts))
        .routes(routes!(tasks::dead))
        .routes(routes!(events::of_job))
        .routes(routes!(events::of_jobs))
        .routes(routes!(receipts::receipt))
        .routes(routes!(receipts::verification))
        .routes(routes!(artifacts::get, artifacts::head, artifacts::put))
        .routes(routes!(artifacts::place))
        .routes(routes!(workers::register, fleet::workers))
        .routes(routes!(workers::claim))
        .routes(routes!(workers::beat))
        .routes(routes!(workers::settle))
        .routes(routes!(workers::announce))
        .routes(routes!(workers::complete))
        .routes(routes!(workers::fail))
        .routes(routes!(workers::look_up))
        .routes(routes!(workers::leave))
        .routes(routes!(fleet::drain))
        .routes(routes!(fleet::resume))
        .routes(routes!(fleet::queue))
        .routes(routes!(fleet::stats))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::whoami))
        .routes(routes!(tenants::list))
        .routes(routes!(tenants::set))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(health::openapi))
        .split_for_parts()
}
