//! Which artifacts an artifact names: what garbage collection follows.

use phalanx_claim::{ArtifactKind, Digest};

use super::segment::{Final, Segment};
use crate::Execution;

/// The artifacts that this one needs. An artifact that does not decode names none: it is as good as missing.
pub fn references(kind: ArtifactKind, bytes: &[u8]) -> Vec<Digest> {
    match kind {
        ArtifactKind::Segment => Segment::decode(bytes)
            .map(|segment| [segment.start.packs, vec![segment.stdin]].concat())
            .unwrap_or_default(),
        ArtifactKind::Execution => {
            let Ok(execution) = Execution::decode(bytes) else { return Vec::new() };
            let mut digests: Vec<_> = execution.segments.iter().map(|segment| segment.digest).collect();
            if let Ok(end) = Final::decode(&execution.state) {
                digests.extend(end.end.packs);
                digests.push(end.stdin);
            }
            digests
        }
        ArtifactKind::Program
        | ArtifactKind::Stdin
        | ArtifactKind::Pages
        | ArtifactKind::Proof
        | ArtifactKind::Receipt => Vec::new(),
    }
}
