//! `gt up`: the controller. It serves the town's API and reconciles until it is told to stop.
//!
//! The controller is a convenience: agents go on without it, and what it finds when it comes back it adopts.

mod install;
mod log;
mod webhook;

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gastown_crds::common::{API_VERSION, MANAGED_BY};
use gastown_crds::{Bead, Rig, Source};
use gastown_supervisor as supervisor;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::api::{self, Server};
use crate::cli::common::context::Context;
use crate::cli::common::controller;
use crate::cli::common::error::{CliError, Exit, SOCKET_HINT};
use crate::clock::SystemClock;
use crate::connect::{StoreLock, answers, options_of};
use crate::engine::{Engine, Parts};
use crate::ledger;
use crate::manifests;
use crate::town::{Places, TOWN_FILE, Town};
use crate::world::exec::Exec;
use crate::world::layout::Layout;
use crate::world::real::Real;
use crate::world::retention::{Leftovers, Living};

/// A log that is longer when a controller starts makes room for a new one; the one before is kept beside it.
const LOG_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The most that is shown of what a controller said that did not start.
const TOLD_BYTES_MAX: u64 = 8 * 1024;
/// Standard error, the last of the three that a program is started with.
const STDERR_FD: i32 = 2;
/// What the background process says once it serves, with a note after a colon if there is one.
const READY: &str = "ready";

/// The source that `--watch` declares.
const WATCH: &str = "watch";

/// How long the effects that are under way get to end once the controller is told to stop. Making a worktree is the
/// longest of them: it waits at most 30 s for its repository, then runs six commands of git that read or write every file
/// (rescue: `add`, `write-tree`; switch: `checkout`, `clean`, `ls-files`; anew: `worktree add`), of at most 2 min each.
/// What is not over by then is left: it is safe to kill a controller at any instant.
const EFFECTS_MAX: Duration = Duration::from_secs(30 + 6 * 120);

/// How long the requests that were begun get, and then whatever else still blocks a thread: a look asks a program or two,
/// and each answers within 2 s or is killed.
const REST_MAX: Duration = Duration::from_secs(3);

/// How long the store may take to close: it moves its log into its file, some MB.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// How long after it was told to stop a controller may still be there.
pub const STOP_MAX: Duration = EFFECTS_MAX.saturating_add(REST_MAX).saturating_add(REST_MAX).saturating_add(CLOSE_MAX);

/// Start the controller.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct UpArgs {
    /// Stay in the foreground and log to standard error.
    #[arg(long)]
    foreground: bool,
    /// At most so many polecats at once on this machine, even if the town allows more.
    #[arg(long, value_name = "N", env = "GT_MACHINE_POLECATS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    machine_polecats: Option<u32>,
    /// Make live what is saved in this folder: declares the Source `watch`, which stays until `gt delete source/watch`.
    #[arg(long, value_name = "DIR")]
    watch: Option<PathBuf>,
    /// Take webhooks at this address of this machine, such as 127.0.0.1:8787, for the sources that declare one.
    #[arg(long, value_name = "ADDRESS", env = "GT_WEBHOOK")]
    webhook: Option<SocketAddr>,
    /// Have systemd start it with your login, and at boot where your user lingers: writes a user unit, which starts this program.
    #[arg(long, conflicts_with_all = ["foreground", "watch"])]
    install: bool,
    /// Stop it and remove the unit that `--install` wrote; agents go on.
    #[arg(long, conflicts_with_all = ["foreground", "watch", "install"])]
    uninstall: bool,
    /// Print the unit, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Leave the terminal and say `ready` on standard output; what `gt up` starts.
    #[arg(long, hide = true)]
    background_child: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: &UpArgs) -> Result<ExitCode, CliError> {
    // What whoever starts it has open (a pipe that somebody reads to its end, a lock) must not be held by the controller, nor
    // by what that starts, for days.
    close_fds::set_fds_cloexec(STDERR_FD + 1, &[]);
    args.webhook.map_or(Ok(()), webhook::check)?;
    let town = context.town()?;
    if args.install || args.uninstall {
        let run = if args.install { install::install } else { install::uninstall };
        return run(context, &town, args).map(|()| ExitCode::SUCCESS);
    }
    if args.dry_run {
        return Err(CliError::new(Exit::Usage, "`--dry-run` goes with `--install` or `--uninstall`"));
    }
    if args.foreground || args.background_child {
        return serve(town, args, &context.places);
    }
    start(context, &town, args)
}

