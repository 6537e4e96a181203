//! One network namespace and the thread that owns a runtime in it.

use std::{
    fs::File,
    future::Future,
    io,
    os::fd::OwnedFd,
    panic,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use nix::{
    errno::Errno,
    sched::{CloneFlags, setns, unshare},
};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use super::Error;

/// A network namespace of our own. The kernel removes it when this value, and every process and
/// socket in it, is gone.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
    fd: Arc<OwnedFd>,
    runtime: Handle,
    netlink: rtnetlink::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread tells when it is set up.
struct Ready {
    fd: OwnedFd,
    runtime: Handle,
    netlink: rtnetlink::Handle,
}

impl Namespace {
    /// Makes a namespace; `name` is for messages only.
    pub(super) fn create(name: &str) -> Result<Self, Error> {
        let (report, ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let for_thread = name.to_owned();
        let thread = thread::Builder::new()
            .name(format!("host {name}"))
            .spawn(move || live(&for_thread, &report, stopped))
            .map_err(Error::kernel(name, "starting a thread"))?;
        let ready = ready.recv().unwrap_or_else(|_| {
            let source = io::Error::other("the thread of the host panicked");
            Err(Error::kernel(name, "setting up its thread")(source))
        })?;
        Ok(Self {
            name: name.to_owned(),
            fd: Arc::new(ready.fd),
            runtime: ready.runtime,
            netlink: ready.netlink,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// Runs `work` on a thread of its own inside, and hands on its value or its panic.
    pub(super) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let outcome = thread::scope(|scope| {
            let inside = || {
                setns(&*self.fd, CloneFlags::CLONE_NEWNET)
                    .expect("who made a namespace may enter it");
                work()
            };
            let builder = thread::Builder::new().name(format!("in {}", self.name));
            builder.spawn_scoped(scope, inside).expect("a thread can be started").join()
        });
        outcome.unwrap_or_else(|cause| panic::resume_unwind(cause))
    }

    /// Runs a future on the runtime inside, waits for it, and hands on its value or its panic.
    pub(super) fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (report, outcome) = mpsc::channel();
        let task = self.runtime.spawn(future);
        self.runtime.spawn(async move {
            // The receiver waits below for as long as this namespace exists.
            let _ = report.send(task.await);
        });
        match outcome.recv().expect("the runtime outlives the borrow of its namespace") {
            Ok(value) => value,
            Err(failed) => panic::resume_unwind(failed.into_panic()),
        }
    }

    /// Makes requests over netlink inside.
    pub(super) fn netlink<F, R>(&self, request: impl FnOnce(rtnetlink::Handle) -> F) -> R
    where
        F: Future<Output = R> + Send + 'static,
        R: Send + 'static,
    {
        self.block_on(request(self.netlink.clone()))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the thread of {} panicked", self.name);
        }
    }
}

/// The thread: makes the namespace, tells, and runs its tasks until it is told to stop.
fn live(name: &str, report: &mpsc::Sender<Result<Ready, Error>>, stopped: oneshot::Receiver<()>) {
    let runtime = match set_up(name) {
        Ok((runtime, ready)) => {
            if report.send(Ok(ready)).is_err() {
                return;
            }
            runtime
        }
        Err(error) => {
            // Whoever asked is waiting for it, or has panicked; then nobody needs to know.
            let _ = report.send(Err(error));
            return;
        }
    };
    // An error is the sender's drop, which is the sign to stop.
    let _ = runtime.block_on(stopped);
}

fn set_up(name: &str) -> Result<(tokio::runtime::Runtime, Ready), Error> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| {
        if matches!(errno, Errno::EPERM | Errno::EACCES | Errno::ENOSPC) {
            return Error::Denied(errno.into());
        }
        Error::kernel(name, "making a network namespace")(errno)
    })?;
    let fd = File::open("/proc/thread-self/ns/net")
        .map_err(Error::kernel(name, "opening /proc/thread-self/ns/net"))?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::kernel(name, "starting a runtime"))?;
    let (connection, netlink, _) = {
        let _inside = runtime.enter();
        rtnetlink::new_connection().map_err(Error::kernel(name, "opening a netlink socket"))?
    };
    runtime.spawn(connection);
    let ready = Ready { fd: fd.into(), runtime: runtime.handle().clone(), netlink };
    Ok((runtime, ready))
}
