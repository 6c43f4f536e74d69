//! Progress bars with rate and time left, and Ctrl-C.

use crate::output::Output;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// One bar that moves from stage to stage.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    stage: Mutex<Option<String>>,
}

impl Progress {
    /// Draws only when standard error is a terminal and the result is not JSON.
    pub(crate) fn new(output: &Output) -> Self {
        let bar = output.is_interactive().then(|| {
            let style = "{msg:10} {wide_bar} {percent:>3}% {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            let bar = ProgressBar::new(0);
            bar.set_style(ProgressStyle::with_template(style).expect("the template is well-formed"));
            bar
        });
        Self { bar, stage: Mutex::new(None) }
    }

    /// `done` of `total` bytes of `stage`.
    pub(crate) fn set(&self, stage: &str, done: u64, total: u64) {
        let Some(bar) = &self.bar else { return };
        let mut current = self.stage.lock().expect("no holder panics");
        if current.as_deref() != Some(stage) {
            // Rate and time left belong to one stage.
            bar.reset();
            bar.set_message(stage.to_owned());
            *current = Some(stage.to_owned());
        }
        bar.set_length(total);
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A flag that Ctrl-C or a termination signal sets; a second one ends the process at once.
pub(crate) fn cancel_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // Without handlers Ctrl-C still works, it only leaves a temporary file behind.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag));
        let _ = signal_hook::flag::register(signal, Arc::clone(&flag));
    }
    flag
}
