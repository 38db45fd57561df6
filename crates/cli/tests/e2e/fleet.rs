//! A fleet for one job: PostgreSQL, two gateways on it and on one store, workers that speak with one of them each.
//!
//! The test looks at the job through the first gateway, which stays or comes again.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf, time::Instant};

use phalanx_api::{AttemptView, JobId, JobState, JobView, TaskId, TaskState, TaskView};
use phalanx_claim::Digest;
use phalanx_client::{Client, ClientConfig, ClientError};
use serde_json::Value;
use sqlx::{AnyConnection, Connection};

use super::{
    phalanx::{Place, finish, guest, input},
    postgres::Server,
    running::{PATIENCE, Running, free_address, until, until_some},
};

/// The guest takes 269,165 cycles, so this makes five segments: each fault finds some of the job not done yet.
const SEGMENT_CYCLES: &str = "60000";
/// RAM of each worker; three of them live at once.
const RAM: &str = "7G";

/// One of the gateways.
#[derive(Clone, Copy)]
pub enum Gateway {
    First,
    Second,
}

/// One start of a task of the job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    pub task: TaskId,
    pub attempt: u32,
    pub worker: String,
}

/// The fleet. All of it ends with it.
pub struct Fleet {
    server: Server,
    database: String,
    /// Where they are, and those that run.
    gateways: [(SocketAddr, Option<Running>); 2],
    workers: BTreeMap<&'static str, Running>,
    /// How many workers were started.
    starts: u32,
    client: Client,
    #[cfg(feature = "otlp")]
    collector: super::collector::Collector,
    /// The job.
    pub job: JobId,
    begin: Instant,
    /// What the processes write to goes after them.
    pub place: Place,
}

impl Fleet {
    /// Both gateways, no worker, and a job.
    pub fn new() -> Self {
        let server = Server::start();
        let database = block_on(server.new_database());
        let gateways = [(free_address(), None), (free_address(), None)];
        let client = Client::new(&ClientConfig::new(format!("http://{}", gateways[0].0))).unwrap();
        // It has its name when it is submitted.
        let (workers, job, begin) = (BTreeMap::new(), JobId::new(), Instant::now());
        let mut fleet = Self {
            server,
            database,
            gateways,
            workers,
            starts: 0,
            client,
            #[cfg(feature = "otlp")]
            collector: super::collector::Collector::start(),
            job,
            begin,
            place: Place::new(),
        };
        // Both at once bring the database's schema up to date.
        fleet.spawn_gateway(Gateway::First);
        fleet.start_gateway(Gateway::Second);
        let submitted = fleet.submit(Gateway::Second, &[]);
        assert_eq!(submitted["is_known"], false);
        fleet.job = submitted["job"].as_str().unwrap().parse().unwrap();
        fleet
    }

