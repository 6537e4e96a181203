use std::fs;
use std::sync::mpsc;

use halb_lab::Loopback;
use tempfile::TempDir;

use super::*;
use crate::control::protocol::{Request, Response};
use halb_config::settings::LogLevel;

const PATIENCE: Duration = Duration::from_secs(20);

/// Starts a daemon, lets every blocking thread hang, and hands it over.
fn while_all_blocking_threads_hang(test: impl AsyncFnOnce(Started)) {
    let (directory, address) = (TempDir::new().unwrap(), Loopback::claim().unwrap());
    let text = format!(
        "[frontend.f]\nbind = [\"{}\"]\nbackend = \"b\"\n\
         [backend.b]\ncheck = false\nserver = {{ s = \"{}\" }}\n\
         [admin]\nhttp = false\nsocket = \"{}\"\n[global]\nworkers = 1\n",
        address.port(8080),
        address.port(8081),
        directory.path().join("admin.sock").display(),
    );
    let file = directory.path().join("halb.toml");
    fs::write(&file, text).unwrap();
    let runtime = control_runtime().unwrap();
    let mut loaded = config::load(&file).unwrap();
    loaded.settings.log.level = LogLevel::Error;
    let logs = start_logging(&loaded).unwrap();
    runtime.block_on(async {
        let started = start::start(loaded, &file, None, logs, None).await.unwrap();
        let hang = |_| {
            let (release, until_released) = mpsc::channel::<()>();
            task::spawn_blocking(move || until_released.recv());
            release
        };
        // Twice as many: some wait for a thread for ever.
        let hung: Vec<_> = (0..2 * BLOCKING_THREADS).map(hang).collect();
        time::timeout(PATIENCE, test(started)).await.expect("it waits for a blocking thread");
        drop(hung);
    });
    runtime.shutdown_timeout(PATIENCE);
}

#[test]
fn status_watchdog_reload_and_stop_wait_for_nothing_that_blocks() {
    while_all_blocking_threads_hang(async |started| {
        let daemon = Arc::clone(&started.daemon);
        let ask = |request| answers::answer(Arc::clone(&daemon), request);
        assert!(matches!(ask(Request::Status).await, Response::Status { .. }));
        assert!(daemon.stuck_threads().is_empty());

        // A reload that has its lock and waits for a thread.
        let alone = Arc::clone(&daemon.reloading).try_lock_owned().unwrap();
        let waiting = Arc::clone(&daemon);
        let hanging = task::spawn_blocking(move || waiting.reload(alone));
        let Response::Refused { message } = ask(Request::Reload).await else {
            panic!("a second reload was not refused");
        };
        assert!(message.contains("a reload is under way"), "{message}");

        stop(started, std::future::pending).await;
        hanging.abort();
    });
}
