//! The worker's main loop: asks for tasks while it has room, starts them, and ends when it should.
//!
//! In: answers of the gateway and ends of tasks, one message after another. Out: tasks on threads of their own, and events.
//! Decides on the caller's thread only.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::AtomicU64,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant, SystemTime},
};

use phalanx_api::{Assignment, ErrorCode, Fail, Held, NewWorker, Registered, TaskId, Verdict};
use phalanx_client::{Client, ClientError};
use phalanx_engine::{CancelToken, Engine};
use phalanx_plan::Budget;
use rayon::ThreadPool;

use super::{
    Artifacts, FleetConfig, FleetError, FleetEvent, FleetObserver, Shutdown,
    artifacts::{Carrier, Depot},
    cache::Cache,
    claims::{Answer, Claims},
    duty::{Duty, End},
    heartbeat::{self, Pulse},
    room::{Lane, Room},
    shared, span,
};
use crate::{
    gauge::Gauge,
    memory::Watch,
    pool::millis,
    threads::{self, Ran},
};

/// How often the worker looks whether it should stop.
const POLL: Duration = Duration::from_millis(100);
/// The gateway is asked again after this long when it did not answer; twice as long each time.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
/// And at most this long.
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// How long tasks that were asked to stop get before they are left behind.
const STOP_WAIT: Duration = Duration::from_millis(800);

/// What the main loop hears.
enum Message {
    Answer(Lane, Answer),
    Ended { held: Held, end: End, wall_ms: u64, cpu_ms: u64, peak_bytes: Option<u64> },
}

/// A worker at work.
pub struct Station<'a> {
    engine: Arc<dyn Engine>,
    config: Arc<FleetConfig>,
    client: Client,
    observer: &'a dyn FleetObserver,
    shutdown: &'a Shutdown,
    boot: String,
    /// There unless the gateway's store is here.
    carrier: Option<Arc<Carrier>>,
    room: Room,
    running: BTreeMap<Held, (CancelToken, ThreadPool)>,
    pulse: Arc<Pulse>,
    gauge: Arc<Gauge>,
    sender: Sender<Message>,
    messages: Receiver<Message>,
    /// By lane.
    is_asking: [bool; Lane::ALL.len()],
    /// The gateway did not answer; it is asked again then.
    ask_at: Option<Instant>,
    backoff: Duration,
    _watch: Watch,
}

impl<'a> Station<'a> {
    /// A worker that nobody knows yet.
    pub fn new(
        engine: &Arc<dyn Engine>,
        config: &FleetConfig,
        observer: &'a dyn FleetObserver,
        shutdown: &'a Shutdown,
    ) -> Result<Self, FleetError> {
        for (name, got) in [("slots", config.slots), ("cores", config.cores), ("kinds", config.kinds.len())] {
            if got == 0 {
                return Err(FleetError::Setting { name, min: 1, got: 0 });
            }
        }
        let (resident_bytes, ram_bytes) = (engine.resident_bytes(), config.ram_bytes);
        if resident_bytes >= ram_bytes {
            return Err(FleetError::RamTooSmall { resident_bytes, ram_bytes });
        }
        let client = Client::new(&config.gateway).map_err(FleetError::Refused)?;
        let place = |place: &std::path::Path, reason: String| FleetError::Place { place: place.to_owned(), reason };
        let carrier = match &config.artifacts {
            Artifacts::Shared(directory) => {
                shared(directory).map_err(|error| place(directory, error.to_string()))?;
                None
            }
            Artifacts::Cached { directory, bytes_max } => {
                let cache = Cache::open(directory, *bytes_max).map_err(|error| place(directory, error.to_string()))?;
                Some(Arc::new(Carrier::new(client.clone(), cache)))
            }
        };
        let budget = Budget::beside(ram_bytes, resident_bytes);
        let (sender, messages) = mpsc::channel();
        Ok(Self {
            engine: engine.clone(),
            config: Arc::new(config.clone()),
            client,
            observer,
            shutdown,
            boot: boot(),
            carrier,
            room: Room::new(config.kinds.clone(), config.slots, config.cores, budget),
            running: BTreeMap::new(),
            pulse: Arc::default(),
            gauge: Gauge::start(config.memory.held_bytes)?,
            sender,
            messages,
            is_asking: [false; Lane::ALL.len()],
            ask_at: None,
            backoff: BACKOFF_MIN,
            _watch: Watch::start(config.memory, ram_bytes)?,
        })
    }

