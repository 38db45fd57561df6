//! The HTTP face of the queue: API, events, metrics, dashboard. Links no prover.
