//! Following a job at a gateway until it is over.
//!
//! In: the gateway's event stream, taken up again wherever it breaks. Out: progress on stderr, as `prove` shows it, and the job
//! as it ended. Ctrl-C leaves the job running.

mod outcome;
mod state;

use std::{
    process, thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use phalanx_api::{JobId, JobView, TaskView};
use phalanx_client::{Client, ClientError, Event};

pub use outcome::ended;
pub use state::Followed;

use crate::{
    display::Display,
    error::{Class, Error, Result},
    printer::Talk,
};

/// How long a gateway may be away before following ends. The job goes on without anyone watching.
const AWAY_MAX: Duration = Duration::from_secs(600);
/// The pause before a stream is opened again.
const PAUSE: Duration = Duration::from_secs(1);
/// Tasks asked for at once.
const PAGE: u32 = 500;

/// Shows a job until it is over.
pub fn follow(client: &Client, job: JobId, talk: Talk) -> Result<JobView> {
    let display = Display::start(talk);
    let followed = watch(client, job, &display, talk);
    display.finish();
    followed
}

fn watch(client: &Client, job: JobId, display: &Display, talk: Talk) -> Result<JobView> {
    let mut last_id: Option<String> = None;
    let mut heard = Instant::now();
    let mut is_away = false;
    loop {
        let lost = match client.events(job, last_id.as_deref()) {
            Ok(mut events) => {
                let mut lost = None;
                for event in events.by_ref() {
                    match event {
                        Ok(event) => {
                            heard = Instant::now();
                            is_away = false;
                            display.changed(&event);
                        }
                        Err(error) => lost = Some(error),
                    }
                }
                last_id = events.last_id().map(str::to_owned);
                // The stream ends when the job is over, but also when its gateway goes.
                match client.job(job) {
                    Ok(view) if view.state.is_over() => {
                        display.changed(&Event::Job(Box::new(view.clone())));
                        return Ok(view);
                    }
                    Ok(_) => lost,
                    Err(error) => Some(error),
                }
            }
            Err(error) => Some(error),
        };
        if let Some(error) = lost {
            if !error.may_retry() {
                return Err(error.into());
            }
            if heard.elapsed() > AWAY_MAX {
                return Err(Error::from(error)
                    .fact("job", job)
                    .hint(format!("`phalanx watch {job}` goes on watching")));
            }
            if !is_away {
                is_away = true;
                talk.line(&format!("{error}; trying again, the job goes on"));
            }
        }
        thread::sleep(PAUSE);
    }
}

/// Every task of a job.
pub fn all_tasks(client: &Client, job: JobId) -> std::result::Result<Vec<TaskView>, ClientError> {
    let mut tasks = Vec::new();
    let mut after = None;
    loop {
        let page = client.tasks(job, after, Some(PAGE))?;
        tasks.extend(page.tasks);
        match page.next {
            // A gateway that names the same place again would be asked for ever.
            Some(next) if after != Some(next) => after = Some(next),
            _ => return Ok(tasks),
        }
    }
}

/// From here on Ctrl-C ends this command and nothing else.
pub fn leave_running_on_interrupt(job: JobId, talk: Talk) -> Result<()> {
    let leave = move || {
        talk.line(&format!("the job goes on: `phalanx watch {job}` shows it, `phalanx cancel {job}` ends it"));
        process::exit(Class::Interrupted.exit_code().into());
    };
    ctrlc::set_handler(leave).context("cannot listen for Ctrl-C")?;
    Ok(())
}
