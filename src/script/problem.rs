//! What the host itself throws inside a script, with all that its message needs.
//!
//! Owns the payload that travels through Rhai as a thrown value. Knows places as Rhai gives them; they become lines of a
//! file when the message is made.

use super::diagnostic::Fault;
use funchost_collectors::mistake::Mistake;
use rhai::{Dynamic, EvalAltResult, Position};

/// What functions inside a script answer.
pub(super) type Result<T> = std::result::Result<T, Box<EvalAltResult>>;

/// A place as Rhai gives it: a script's id and a position in it.
pub(super) type At = (String, Position);

/// Which argument of a call is wrong, and where in it.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    /// From 0.
    pub(super) index: usize,
    /// The key path inside it; empty for the whole.
    pub(super) path: String,
    /// Is the key itself wrong, not its value.
    pub(super) key: bool,
    /// What the call does: "the collector is created here".
    pub(super) call: String,
}

/// Something wrong, said by the host. Small, as it is an error.
#[derive(Clone, Debug)]
pub(super) struct Problem(Box<Details>);

/// What is known of a problem.
#[derive(Clone, Debug)]
pub(super) struct Details {
    pub(super) fault: Fault,
    pub(super) message: String,
    /// Beside the carets.
    pub(super) label: String,
    pub(super) hint: Option<String>,
    /// Where, if not at the call that threw it.
    pub(super) place: Option<At>,
    pub(super) argument: Option<Argument>,
    /// The option it is about, for a caller that knows where options are written.
    pub(super) option: Option<String>,
    /// The cloud's code, where a call failed; empty otherwise.
    pub(super) code: String,
    /// Other places that explain.
    pub(super) others: Vec<(At, String)>,
}

impl std::ops::Deref for Problem {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl std::ops::DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

impl Problem {
    /// The user's input is wrong.
    pub(super) fn input(message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            fault: Fault::Input,
            message: message.into(),
            label: String::new(),
            hint: None,
            place: None,
            argument: None,
            option: None,
            code: String::new(),
            others: Vec::new(),
        }))
    }

    /// It failed while it ran.
    pub(super) fn run_time(message: impl Into<String>) -> Self {
        let mut problem = Self::input(message);
        problem.fault = Fault::RunTime;
        problem
    }

    /// A mistake in an argument of a constructor.
    pub(super) fn mistake(mistake: Mistake, call: &str) -> Self {
        let mut problem = Self::input(mistake.to_string());
        problem.label = mistake.message.clone();
        problem.argument = Some(Argument {
            index: mistake.argument.index(),
            key: mistake.message.starts_with("is not a known key"),
            path: mistake.path,
            call: call.into(),
        });
        problem.hint = mistake.hint;
        problem
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn option(mut self, option: impl Into<String>) -> Self {
        self.option = Some(option.into());
        self
    }

    /// It is about an argument of the call that throws it.
    pub(super) fn argument(mut self, index: usize, path: impl Into<String>, key: bool, call: &str) -> Self {
        self.argument = Some(Argument { index, path: path.into(), key, call: call.into() });
        self
    }

    /// The same about the argument with another number.
    pub(super) fn with_index(mut self, index: usize) -> Self {
        if let Some(argument) = &mut self.argument {
            argument.index = index;
        }
        self
    }

    /// The same about another part of the argument.
    pub(super) fn with_path(mut self, path: String) -> Self {
        if let Some(argument) = &mut self.argument {
            argument.path = path;
        }
        self
    }

    /// The same about the whole argument: what is missing is written nowhere.
    pub(super) fn whole(mut self) -> Self {
        if let Some(argument) = &mut self.argument {
            argument.path.clear();
        }
        self
    }

    pub(super) fn at(mut self, script: &str, position: Position) -> Self {
        self.place = Some((script.into(), position));
        self
    }

    pub(super) fn at_unless_placed(self, script: &str, position: Position) -> Self {
        if self.place.is_some() { self } else { self.at(script, position) }
    }

    pub(super) fn other(mut self, script: &str, position: Position, text: impl Into<String>) -> Self {
        self.others.push(((script.into(), position), text.into()));
        self
    }

    /// As Rhai throws it. Where its own place is known, the position is only for Rhai.
    pub(super) fn thrown(self, position: Position) -> Box<EvalAltResult> {
        Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(self), position))
    }
}