    /// Says when something happens, for whoever reads the test's output.
    pub fn tell(&self, what: &str) {
        eprintln!("{:>6.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    /// Starts a gateway where it was before, and waits until it answers.
    pub fn start_gateway(&mut self, gateway: Gateway) {
        self.spawn_gateway(gateway);
        until("the gateway answers", || self.ask(gateway, &["workers"]).is_some());
    }

    fn spawn_gateway(&mut self, gateway: Gateway) {
        let (address, running) = &mut self.gateways[gateway as usize];
        let (address, name) = (address.to_string(), format!("gateway-{}", gateway as usize));
        let serve = ["serve", "--roles", "gateway", "--listen", &address, "--store", "store", "--database-url"];
        let mut serve = self.place.command(&[&serve[..], &[&self.database]].concat());
        *running = Some(Running::start(&self.place, &name, &mut serve));
    }

    /// Kills a gateway.
    pub fn kill_gateway(&mut self, gateway: Gateway) {
        drop(self.gateways[gateway as usize].1.take().expect("it runs"));
    }

    fn url(&self, gateway: Gateway) -> String {
        format!("http://{}", self.gateways[gateway as usize].0)
    }

    /// What a command says in JSON when it asks a gateway, if it is answered.
    fn ask(&self, gateway: Gateway, arguments: &[&str]) -> Option<Value> {
        let server = ["--server", &self.url(gateway), "--json", "--quiet"];
        let done = finish(self.place.command(&[arguments, &server].concat()).spawn().unwrap());
        (done.code == Some(0)).then(|| done.json())
    }

    /// The same from a command that is answered.
    pub fn told(&self, gateway: Gateway, arguments: &[&str]) -> Value {
        self.ask(gateway, arguments).unwrap_or_else(|| panic!("{arguments:?} fails"))
    }

    /// Submits the job, also when it is there.
    pub fn submit(&self, gateway: Gateway, options: &[&str]) -> Value {
        let (elf, list) = (guest("mergesort"), input("list-1000.bin"));
        let job = ["submit", elf.to_str().unwrap(), "--input", list.to_str().unwrap()];
        self.told(gateway, &[&job[..], &["--segment-cycles", SEGMENT_CYCLES], options].concat())
    }

    /// Starts a worker that has no artifacts. One of its name must be over.
    pub fn start_worker(&mut self, name: &'static str, gateway: Gateway) {
        self.starts += 1;
        let (url, cache) = (self.url(gateway), format!("cache-{}", self.starts));
        let worker = ["worker", "--server", &url, "--name", name, "--jobs", "1", "--ram", RAM, "--cache", &cache];
        let mut worker = self.place.command(&worker);
        #[cfg(feature = "otlp")]
        worker.env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.collector.endpoint);
        let running = Running::start(&self.place, name, &mut worker);
        assert!(self.workers.insert(name, running).is_none());
    }

    /// A worker that was started.
    pub fn worker(&self, name: &str) -> &Running {
        &self.workers[name]
    }

    /// Kills a worker.
    pub fn kill_worker(&mut self, name: &str) {
        drop(self.workers.remove(name).expect("it runs"));
    }

    /// How a worker ends that was told to.
    pub fn exit_code(&mut self, name: &str) -> Option<i32> {
        self.workers.remove(name).expect("it runs").exit_code()
    }

    /// Kills the database's server as a crash would, and starts it again.
    pub fn restart_database(&self) {
        self.server.restart();
    }

    /// Ends every connection to the database. Gives how many there were.
    pub fn cut_connections(&self) -> i64 {
        block_on(async {
            let mut connection = AnyConnection::connect(&self.database).await.unwrap();
            let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE pid <> pg_backend_pid() AND datname = current_database()";
            sqlx::query_scalar(cut).fetch_one(&mut connection).await.unwrap()
        })
    }

    /// Removes an artifact from the store.
    pub fn lose(&self, artifact: &Digest) {
        let name = artifact.to_string();
        let path: PathBuf = ["store", "artifacts", &name[..2], &name].iter().collect();
        fs::remove_file(self.place.root().join(path)).unwrap();
    }

    /// The first gateway's answer, once it is there.
    fn look<T>(&self, mut call: impl FnMut(&Client) -> Result<T, ClientError>) -> T {
        self.client.persistently(Instant::now() + PATIENCE, || call(&self.client)).unwrap()
    }

    /// Every task of the job.
    pub fn tasks(&self) -> Vec<TaskView> {
        let page = self.look(|client| client.tasks(self.job, None, Some(500)));
        assert_eq!(page.next, None, "one page has them all");
        page.tasks
    }

    /// What became of the starts of a task that are over.
    pub fn attempts(&self, task: TaskId) -> Vec<AttemptView> {
        self.look(|client| client.attempts(self.job, task))
    }

    /// What became of one start, once it is over.
    pub fn outcome(&self, start: &Start) -> Option<String> {
        let attempts = self.attempts(start.task);
        let attempt = attempts.into_iter().find(|attempt| attempt.attempt == start.attempt)?;
        assert_eq!(attempt.worker, start.worker);
        Some(attempt.outcome)
    }

    /// Waits until these starts are over, and holds what became of them against this.
    pub fn all_end(&self, starts: &[Start], expected: &str) {
        for start in starts {
            let outcome = until_some(&format!("{start:?} is over"), || self.outcome(start));
            assert_eq!(outcome, expected, "{start:?}");
        }
    }

    /// What runs now.
    pub fn running(&self) -> Vec<Start> {
        running(&self.tasks()).collect()
    }

    /// Waits until a worker holds such a task.
    pub fn until_holds(&self, worker: &str, is_such: impl Fn(TaskId) -> bool) -> Start {
        until_some(&format!("{worker} holds what it should"), || {
            self.running().into_iter().find(|start| start.worker == worker && is_such(start.task))
        })
    }

    /// Whether the workers have sent spans of the job with such names.
    #[cfg(feature = "otlp")]
    pub fn is_traced(&self, names: &[&str]) -> bool {
        // The trace's id is the job's.
        let digits = self.job.to_string().replace('-', "");
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let trace: Vec<u8> = digits.as_bytes().chunks(2).map(byte).collect();
        self.collector.has(&trace) && names.iter().all(|name| self.collector.has(name.as_bytes()))
    }

    /// The job when it is done.
    pub fn done(&self) -> JobView {
        until("the job is over", || self.look(|client| client.job(self.job)).state.is_over());
        let view = self.look(|client| client.job(self.job));
        assert_eq!(view.state, JobState::Done, "{:?} {:?}", view.failed_task, view.failure);
        view
    }
}

/// The starts of these tasks that are not over.
pub fn running(tasks: &[TaskView]) -> impl Iterator<Item = Start> {
    let running = tasks.iter().filter(|task| task.state == TaskState::Running);
    running.map(|task| Start { task: task.task, attempt: task.attempt, worker: task.worker.clone().unwrap() })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
