//! Shows a job's progress: redrawn lines on a terminal, plain lines elsewhere.
//!
//! In: the events of the local pool, or of a gateway. Out: stderr. A thread of its own moves the clocks on, because a proof reports nothing for a long
//! time.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use phalanx_client::Event;
use phalanx_worker::{Observer, PoolEvent};

use crate::{
    follow::Followed,
    printer::Talk,
    progress::{Progress, STAGES},
};

/// How often the terminal's clocks move.
const REDRAW_MS: u64 = 200;
/// How often a stage that takes long says so where lines stay.
const PLAIN_MS: u64 = 15_000;

/// Watches one job.
pub struct Display {
    screen: Arc<Mutex<Screen>>,
    stop: Option<mpsc::Sender<()>>,
    ticker: Option<JoinHandle<()>>,
}

struct Screen {
    start: Instant,
    progress: Progress,
    /// Of a job that runs elsewhere, and whether it changed since it was drawn.
    followed: Option<(Followed, bool)>,
    surface: Surface,
}

enum Surface {
    Nothing,
    Terminal {
        lines: MultiProgress,
        bars: Vec<ProgressBar>,
    },
    /// Which stages were reported as complete, and when anything was said last.
    Plain {
        talk: Talk,
        complete: [bool; STAGES.len()],
        last: Duration,
    },
}

impl Display {
    /// Shows progress as `talk` allows.
    pub fn start(talk: Talk) -> Self {
        let surface = if talk.is_quiet() {
            Surface::Nothing
        } else if talk.is_terminal() {
            Surface::Terminal { lines: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), bars: Vec::new() }
        } else {
            Surface::Plain { talk, complete: [false; STAGES.len()], last: Duration::ZERO }
        };
        let screen = Screen { start: Instant::now(), progress: Progress::default(), followed: None, surface };
        let screen = Arc::new(Mutex::new(screen));
        let (stop, stopped) = mpsc::channel();
        let ticking = Arc::clone(&screen);
        let tick = Duration::from_millis(REDRAW_MS);
        let run = move || {
            while stopped.recv_timeout(tick) == Err(mpsc::RecvTimeoutError::Timeout) {
                lock(&ticking).draw();
            }
        };
        // Without the thread the lines still change with every event.
        let ticker = thread::Builder::new().name("progress".into()).spawn(run).ok();
        Self { screen, stop: Some(stop), ticker }
    }

    /// Something changed in a job that runs elsewhere. Drawn at the next tick, because such news come in bursts.
    pub fn changed(&self, event: &Event) {
        let mut screen = lock(&self.screen);
        let arrived = screen.start.elapsed();
        let (followed, changed) = screen.followed.get_or_insert_default();
        *changed = true;
        let said = match event {
            Event::Task(task) => followed.task((**task).clone(), arrived),
            Event::Job(job) => {
                followed.job((**job).clone(), arrived);
                None
            }
        };
        if let Some(said) = said {
            screen.say(&said);
        }
    }

    /// Draws the last state and leaves it there.
    pub fn finish(mut self) {
        self.stop();
        let mut screen = lock(&self.screen);
        screen.draw();
        if let Surface::Terminal { bars, .. } = &screen.surface {
            bars.iter().for_each(ProgressBar::abandon);
        }
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(ticker) = self.ticker.take() {
            // It cannot have panicked on anything that matters now.
            let _ = ticker.join();
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Observer for Display {
    fn on(&self, event: &PoolEvent) {
        let mut screen = lock(&self.screen);
        let now = screen.start.elapsed();
        screen.progress.on(event, now);
        if let PoolEvent::Failed { task, attempt, reason } = event {
            screen.say(&format!("{task} failed, attempt {attempt}: {reason}; it runs again"));
        }
        if !matches!(event, PoolEvent::Cycles(_) | PoolEvent::GuestOutput(_)) {
            screen.draw();
        }
    }
}

impl Screen {
    fn draw(&mut self) {
        let mut now = self.start.elapsed();
        if let Some((followed, changed)) = &mut self.followed {
            if std::mem::take(changed) {
                self.progress = followed.progress();
            }
            now = followed.now(now);
        }
        match &mut self.surface {
            Surface::Nothing => {}
            Surface::Terminal { lines, bars } => {
                for (at, kind) in STAGES.into_iter().enumerate() {
                    if !self.progress.is_begun(kind) {
                        continue;
                    }
                    // A stage can begin only after those above it, so lines are added in order.
                    while bars.len() <= at {
                        bars.push(lines.add(ProgressBar::no_length().with_style(message_only())));
                    }
                    bars[at].set_message(self.progress.line(kind, now));
                }
            }
            Surface::Plain { talk, complete, last } => {
                for (kind, complete) in STAGES.into_iter().zip(complete.iter_mut()) {
                    if !*complete && self.progress.is_complete(kind) {
                        *complete = true;
                        *last = now;
                        talk.line(&self.progress.line(kind, now));
                    }
                }
                if now.saturating_sub(*last) >= Duration::from_millis(PLAIN_MS) {
                    *last = now;
                    let running = |(kind, complete): &(_, bool)| !complete && self.progress.is_begun(*kind);
                    for (kind, _) in STAGES.into_iter().zip(*complete).filter(running) {
                        talk.line(&self.progress.line(kind, now));
                    }
                }
            }
        }
    }

    fn say(&self, line: &str) {
        match &self.surface {
            Surface::Nothing => {}
            // A terminal that cannot be written to shows nothing else either.
            Surface::Terminal { lines, .. } => drop(lines.println(line)),
            Surface::Plain { talk, .. } => talk.line(line),
        }
    }
}

fn message_only() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// A panic elsewhere leaves the screen usable.
fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}