/// Starts the controller in the background and waits until it serves or has failed.
fn start(context: &Context, town: &Town, args: &UpArgs) -> Result<ExitCode, CliError> {
    if answers(&town.layout.api_socket()) {
        let holder = StoreLock::holder(&town.layout.store_lock());
        context.out.talk(&format!("town `{}` is up already (process {holder})", town.name));
        if args.watch.is_some() {
            return Err(CliError::new(Exit::Refused, "it does not begin to watch a folder while it is up")
                .hint("`gt down`, then `gt up --watch DIR`; agents go on meanwhile"));
        }
        if args.webhook.is_some() {
            context
                .out
                .talk("it takes webhooks only where it did when it came up: `gt down`, then `gt up --webhook ADDRESS`");
        }
        return Ok(ExitCode::SUCCESS);
    }
    town.claim().map_err(|e| CliError::new(Exit::Failed, "could not prepare the town's folders").because(&e))?;
    let path = town.layout.log();
    let log = open_log(&path).inspect_err(|e| {
        context.out.talk(&format!("the controller's log cannot be written, so it goes without: {e}"));
    });
    let log_from = log.as_ref().ok().and_then(|log| log.metadata().ok()).map_or(0, |log| log.len());
    let mut exec = Exec::new(this_program()?).args(["up", "--background-child", "--town"]).arg(&town.dir).cwd("/");
    if let Some(max) = args.machine_polecats {
        exec = exec.arg("--machine-polecats").arg(max.to_string());
    }
    if let Some(dir) = &args.watch {
        // It starts elsewhere.
        exec = exec.arg("--watch").arg(watched(dir)?);
    }
    if let Some(address) = args.webhook {
        exec = exec.arg("--webhook").arg(address.to_string());
    }
    let mut command = exec.command();
    // It leads no group: who does cannot begin a session.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.map_or_else(|_| Stdio::null(), Stdio::from));
    let mut child =
        command.spawn().map_err(|e| CliError::new(Exit::Failed, "could not start the controller").because(&e))?;
    let said = child.stdout.take().map(|out| {
        let mut line = String::new();
        // A child that dies closes its output: an empty line, and the log says why.
        drop(BufReader::new(out).read_line(&mut line));
        line
    });
    if said.is_some_and(|said| said.trim() == READY) {
        context.tell_restored(town);
        context.out.talk(&format!(
            "town `{}` is up (process {}); its log: {}",
            town.name,
            child.id(),
            town.layout.log().display()
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let mut new = Vec::new();
    let said = fs_err::File::open(&path).and_then(|mut log| {
        log.seek(SeekFrom::Start(log_from))?;
        log.take(TOLD_BYTES_MAX).read_to_end(&mut new)
    });
    drop(said);
    let new = String::from_utf8_lossy(&new);
    Err(CliError::new(Exit::Failed, format!("the controller did not start:\n{}", new.trim_end()))
        .hint("`gt doctor` says what is missing here"))
}

/// The log to append to, for the user alone.
fn open_log(path: &Path) -> std::io::Result<File> {
    if fs_err::metadata(path).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
        fs_err::rename(path, path.with_extension("log.1"))?;
    }
    let log = supervisor::log::append(path)?;
    log.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(log)
}

/// The folder to watch, by its whole path.
fn watched(dir: &Path) -> Result<PathBuf, CliError> {
    fs_err::canonicalize(dir).map_err(|e| {
        CliError::new(Exit::NotFound, format!("there is no folder `{}` to watch", dir.display())).because(&e)
    })
}

/// Declares the source that makes live what is saved in a folder.
async fn watch_folder(client: &Client, dir: &Path) -> Result<(), CliError> {
    let dir = watched(dir)?;
    let source = json!({
        "apiVersion": API_VERSION, "kind": "Source", "metadata": { "name": WATCH },
        "spec": { "directory": { "path": dir }, "prune": true },
    });
    let sources: Api<Source> = Api::default_namespaced(client.clone());
    let params = PatchParams::apply(MANAGED_BY).force();
    sources.patch(WATCH, &params, &Patch::Apply(source)).await?;
    Ok(())
}

fn this_program() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(|e| CliError::new(Exit::Failed, "could not find this program").because(&e))
}

fn serve(town: Town, args: &UpArgs, places: &Places) -> Result<ExitCode, CliError> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("GT_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = log::LogFile::of_stderr(&town.layout.log()).map_or_else(|| log::Log::to(std::io::stderr()), log::Log::to);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(log.clone())
        .with_ansi(args.foreground && std::io::stderr().is_terminal())
        .init();
    if args.background_child {
        // Away from the terminal, before `ready` is said: neither closing it nor Ctrl-C in it may end the town.
        rustix::process::setsid().map_err(|e| {
            CliError::new(Exit::Failed, "could not leave the terminal").because(&std::io::Error::from(e))
        })?;
    }
    // Lock, open, bind; stop in reverse.
    let lock_path = town.layout.store_lock();
    let failed = |what: &str, error: &dyn std::error::Error| CliError::new(Exit::Failed, what).because(error);
    let lock = StoreLock::take(&lock_path).map_err(|e| failed("could not take the store's lock", &e))?;
    let Some(lock) = lock else {
        let holder = StoreLock::holder(&lock_path);
        return Err(CliError::new(Exit::Failed, format!("the town's store is in use by process {holder}"))
            .hint("`gt down` stops it"));
    };
    town.claim().map_err(|e| failed("could not prepare the town's folders", &e))?;
    if let Some(other) = controller::with_the_store(&town.layout) {
        let what = format!("process {other} has the town's store open, although its lock is free");
        return Err(CliError::new(Exit::Failed, what).hint("`gt down` stops it"));
    }
    let place = api::Place::File(town.layout.store());
    let server = Server::open(&place, api::Writer::Threaded, options_of(&town))
        .map_err(|e| failed("could not open the store", &e))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| failed("could not start", &e))?;
    let result = runtime.block_on(control(town, places, args, server.clone()));
    runtime.shutdown_timeout(REST_MAX);
    server.close();
    drop(lock);
    log.flush();
    result.map(|()| ExitCode::SUCCESS)
}

