//! How the API's document describes values of other crates, which know nothing of documents: digests, names, kinds, engines,
//! bytes. The gateway accepts exactly what these say.

use phalanx_claim::ArtifactKind;
use phalanx_plan::TaskKind;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// Characters of a text by which a program names itself or its version.
pub const LABEL_CHARS_MAX: usize = 256;

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// A digest, or a task key.
pub struct DigestText;

impl PartialSchema for DigestText {
    fn schema() -> RefOr<Schema> {
        text("BLAKE3 in lower-case hexadecimal digits.").pattern(Some("^[0-9a-f]{64}$")).build().into()
    }
}

impl ToSchema for DigestText {
    fn name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }
}

/// The name of a worker, a start of it, a tenant or a token.
pub struct Name;

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        text("Fits URLs, logs and metrics.").pattern(Some("^[0-9A-Za-z][0-9A-Za-z_.:@-]{0,127}$")).build().into()
    }
}

impl ToSchema for Name {}

/// One line by which a program names itself or its version.
pub struct Label;

impl PartialSchema for Label {
    fn schema() -> RefOr<Schema> {
        let line = text("One line.").min_length(Some(1)).max_length(Some(LABEL_CHARS_MAX));
        line.pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]+$")).build().into()
    }
}

impl ToSchema for Label {}

/// A kind of tasks.
pub struct TaskKindName;

impl PartialSchema for TaskKindName {
    fn schema() -> RefOr<Schema> {
        let kinds = [TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal];
        text("A kind of tasks.").enum_values(Some(kinds.map(TaskKind::name))).build().into()
    }
}

impl ToSchema for TaskKindName {
    fn name() -> std::borrow::Cow<'static, str> {
        "TaskKind".into()
    }
}

/// A kind of artifacts.
pub struct ArtifactKindName;

impl PartialSchema for ArtifactKindName {
    fn schema() -> RefOr<Schema> {
        text("A kind of artifacts.").enum_values(Some(ArtifactKind::ALL.map(ArtifactKind::name))).build().into()
    }
}

impl ToSchema for ArtifactKindName {
    fn name() -> std::borrow::Cow<'static, str> {
        "ArtifactKind".into()
    }
}

/// A proving backend.
#[derive(ToSchema)]
#[schema(as = EngineId)]
pub struct Engine {
    /// The proof system.
    #[schema(value_type = Label)]
    pub name: (),
    /// Its version.
    #[schema(value_type = Label)]
    pub version: (),
    /// Digest of the verifying key that every receipt of this engine is checked against.
    #[schema(value_type = DigestText)]
    pub verifying_key: (),
}

/// Bytes as they are.
pub struct Binary;

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        text("Bytes as they are.").content_media_type("application/octet-stream").build().into()
    }
}

impl ToSchema for Binary {}
