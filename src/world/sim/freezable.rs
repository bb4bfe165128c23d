//! `Brake`: holds the task of an agent where it is, as SIGSTOP does a process.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A brake on one task; clones are the same brake.
#[derive(Debug, Clone, Default)]
pub(super) struct Brake(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    on: bool,
    waiting: Option<Waker>,
}

impl Brake {
    /// A task that goes on only while the brake is off.
    pub(super) fn on<T: Future + Unpin>(&self, task: T) -> Braked<T> {
        Braked { brake: self.clone(), task }
    }

    /// Whether it is on.
    pub(super) fn is_on(&self) -> bool {
        self.state().on
    }

    /// Puts it on, or takes it off.
    pub(super) fn set(&self, on: bool) {
        let mut state = self.state();
        state.on = on;
        if !on && let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task with a brake.
pub(super) struct Braked<T> {
    brake: Brake,
    task: T,
}

impl<T: Future + Unpin> Future for Braked<T> {
    type Output = T::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T::Output> {
        let mut state = self.brake.state();
        if state.on {
            state.waiting = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        Pin::new(&mut self.task).poll(context)
    }
}