/// What is not over. A bead that was opened again is not: its spec says so before its status does.
async fn living(client: &Client) -> kube::Result<Living> {
    let beads: Api<Bead> = Api::default_namespaced(client.clone());
    let rigs: Api<Rig> = Api::default_namespaced(client.clone());
    let open = beads.list_metadata(&ListParams::default().fields("spec.closed.reason=")).await?;
    let rigs = rigs.list_metadata(&ListParams::default()).await?;
    Ok(Living {
        beads: open.items.into_iter().filter_map(|bead| bead.metadata.uid).collect(),
        rigs: rigs.items.into_iter().filter_map(|rig| rig.metadata.uid).collect(),
    })
}

/// Makes the API's socket where it was before: sessions and other shells look for it there. Where none can be, one is made
/// where this process has its temporary files.
fn bind(town: Town, places: &Places) -> Result<(Town, UnixListener), CliError> {
    let failed = |error: &std::io::Error| {
        let failed = CliError::new(Exit::Failed, "could not serve the API").because(error);
        if error.kind() == std::io::ErrorKind::PermissionDenied { failed.hint(SOCKET_HINT) } else { failed }
    };
    let anew = town.anew(places);
    let (town, listener) = match api::bind_unix(&town.layout.api_socket()) {
        Ok(listener) => (town, listener),
        Err(error) if anew.layout.runtime() == town.layout.runtime() => return Err(failed(&error)),
        Err(error) => {
            warn!(%error, folder = %town.layout.runtime().display(), "the sockets cannot be where they were");
            let listener = api::bind_unix(&anew.layout.api_socket()).map_err(|e| failed(&e))?;
            (anew, listener)
        }
    };
    town.settle().map_err(|e| failed(&e))?;
    Ok((town, listener))
}

