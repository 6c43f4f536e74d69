//! Turns SIGBUS inside a copy from a mapping into an error.
//!
//! Why safe code cannot do it: when a mapped page cannot be read (a bad flash block, a truncated file) the kernel sends
//! SIGBUS instead of returning an error. The handler puts a page of zeros under the copy, notes that it did, and the
//! copy runs on and is then reported as failed. A fault anywhere else goes to whoever handled SIGBUS before.
#![allow(unsafe_code)]

use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{Ordering, compiler_fence};

/// The page size that every Linux target of this project has at least; a larger one is asked of the system.
const PAGE_BYTES_MIN: usize = 4096;

thread_local! {
    /// The mapped bytes that this thread is copying from: start and end address.
    static COPYING: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    /// Whether the handler had to put zeros under the copy.
    static FAULTED: Cell<bool> = const { Cell::new(false) };
}

static PREVIOUS: OnceLock<SigAction> = OnceLock::new();

/// Installs the handler once for the process.
pub(super) fn install() {
    PREVIOUS.get_or_init(|| {
        let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK;
        let action = SigAction::new(SigHandler::SigAction(on_sigbus), flags, SigSet::empty());
        // SAFETY: (1) the handler only reads and writes plain thread-local cells without destructors and calls mmap and
        // sigaction, which are async-signal-safe on Linux; (2) the previous action is kept and handed back the signal.
        unsafe { sigaction(Signal::SIGBUS, &action) }.expect("SIGBUS can be handled")
    });
}

/// Copies `out.len()` bytes from the mapping at `source`; gives false when a page could not be read.
///
/// # Safety
/// `source` must be the start of at least `out.len()` bytes of a live file mapping that nothing else refers to as a
/// Rust slice, and `install` must have been called.
pub(super) unsafe fn copy(source: *const u8, out: &mut [u8]) -> bool {
    let start = source as usize;
    COPYING.set((start, start + out.len()));
    FAULTED.set(false);
    // The handler runs on this thread: what it reads must be stored before the copy, and what it stores read after it.
    compiler_fence(Ordering::SeqCst);
    // SAFETY: (1) the caller upholds that the range is mapped; (2) `out` is exclusive and does not overlap a file
    // mapping; (3) a page that cannot be read is replaced by zeros in the handler, so the copy terminates.
    unsafe { std::ptr::copy_nonoverlapping(source, out.as_mut_ptr(), out.len()) };
    compiler_fence(Ordering::SeqCst);
    COPYING.set((0, 0));
    !FAULTED.get()
}

extern "C" fn on_sigbus(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo to a SA_SIGINFO handler, and SIGBUS fills its address.
    let address = unsafe { (*info).si_addr() } as usize;
    let (start, end) = COPYING.get();
    if (start..end).contains(&address) {
        // SAFETY: sysconf is async-signal-safe on Linux and has no preconditions.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(PAGE_BYTES_MIN);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let at = (address & !(page - 1)) as *mut libc::c_void;
        // SAFETY: the page lies inside the mapping that `copy` was promised, so MAP_FIXED replaces nothing of others.
        let mapped = unsafe { libc::mmap(at, page, libc::PROT_READ, flags, -1, 0) };
        if mapped != libc::MAP_FAILED {
            FAULTED.set(true);
            return;
        }
    }
    // Not ours: give the signal back and let the access fault again.
    if let Some(previous) = PREVIOUS.get() {
        // SAFETY: the action was valid when it was replaced, and stays so for the life of the process.
        let _ = unsafe { sigaction(Signal::SIGBUS, previous) };
    }
}
