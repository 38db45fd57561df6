//! A fleet of a scenario: gateways on one database and one store, workers, and a client. All of it ends with it.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use phalanx_api::{JobId, JobState, JobView, NewJob, TaskState, TaskView};
use phalanx_client::{Client, ClientConfig};
use phalanx_plan::{FoldShape, FoldTree, TaskKind};
use phalanx_receipt::Receipt;
use tempfile::TempDir;

use crate::{
    child::{GatewayPart, Mischief, Part, TOKEN, WorkerPart},
    fake, postgres, small_disk,
};

/// How long anything in a scenario may take; far more than it does.
const PATIENCE: Duration = Duration::from_secs(90);

/// Every kind of task.
pub const ALL: [TaskKind; 4] = [TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal];

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    Sqlite,
    Postgres,
}

/// Runs a scenario on both databases.
pub fn on_both(scenario: impl Fn(&mut Cluster)) {
    on_both_with(|_, _| {}, scenario);
}

/// The same with gateways that are not as usual.
pub fn on_both_with(change: impl Fn(&Path, &mut GatewayPart), scenario: impl Fn(&mut Cluster)) {
    for on in [On::Sqlite, On::Postgres] {
        eprintln!("on {on:?}");
        scenario(&mut Cluster::with(on, &change));
    }
}

/// Waits for what only asynchronous code does.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The fleet.
pub struct Cluster {
    pub folder: TempDir,
    /// What its gateways are, but for their addresses.
    pub gateway: GatewayPart,
    gateways: Vec<(SocketAddr, Option<Child>)>,
    workers: Vec<Worker>,
    /// Speaks to the first gateway.
    pub client: Client,
}

/// A worker of the fleet.
pub struct Worker {
    pub process: Child,
}

impl Cluster {
    /// One gateway and no worker.
    pub fn new(on: On) -> Self {
        Self::with(on, |_, _| {})
    }

    /// One whose gateways are not as usual; `change` is told the folder, too.
    pub fn with(on: On, change: impl FnOnce(&Path, &mut GatewayPart)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match on {
            On::Sqlite => format!("sqlite:{}", folder.path().join("queue.db").display()),
            On::Postgres => block_on(postgres::new_database()),
        };
        Self::start(folder, database, change)
    }

    /// One on a database of the scenario's own.
    pub fn on_database(url: String) -> Self {
        Self::start(tempfile::tempdir().unwrap(), url, |_, _| {})
    }

    fn start(folder: TempDir, database: String, change: impl FnOnce(&Path, &mut GatewayPart)) -> Self {
        let mut gateway = GatewayPart {
            database,
            store: folder.path().join("store").display().to_string(),
            store_variables: Vec::new(),
            disk: None,
            database_is_full: folder.path().join("database-is-full"),
            address: SocketAddr::from(([127, 0, 0, 1], 9)),
            clock_times: 6,
            clock_ahead_ms: 0,
        };
        change(folder.path(), &mut gateway);
        let client = client_of("http://127.0.0.1:9".into());
        let mut cluster = Self { folder, gateway, gateways: Vec::new(), workers: Vec::new(), client };
        cluster.add_gateway();
        cluster.client = client_of(cluster.server(0));
        cluster
    }

    /// Another gateway on the same database and store.
    pub fn add_gateway(&mut self) -> usize {
        let address = TcpListener::bind((self.gateway.address.ip(), 0)).unwrap().local_addr().unwrap();
        self.gateways.push((address, None));
        self.start_gateway(self.gateways.len() - 1);
        self.gateways.len() - 1
    }

    /// Starts a gateway that does not run, where it was before.
    pub fn start_gateway(&mut self, index: usize) {
        let address = self.gateways[index].0;
        let part = GatewayPart { address, ..self.gateway.clone() };
        self.gateways[index].1 = Some(Part::Gateway(part).start());
        let client = client_of(self.server(index));
        until("the gateway answers", || client.queue().is_ok());
    }

