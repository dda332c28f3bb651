//! Work that is done for many at once, by one task: whoever comes while it is at it goes with the next.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Those who wait, and whether a task works for them. It is locked to add or take, never while there is work.
#[derive(Debug)]
pub(super) struct Gather<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    is_worked_on: bool,
}

impl<T> Default for Gather<T> {
    fn default() -> Self {
        Self(Mutex::new(State { waiting: VecDeque::new(), is_worked_on: false }))
    }
}

impl<T> Gather<T> {
    /// Lets one wait; whether whoever brings it has to begin the work, because nobody is at it.
    #[must_use]
    pub(super) fn add(&self, one: T) -> bool {
        let mut state = self.0.lock();
        state.waiting.push_back(one);
        !std::mem::replace(&mut state.is_worked_on, true)
    }

    /// What `choose` takes of those who wait; `None` if that is nobody, and then nobody works any more.
    pub(super) fn take(&self, choose: impl FnOnce(&mut VecDeque<T>) -> Vec<T>) -> Option<Vec<T>> {
        let mut state = self.0.lock();
        let taken = choose(&mut state.waiting);
        state.is_worked_on = !taken.is_empty();
        state.is_worked_on.then_some(taken)
    }

    /// What `choose` takes of those who wait, while work goes on in any case.
    pub(super) fn take_more(&self, choose: impl FnOnce(&mut VecDeque<T>) -> Vec<T>) -> Vec<T> {
        choose(&mut self.0.lock().waiting)
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting.len()
    }
}