    /// Works until it should stop.
    pub fn run(mut self) -> Result<(), FleetError> {
        let Some(registered) = self.register()? else { return Ok(()) };
        let beat = Duration::from_millis(registered.beat_ms);
        let (client, name, boot) = (self.client.clone(), self.config.name.clone(), self.boot.clone());
        let alone = Client::new(&self.config.gateway).map_err(FleetError::Refused)?;
        let heartbeat = heartbeat::start(self.pulse.clone(), alone, name.clone(), boot.clone(), beat)?;
        let sender = self.sender.clone();
        let wait = Duration::from_millis(registered.claim_wait_ms_max);
        let tell = move |lane, answer| drop(sender.send(Message::Answer(lane, answer)));
        let claims = Claims::start(&client, &name, &boot, wait, tell)?;
        let worked = self.work(&claims);
        self.stop_all();
        self.pulse.end();
        // A beat that came after the farewell would call this worker back. But one may be waiting for a gateway that does
        // not answer.
        let until = Instant::now() + STOP_WAIT;
        while !heartbeat.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.leave();
        worked
    }

    /// Waits until the gateway knows this worker; `None` if it is told to stop before.
    fn register(&self) -> Result<Option<Registered>, FleetError> {
        let config = &self.config;
        let worker = NewWorker {
            name: config.name.clone(),
            boot: self.boot.clone(),
            version: config.version.clone(),
            engine: self.engine.id().clone(),
            kinds: config.kinds.clone(),
            ram_bytes: Budget::beside(config.ram_bytes, self.engine.resident_bytes()).total_bytes,
            cores: u32::try_from(config.cores).unwrap_or(u32::MAX),
            slots: u32::try_from(config.slots).unwrap_or(u32::MAX),
        };
        let mut backoff = BACKOFF_MIN;
        let mut was_told = false;
        while !self.shutdown.is_draining() {
            match self.client.register(&worker) {
                Ok(registered) => {
                    self.observer.on(&FleetEvent::Registered);
                    return Ok(Some(registered));
                }
                Err(error) if error.may_retry() => {
                    if !std::mem::replace(&mut was_told, true) {
                        self.observer.on(&FleetEvent::Unreachable { reason: error.to_string() });
                    }
                    let until = Instant::now() + backoff;
                    while Instant::now() < until && !self.shutdown.is_draining() {
                        std::thread::sleep(POLL.min(backoff));
                    }
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
                Err(error) => return Err(FleetError::Refused(error)),
            }
        }
        Ok(None)
    }

    fn work(&mut self, claims: &Claims) -> Result<(), FleetError> {
        let mut was_draining = false;
        loop {
            if self.shutdown.is_draining() {
                self.pulse.drain();
            }
            let is_draining = self.shutdown.is_draining() || self.pulse.told_to_drain();
            if is_draining && !was_draining {
                self.observer.on(&FleetEvent::Draining { running: self.running.len() });
            }
            was_draining = is_draining;
            if self.shutdown.is_aborting() || (self.shutdown.is_draining() && self.running.is_empty()) {
                return Ok(());
            }
            if let Some(error) = self.pulse.take_lost() {
                self.lost(error)?;
            }
            if !is_draining && self.ask_at.is_none_or(|at| at <= Instant::now()) {
                self.ask(claims);
            }
            match self.messages.recv_timeout(POLL) {
                Ok(Message::Answer(lane, answer)) => {
                    self.is_asking[lane as usize] = false;
                    self.answered(answer, is_draining)?;
                }
                Ok(Message::Ended { held, end, wall_ms, cpu_ms, peak_bytes }) => {
                    self.free(&held);
                    self.observer.on(&match end {
                        End::Recorded => FleetEvent::Finished { held, wall_ms, cpu_ms, peak_bytes },
                        End::Stopped => FleetEvent::Stopped { held },
                        End::Failed { verdict, reason } => FleetEvent::Failed { held, verdict, reason },
                    });
                }
                // The station holds a sender itself.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn ask(&mut self, claims: &Claims) {
        self.ask_at = None;
        for lane in Lane::ALL {
            if !self.is_asking[lane as usize]
                && let Some(wish) = self.room.wish(lane)
            {
                self.is_asking[lane as usize] = true;
                claims.ask(wish);
            }
        }
    }

    fn answered(&mut self, answer: Answer, is_draining: bool) -> Result<(), FleetError> {
        match answer {
            Ok(Some(assignment)) => {
                self.backoff = BACKOFF_MIN;
                if is_draining { self.give_back(assignment.held) } else { self.start(assignment) }
            }
            Ok(None) => self.backoff = BACKOFF_MIN,
            Err(error) if error.may_retry() => {
                if self.backoff == BACKOFF_MIN {
                    self.observer.on(&FleetEvent::Unreachable { reason: error.to_string() });
                }
                self.ask_at = Some(Instant::now() + self.backoff);
                self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
            }
            Err(error) => self.lost(error)?,
        }
        Ok(())
    }

    /// The gateway refuses. One that has forgotten this worker, as after its database was restored, gets to know it again.
    fn lost(&mut self, error: ClientError) -> Result<(), FleetError> {
        if error.code() != Some(ErrorCode::NotFound) {
            return Err(FleetError::Refused(error));
        }
        tracing::warn!(%error, "the gateway does not know this worker any more");
        self.register().map(drop)
    }

    fn start(&mut self, assignment: Assignment) {
        let held = assignment.held;
        let stop = CancelToken::default();
        let depot = match self.depot(&stop) {
            Ok(depot) => depot,
            Err(reason) => return self.refuse(held, reason),
        };
        let cores = self.room.enter(held, assignment.ram_bytes);
        let cycles = Arc::new(AtomicU64::new(0));
        self.pulse.enter(held, stop.clone(), cycles.clone());
        let (engine, config, client) = (self.engine.clone(), self.config.clone(), self.client.clone());
        let duty = Arc::new(Duty { engine, config, client, depot, assignment, stop: stop.clone(), cycles });
        let (make, sender, span) = (duty.clone(), self.sender.clone(), span::of(&duty.assignment));
        let name = TaskId(held.task.0).to_string();
        let started = threads::start(
            name,
            cores,
            self.gauge.clone(),
            move || span.in_scope(|| make.make()),
            move |ran: Ran<_>| {
                let (wall, cpu_ms, peak_bytes) = (ran.ended - ran.started, ran.cpu_ms, ran.measured_peak_bytes);
                let end = duty.report(ran);
                // Nobody listens any more: the worker ended without this task.
                let _ = sender.send(Message::Ended { held, end, wall_ms: millis(wall), cpu_ms, peak_bytes });
            },
        );
        match started {
            Ok(threads) => {
                self.observer.on(&FleetEvent::Started { held, cores });
                self.running.insert(held, (stop, threads));
            }
            Err(error) => {
                self.free(&held);
                self.refuse(held, format!("cannot start threads: {error}"));
            }
        }
    }

    fn depot(&self, stop: &CancelToken) -> Result<Depot, String> {
        match (&self.config.artifacts, &self.carrier) {
            (Artifacts::Shared(directory), _) => {
                let store = shared(directory).map_err(|error| error.to_string())?;
                Ok(Depot::here(store, stop.clone()))
            }
            (_, Some(carrier)) => Ok(Depot::there(carrier.clone(), stop.clone())),
            (Artifacts::Cached { directory, .. }, None) => Err(format!("{} is not open", directory.display())),
        }
    }

    fn free(&mut self, held: &Held) {
        self.running.remove(held);
        self.room.leave(held);
        self.pulse.leave(held);
    }

    /// A task that could not even start here.
    fn refuse(&self, held: Held, reason: String) {
        self.say_failed(held, Verdict::Retry, &reason);
        self.observer.on(&FleetEvent::Failed { held, verdict: Verdict::Retry, reason });
    }

    fn give_back(&self, held: Held) {
        self.say_failed(held, Verdict::Released, "the worker shuts down");
    }

    fn say_failed(&self, held: Held, verdict: Verdict, detail: &str) {
        let fail = Fail { held, verdict, detail: detail.to_owned() };
        if let Err(error) = self.client.fail(&self.config.name, &fail) {
            tracing::warn!(?held, %error, "the gateway could not be told; the lease runs out");
        }
    }

    /// Asks what still runs to stop, gives it back, and gives it a moment.
    fn stop_all(&mut self) {
        let held: Vec<Held> = self.running.keys().copied().collect();
        for (held, (stop, _)) in &self.running {
            stop.cancel();
            self.give_back(*held);
        }
        let until = Instant::now() + STOP_WAIT;
        while !self.running.is_empty() {
            match self.messages.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Message::Ended { held, .. }) => self.free(&held),
                Ok(Message::Answer(_, Ok(Some(assignment)))) => self.give_back(assignment.held),
                Ok(Message::Answer(..)) => {}
                Err(_) => break,
            }
        }
        for held in held.iter().filter(|held| self.running.contains_key(held)) {
            tracing::warn!(?held, "still runs and is left behind");
        }
    }

    /// What came too late is given back with everything else.
    fn leave(&self) {
        if let Err(error) = self.client.leave(&self.config.name, &self.boot) {
            tracing::debug!(%error, "the gateway does not know that this worker left");
        }
    }
}

/// Differs from start to start of a process of this name.
fn boot() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", std::process::id(), since.as_nanos())
}
