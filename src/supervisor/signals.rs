//! The signals that `gt __run` waits for, as descriptors: those that ask it to end, and the end of a child.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

/// HUP: the terminal is gone. TERM: somebody ends us. INT: somebody interrupts.
const SIGNALS: [Signal; 3] = [Signal::HUP, Signal::TERM, Signal::INT];

/// The signals, caught from now on.
pub struct Signals {
    pipes: Vec<(Signal, UnixStream)>,
    children: UnixStream,
}

impl Signals {
    /// Begins to catch them.
    pub fn catch() -> io::Result<Self> {
        let mut pipes = Vec::new();
        for signal in SIGNALS {
            pipes.push((signal, caught(signal)?));
        }
        Ok(Self { pipes, children: caught(Signal::CHILD)? })
    }

    /// One descriptor for each signal; it becomes readable when the signal arrives.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.iter().map(|(_, pipe)| pipe.as_fd()).chain([self.children.as_fd()])
    }

    /// The signals that asked to end since the last call.
    pub fn arrived(&mut self) -> Vec<Signal> {
        let mut buffer = [0_u8; 64];
        let mut some = |pipe: &mut UnixStream| matches!(pipe.read(&mut buffer), Ok(n) if n > 0);
        some(&mut self.children);
        self.pipes.iter_mut().filter_map(|(signal, pipe)| some(pipe).then_some(*signal)).collect()
    }
}

fn caught(signal: Signal) -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(signal.as_raw(), write)?;
    Ok(read)
}
