//! What was last seen of trackers' subjects, in words for people.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::status::words::span;

/// One text for each subject, by how it is displayed; bounded by the configuration. Cheap to
/// clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Details(Arc<Mutex<HashMap<String, (String, Instant)>>>);

impl Details {
    /// Keeps what was seen just now.
    pub(super) fn tell(&self, subject: String, detail: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(subject, (detail, Instant::now()));
    }

    /// A subject that is no longer looked at.
    pub(super) fn forget(&self, subject: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(subject);
    }

    /// All of them; those that are looked at in turns with how long ago that was.
    pub(super) fn all(&self) -> HashMap<String, String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = all.iter().map(|(subject, (detail, at))| {
            let ago = at.elapsed().as_secs_f64();
            let detail = match subject.starts_with("script") || subject.starts_with("file") {
                true => format!("{detail}, {} ago", span(ago)),
                false => detail.clone(),
            };
            (subject.clone(), detail)
        });
        told.collect()
    }
}
