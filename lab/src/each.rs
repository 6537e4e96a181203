//! A thread on each processor.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use crate::scheduling::{Policy, bind};

/// Threads, one bound to each processor, that end when this is dropped.
#[derive(Debug)]
pub(crate) struct OnEach {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl OnEach {
    /// Has each thread do `work` again and again.
    ///
    /// # Errors
    /// A thread can't be scheduled by the policy.
    pub(crate) fn start(
        policy: Policy,
        work: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let mut all = Self { over: Arc::default(), threads: Vec::new() };
        for processor in 0..thread::available_parallelism()?.get() {
            let (over, work) = (Arc::clone(&all.over), work.clone());
            let (report, begun) = mpsc::channel();
            all.threads.push(thread::spawn(move || {
                let begun = bind(processor, policy);
                let is_begun = begun.is_ok();
                // Whoever asked waits for it below.
                let _ = report.send(begun);
                while is_begun && !over.load(Ordering::Relaxed) {
                    work();
                }
            }));
            begun.recv().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))?;
        }
        Ok(all)
    }
}

impl Drop for OnEach {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                eprintln!("a thread of the apparatus panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Mutex, time::Duration};

    use super::*;

    #[test]
    fn there_is_one_on_each_processor_until_they_are_dropped() {
        let seen = Arc::<Mutex<HashSet<_>>>::default();
        let kept = Arc::clone(&seen);
        let all = OnEach::start(Policy::Last, move || {
            kept.lock().unwrap().insert(thread::current().id());
            thread::sleep(Duration::from_millis(1));
        })
        .unwrap();
        let processors = thread::available_parallelism().unwrap().get();
        let everybody = || seen.lock().unwrap().len() == processors;
        crate::eventually("all to work", Duration::from_secs(20), everybody);
        drop(all);
        assert_eq!(Arc::strong_count(&seen), 1, "one is left");
    }
}