    pub fn kill_gateway(&mut self, index: usize) {
        let mut process = self.gateways[index].1.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// The number of the first gateway's process.
    pub fn gateway_process(&self) -> u32 {
        self.gateways[0].1.as_ref().unwrap().id()
    }

    /// A path as the first gateway sees it, which may have a disk of its own.
    pub fn seen_by_gateway(&self, path: &Path) -> PathBuf {
        small_disk::seen_by(self.gateway_process(), path)
    }

    /// The same for a worker.
    pub fn seen_by_worker(&self, worker: usize, path: &Path) -> PathBuf {
        small_disk::seen_by(self.workers[worker].process.id(), path)
    }

    pub fn server(&self, index: usize) -> String {
        format!("http://{}", self.gateways[index].0)
    }

    pub fn address(&self, index: usize) -> SocketAddr {
        self.gateways[index].0
    }

    /// A worker that behaves: tasks take up to 60 ms.
    pub fn part(&self, name: &str) -> WorkerPart {
        WorkerPart {
            server: self.server(0),
            silence_ms_max: 30_000,
            name: name.to_owned(),
            host: None,
            kinds: ALL.to_vec(),
            slots: 2,
            cache: self.folder.path().join("cache").join(name),
            disk: None,
            beside: None,
            shared: None,
            engine_version: "1".into(),
            task_ms_max: 60,
            segment_pause_ms: 5,
            mischief: None,
        }
    }

    /// Starts a worker.
    pub fn worker(&mut self, part: &WorkerPart) -> usize {
        self.workers.push(Worker { process: Part::Worker(part.clone()).start() });
        self.workers.len() - 1
    }

    /// Starts a worker that does something wrong.
    pub fn villain(&mut self, name: &str, mischief: Mischief) -> usize {
        let part = WorkerPart { mischief: Some(mischief), ..self.part(name) };
        self.worker(&part)
    }

    pub fn signal(&self, worker: usize, signal: rustix::process::Signal) {
        let id = self.workers[worker].process.id();
        let id = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    pub fn kill(&mut self, worker: usize) {
        let process = &mut self.workers[worker].process;
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// The exit code of a worker that ends by itself.
    pub fn exit_code(&mut self, worker: usize) -> Option<i32> {
        let process = &mut self.workers[worker].process;
        let mut status = None;
        until("the worker ends", || {
            status = process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }

    /// Queues a job of so many segments.
    pub fn submit(&self, segments: u32, seed: u8) -> JobId {
        self.submit_with(segments, seed, |job| job)
    }

    pub fn submit_with(&self, segments: u32, seed: u8, change: impl FnOnce(NewJob) -> NewJob) -> JobId {
        self.client.submit(&change(self.new_job(segments, seed)), None).unwrap().job
    }

    /// What is to be said of a job of so many segments, whose program and input are in the store.
    pub fn new_job(&self, segments: u32, seed: u8) -> NewJob {
        let spec = fake::job(segments, seed);
        // A gateway wants an ELF and an encoded input, the fake engine its number of segments and a seed: see `fake`.
        let program = self.client.program(&spec.program).unwrap().digest;
        let input = self.client.input(&spec.stdin).unwrap().digest;
        NewJob { program, input, priority: 0, deadline_after_ms: None, limits: Default::default() }
    }

    pub fn job(&self, job: JobId) -> JobView {
        self.client.job(job).unwrap()
    }

    /// Every task of the job.
    pub fn tasks(&self, job: JobId) -> Vec<TaskView> {
        let mut tasks = Vec::new();
        let mut after = None;
        loop {
            let page = self.client.tasks(job, after, Some(500)).unwrap();
            tasks.extend(page.tasks);
            after = page.next;
            if after.is_none() {
                return tasks;
            }
        }
    }

    /// How many tasks of the job are done.
    pub fn done(&self, job: JobId) -> usize {
        self.tasks(job).iter().filter(|task| task.state == TaskState::Done).count()
    }

    /// The job once it is over.
    pub fn over(&self, job: JobId) -> JobView {
        let mut view = self.job(job);
        until(&format!("job {job} is over; it is {view:?}"), || {
            view = match self.client.job(job) {
                Ok(view) => view,
                Err(_) => return false,
            };
            view.state.is_over()
        });
        view
    }

    /// Waits for the job and holds what came out against what must: every task done exactly once, the receipt that of the job.
    pub fn proven(&self, job: JobId, segments: u32) -> JobView {
        let view = self.over(job);
        assert_eq!(view.state, JobState::Done, "{:?} {:?}", view.failed_task, view.failure);
        let receipt = Receipt::decode(&self.client.receipt(job).unwrap()).unwrap();
        assert_eq!(receipt.claim.program.as_bytes(), view.program.as_bytes());
        assert_eq!((receipt.provenance.segments, receipt.provenance.made_by.as_str()), (segments, "fake"));
        assert_eq!(view.segments, Some(u64::from(segments)));
        let tasks = self.tasks(job);
        let folds = FoldTree::new(&FoldShape { arities: vec![4, 3, 3] }, segments).unwrap().nodes().count();
        assert_eq!(tasks.len(), 2 + segments as usize + folds);
        for task in &tasks {
            assert_eq!(task.state, TaskState::Done, "{}", task.task);
            assert!(task.output.is_some(), "{}", task.task);
            let attempts = self.client.attempts(job, task.task).unwrap();
            let done = attempts.iter().filter(|attempt| attempt.outcome == "done").count();
            assert_eq!(done, 1, "{} was completed {done} times", task.task);
            let numbers: BTreeSet<u32> = attempts.iter().map(|attempt| attempt.attempt).collect();
            assert_eq!(numbers.len(), attempts.len(), "{}: an attempt ended twice", task.task);
        }
        view
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let gateways = self.gateways.iter_mut().filter_map(|(_, process)| process.as_mut());
        for process in self.workers.iter_mut().map(|worker| &mut worker.process).chain(gateways) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn client_of(server: String) -> Client {
    Client::new(&ClientConfig { token: Some(TOKEN.to_owned()), ..ClientConfig::new(server) }).unwrap()
}

/// Waits for something to come true.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
