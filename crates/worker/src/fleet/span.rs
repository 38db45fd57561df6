//! The span of an assignment: whatever its thread logs is within, and it belongs to the trace of its job.

use phalanx_api::Assignment;
use tracing::Span;

/// A span that has not begun.
pub fn of(assignment: &Assignment) -> Span {
    let held = assignment.held;
    let span = tracing::info_span!("task", job = %held.job, task = %held.task, attempt = held.attempt);
    #[cfg(feature = "otlp")]
    if let Some(parent) = assignment.traceparent.as_deref().and_then(parent::parse) {
        // Nobody exports spans, or not this one.
        let _ = tracing_opentelemetry::OpenTelemetrySpanExt::set_parent(&span, parent);
    }
    span
}

#[cfg(feature = "otlp")]
mod parent {
    use opentelemetry::{
        Context,
        trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
    };

    /// A `traceparent` of W3C's Trace Context, version 0 (www.w3.org/TR/trace-context).
    pub fn parse(traceparent: &str) -> Option<Context> {
        let [version, trace, span, flags] = traceparent.split('-').collect::<Vec<_>>().try_into().ok()?;
        let trace = TraceId::from_hex(trace).ok().filter(|id| *id != TraceId::INVALID)?;
        let span = SpanId::from_hex(span).ok().filter(|id| *id != SpanId::INVALID)?;
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
        let parent = SpanContext::new(trace, span, flags, true, TraceState::NONE);
        (version == "00").then(|| Context::new().with_remote_span_context(parent))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_parent_is_read_and_nonsense_is_not() {
            let context = parse("00-0199c0de7c1f7000800000000000002a-00f067aa0ba902b7-01").unwrap();
            let parent = context.span().span_context().clone();
            assert_eq!(parent.trace_id().to_string(), "0199c0de7c1f7000800000000000002a");
            assert!(parent.is_remote() && parent.is_sampled());
            for wrong in
                ["", "00", "01-0199c0de7c1f7000800000000000002a-00f067aa0ba902b7-01", "00-0-00f067aa0ba902b7-01"]
            {
                assert!(parse(wrong).is_none(), "{wrong}");
            }
        }
    }
}