/// Removes what is over and too much, beside all else. What lies there is listed before it is asked what is over: what is
/// begun meanwhile is not in the list.
async fn sweep(layout: Layout, client: Client) {
    let lying = tokio::task::spawn_blocking(move || Leftovers::of(&layout)).await;
    match (lying, living(&client).await) {
        (Ok(Ok(lying)), Ok(living)) => drop(tokio::task::spawn_blocking(move || lying.sweep(&living))),
        (Ok(Err(error)), _) => warn!(%error, "leftovers stay: they could not be listed"),
        (_, Err(error)) => warn!(%error, "leftovers stay: what is over could not be asked"),
        (Err(error), _) => warn!(%error, "leftovers stay"),
    }
}

async fn control(town: Town, places: &Places, args: &UpArgs, server: Server) -> Result<(), CliError> {
    let failed = |what: &str, error: &dyn std::error::Error| CliError::new(Exit::Failed, what).because(error);
    let (town, listener) = bind(town, places)?;
    let clock = Arc::new(SystemClock);
    let gt = this_program()?;
    let (real, wakes) = Real::open(&town, &gt, args.machine_polecats, clock.clone())
        .map_err(|e| failed("could not prepare the town's world", &e))?;
    let client = server.client(&town.name);
    manifests::ensure_built_in(&client).await.map_err(|e| failed("could not create what every town has", &e))?;
    // The file that marks a town declares it too; its later texts come by `gt apply`.
    let file = town.dir.join(TOWN_FILE);
    let text = fs_err::read_to_string(&file).map_err(|e| failed("could not read the town's file", &e))?;
    manifests::ensure(&client, TOWN_FILE, &text).await.map_err(|e| failed("could not create the Town", &e))?;
    if let Some(dir) = &args.watch {
        watch_folder(&client, dir).await?;
    }
    let hooks = match args.webhook {
        Some(address) => Some(webhook::listen(address).await?),
        None => None,
    };
    let lane = tokio::spawn(ledger::follow(town.layout.facts()));
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| failed("could not listen for signals", &e))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| failed("could not listen for signals", &e))?;
    let (stop, stopped) = tokio::sync::watch::channel(());
    let mut api_stopped = stopped.clone();
    let socket = town.layout.api_socket();
    let (serves, path) = (server.clone(), socket.clone());
    let api = tokio::spawn(async move {
        let stopped = async move { drop(api_stopped.changed().await) };
        api::serve_unix(serves, listener, &path, stopped).await
    });
    if args.background_child {
        let mut out = std::io::stdout();
        // Whoever started us may be gone; that is no reason to stop.
        drop(writeln!(out, "{READY}").and_then(|()| out.flush()));
    }
    if let Some(restored) = server.restored() {
        warn!("{restored}");
    }
    info!(town = town.name, process = std::process::id(), socket = %socket.display(), "up");
    tokio::spawn(sweep(town.layout.clone(), client.clone()));
    if let Some(listener) = hooks {
        // Of port 0, the port that was free.
        let address = listener.local_addr().map_err(|e| failed("could not listen for webhooks", &e))?;
        info!(%address, "takes webhooks");
        tokio::spawn(webhook::Hooks::new(client.clone(), town.dir.clone()).serve(listener));
    }
    let mut engine = Engine::new(Parts {
        client,
        adapter: Arc::new(real),
        clock,
        wakes,
        blocking: true,
        instance: format!("gt-{}", std::process::id()),
    });
    let (finish, finished) = tokio::sync::oneshot::channel();
    let stop_told = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("stopping: waits for what is under way to end");
        let _nobody_waits = finish.send(());
    };
    let too_late = async move {
        drop(finished.await);
        tokio::time::sleep(EFFECTS_MAX).await;
    };
    tokio::select! {
        biased;
        () = engine.run(stop_told) => {}
        () = too_late => warn!(limit = ?EFFECTS_MAX, "what is under way did not end; it is left, and found again"),
    }
    lane.abort();
    drop(stop);
    if tokio::time::timeout(REST_MAX, api).await.is_err() {
        warn!(limit = ?REST_MAX, "requests that were begun did not end; they are left");
    }
    info!("down");
    Ok(())
}
