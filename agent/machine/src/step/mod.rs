//! What each state does with each event. A method takes the state it belongs to and gives the next one; facts change
//! in the same step. `None` of these methods exists for an event that its state does not wait for.

pub(crate) use arm::slot_taken;

mod arm;
mod fall_back;
mod trial;
mod write;

use crate::{Ended, Facts, Failure, Goal, Idle, State};

/// Ends an update that did not reach its goal.
fn give_up(goal: &Goal, failure: Failure, facts: &mut Facts) -> State {
    facts.end(goal, Ended::Failed(failure));
    State::Idle(Idle {})
}

/// Ends an update that an operator called off.
fn cancelled(goal: &Goal, facts: &mut Facts) -> State {
    facts.end(goal, Ended::Cancelled);
    State::Idle(Idle {})
}
