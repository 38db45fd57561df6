//! The service from the command line: a real gateway process on SQLite, driven with the verbs. No engine is needed.

mod service {
    mod collection;
    mod configuration;
    mod gateway;
    mod jobs;
    mod secure;
    mod shutdown;
    mod tokens;
}
