//! The trace of a job: its W3C context follows from its name, so every gateway and worker gives it the same one.

use phalanx_api::JobId;

/// The `traceparent` of a job's root span.
pub(crate) fn parent(job: JobId) -> String {
    let name = job.to_string();
    let trace: String = name.chars().filter(char::is_ascii_hexdigit).collect();
    let span = blake3::hash(name.as_bytes()).to_hex();
    let span: String = span.chars().take(16).collect();
    format!("00-{trace}-{span}-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_one_well_formed_trace() {
        let job: JobId = "0199c0de-7c1f-7000-8000-00000000002a".parse().unwrap();
        let parent = parent(job);
        assert!(parent.starts_with("00-0199c0de7c1f7000800000000000002a-"), "{parent}");
        assert_eq!(parent.len(), 55);
        assert_eq!(parent, super::parent(job));
    }
}
