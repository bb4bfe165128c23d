//! The signals that ask `gt __run` to end, as descriptors that can be waited for beside the agent.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

/// HUP: the terminal is gone. TERM: somebody ends us. INT: somebody interrupts.
const SIGNALS: [Signal; 3] = [Signal::HUP, Signal::TERM, Signal::INT];

/// The signals, caught from now on.
pub struct Signals {
    pipes: Vec<(Signal, UnixStream)>,
}

impl Signals {
    /// Begins to catch them.
    pub fn catch() -> io::Result<Self> {
        let mut pipes = Vec::new();
        for signal in SIGNALS {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            signal_hook::low_level::pipe::register(signal.as_raw(), write)?;
            pipes.push((signal, read));
        }
        Ok(Self { pipes })
    }

    /// One descriptor for each signal; it becomes readable when the signal arrives.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.iter().map(|(_, pipe)| pipe.as_fd())
    }

    /// The signals that arrived since the last call.
    pub fn arrived(&mut self) -> Vec<Signal> {
        let mut buffer = [0_u8; 64];
        let mut some = |pipe: &mut UnixStream| matches!(pipe.read(&mut buffer), Ok(n) if n > 0);
        self.pipes.iter_mut().filter_map(|(signal, pipe)| some(pipe).then_some(*signal)).collect()
    }
}
