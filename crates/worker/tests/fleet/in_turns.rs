//! Lets connections through a proxy fail in turns, each way in its turn, while something goes on.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::proxy::{Fault, Proxy};

/// So many connections are spared for each that fails.
const SPARED: usize = 5;

/// Of the connections whose request's first line has `only` in it, so many fail in each way, then so many are spared that
/// whoever tries again gets on; until `work` is done.
pub fn failing_in_turns(proxy: &Proxy, only: &'static str, faults: &[(Fault, usize)], work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _end = End(&is_over);
        scope.spawn(|| fail(proxy, only, faults, &is_over));
        work();
    });
}

/// Says that it is over, also when a scenario fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn fail(proxy: &Proxy, only: &'static str, faults: &[(Fault, usize)], is_over: &AtomicBool) {
    for (fault, connections) in faults.iter().cycle() {
        let (failed, spared) = (proxy.failed() + connections, proxy.spared() + SPARED * connections);
        proxy.fail_only(only, *fault, *connections);
        while proxy.failed() < failed || proxy.spared() < spared {
            if is_over.load(Ordering::Relaxed) {
                return proxy.fail(Fault::None, 0);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
