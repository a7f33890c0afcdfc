//! The two additions to plain Rhai: `@DFF.API(…)` above a function, and `Runner(…, name = value)`.
//!
//! Owns the token mapper and the custom syntax. Every change is one token for one token, so that all positions stay exact.
//! Knows nothing of what the words do: it hands evaluated arguments to the rooms that do.
//!
//! - The closing `)` of a decorator becomes `}`: a statement that ends so wants no `;`. The `fn` behind it stays an ordinary
//!   function; which one it is, the mapper notes down.
//! - A member of `DFF` gets a name that no function of a user has: a script's own `fn LOG(text)` would else hide `DFF.LOG(…)`.
//! - `debug` is reserved in Rhai; here it may name an option, a key, and the function that it always was.

use super::host::Host;
use super::problem::{Problem, Result};
use super::{dff, packages};
use funchost_collectors::mistake::nearest;
use rhai::{
    Dynamic, Engine, EvalContext, Expr, Expression, ImmutableString, LexError, Map, ParseError,
    ParseErrorType, Position, Token,
};
use std::cell::RefCell;
use std::sync::Arc;

/// Before the name of every member of `DFF`.
pub(super) const MEMBER: &str = "__dff_";
/// Before the name of every member of `DFF.TOOLKIT`.
pub(super) const TOOL: &str = "__toolkit_";
/// The statement that keeps module-level variables.
pub(super) const CAPTURE: &str = "__funchost_capture__";
/// The statement that starts the chosen function.
pub(super) const MAIN: &str = "__funchost_main__";

/// The words of Rhai that end an expression's message with a hint of ours: `message<SEPARATOR>hint`.
pub(super) const SEPARATOR: char = '\u{1}';

/// A decorator as it stands in the text.
#[derive(Clone, Debug)]
pub(super) struct Decorator {
    /// Where its `@` is.
    pub(super) at: Position,
    /// The function below it; none where something else stands there.
    pub(super) function: Option<(String, Position)>,
}

/// What the mapper saw in one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    /// In the order of the text.
    pub(super) decorators: Vec<Decorator>,
    /// The name of every `fn` and its place.
    pub(super) functions: Vec<(String, Position)>,
    /// Every `Runner(`.
    pub(super) runners: Vec<Position>,
}

#[derive(Default)]
struct Mapper {
    notes: Notes,
    /// Inside a decorator: open parentheses.
    decorator: Option<usize>,
    /// A decorator has ended; its function comes now.
    awaiting: bool,
    /// `fn` was the last token.
    after_fn: bool,
    /// How much of `DFF . TOOLKIT .` has just been seen.
    member: Member,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Member {
    #[default]
    None,
    Dff,
    DffDot,
    Toolkit,
    ToolkitDot,
}

thread_local! {
    /// One source is compiled at a time on a thread.
    static MAPPER: RefCell<Mapper> = RefCell::default();
}

/// Call before a source is compiled.
pub(super) fn begin() {
    MAPPER.with_borrow_mut(|mapper| *mapper = Mapper::default());
}

/// Call after it was compiled.
pub(super) fn finish() -> Notes {
    MAPPER.with_borrow_mut(|mapper| std::mem::take(mapper).notes)
}

impl Mapper {
    fn map(&mut self, token: Token, position: Position) -> Token {
        if matches!(token, Token::Comment(..)) {
            return token;
        }
        self.note(&token, position);
        let before = std::mem::take(&mut self.member);
        match token {
            Token::Reserved(symbol) if symbol.as_str() == "@" => {
                self.notes.decorators.push(Decorator { at: position, function: None });
                self.decorator = Some(0);
                self.awaiting = false;
                Token::Reserved(symbol)
            }
            Token::LeftParen if self.decorator.is_some() => {
                self.decorator = self.decorator.map(|open| open + 1);
                Token::LeftParen
            }
            Token::RightParen if self.decorator.is_some() => {
                self.decorator = self.decorator.map(|open| open.saturating_sub(1));
                if self.decorator == Some(0) {
                    self.decorator = None;
                    self.awaiting = true;
                    return Token::RightBrace;
                }
                Token::RightParen
            }
            Token::Reserved(word) if word.as_str() == "debug" => Token::Identifier(word),
            Token::Identifier(word) => {
                let inside = self.decorator == Some(0);
                match (before, word.as_str()) {
                    (Member::DffDot, "TOOLKIT") => {
                        self.member = Member::Toolkit;
                        Token::Identifier(word)
                    }
                    (Member::DffDot, name) if !inside => {
                        Token::Identifier(Box::new(format!("{MEMBER}{name}").into()))
                    }
                    (Member::ToolkitDot, name) => Token::Identifier(Box::new(format!("{TOOL}{name}").into())),
                    (_, "DFF") => {
                        self.member = Member::Dff;
                        Token::Identifier(word)
                    }
                    _ => Token::Identifier(word),
                }
            }
            Token::Period => {
                self.member = match before {
                    Member::Dff => Member::DffDot,
                    Member::Toolkit => Member::ToolkitDot,
                    _ => Member::None,
                };
                Token::Period
            }
            other => other,
        }
    }

    /// Notes functions, what stands below a decorator, and where runners are made.
    fn note(&mut self, token: &Token, position: Position) {
        let name = match token {
            Token::Identifier(name) | Token::Custom(name) | Token::Reserved(name) => Some(name.as_str()),
            _ => None,
        };
        if std::mem::take(&mut self.after_fn)
            && let Some(name) = name
        {
            self.notes.functions.push((name.to_owned(), position));
            if std::mem::take(&mut self.awaiting)
                && let Some(decorator) = self.notes.decorators.last_mut()
            {
                decorator.function = Some((name.to_owned(), position));
            }
        }
        match token {
            Token::Fn => self.after_fn = true,
            Token::Private => {}
            _ => self.awaiting = false,
        }
        if name == Some("Runner") {
            self.notes.runners.push(position);
        }
    }
}

/// Installs both additions, and the two statements of the host.
pub(super) fn install(engine: &mut Engine, host: &Arc<Host>) {
    let shared = host.clone();
    #[expect(deprecated, reason = "volatile, and the version of Rhai is pinned")]
    engine.on_parse_token(move |token, position, _| {
        // A very long script takes long to read: the text ends here, and the caller knows why.
        if shared.stop.why().is_some() {
            return Token::EOF;
        }
        MAPPER.with_borrow_mut(|mapper| mapper.map(token, position))
    });

    let shared = host.clone();
    engine.register_custom_syntax_with_state_raw(
        "@",
        decorator_syntax,
        false,
        move |context, inputs, state| decorated(&shared, context, inputs, state),
    );
    let shared = host.clone();
    engine.register_custom_syntax_with_state_raw(
        "Runner",
        runner_syntax,
        false,
        move |context, inputs, state| runner(&shared, context, inputs, state),
    );
    let shared = host.clone();
    engine.register_custom_syntax_with_state_raw(
        CAPTURE,
        |_, _, _| Ok(None),
        false,
        move |context, _, _| {
            super::variables::capture(&shared, context);
            Ok(Dynamic::UNIT)
        },
    );
    let shared = host.clone();
    engine.register_custom_syntax_with_state_raw(
        MAIN,
        |_, _, _| Ok(None),
        false,
        move |context, _, _| {
            super::variables::capture(&shared, context);
            shared.start(context)
        },
    );
}

/// A syntax error at the token that comes next.
fn refuse(message: impl Into<String>, hint: impl AsRef<str>) -> ParseError {
    let text = format!("{}{SEPARATOR}{}", message.into(), hint.as_ref());
    ParseError(
        Box::new(ParseErrorType::BadInput(LexError::ImproperSymbol(String::new(), text))),
        Position::NONE,
    )
}

type Next = std::result::Result<Option<ImmutableString>, ParseError>;

/// What a custom syntax remembers of its text: an index or a position, then the names of its options.
struct Remembered {
    first: i64,
    second: i64,
    names: Vec<ImmutableString>,
}

impl Remembered {
    fn state(first: i64, second: i64) -> Dynamic {
        vec![Dynamic::from(first), Dynamic::from(second)].into()
    }

    fn read(state: &Dynamic) -> Self {
        let items = state.as_array_ref().map(|items| items.clone()).unwrap_or_default();
        let number = |at: usize| items.get(at).and_then(|item: &Dynamic| item.as_int().ok()).unwrap_or(0);
        Self {
            first: number(0),
            second: number(1),
            names: items
                .iter()
                .skip(2)
                .filter_map(|item| item.clone().into_immutable_string().ok())
                .collect(),
        }
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `@` `DFF` `.` `API` `(` title [`,` name `=` value]… [`,`] `)`.
fn decorator_syntax(symbols: &[ImmutableString], next: &str, state: &mut Dynamic) -> Next {
    const FORM: &str = "the decorator is `@DFF.API(\"title\", timeout = 300)`";
    let expect = |token: &str| {
        if next == token {
            Ok(Some(token.into()))
        } else {
            Err(refuse(format!("`@` begins the decorator `@DFF.API(…)`, but `{next}` stands here"), FORM))
        }
    };
    match symbols.len() {
        1 => {
            let index = MAPPER.with_borrow(|mapper| mapper.notes.decorators.len().saturating_sub(1));
            *state = Remembered::state(whole(index), 0);
            expect("DFF")
        }
        2 => expect("."),
        3 => expect("API"),
        4 if next == "()" => Err(refuse("`@DFF.API()` has no title", FORM)),
        4 => expect("("),
        _ => arguments(symbols, 5, next, state, "}", "@DFF.API", dff::OPTIONS, dff::unknown_option),
    }
}

/// `Runner` `(` collectors [`,` name `=` value]… [`,`] `)`, or a map of options in their place.
fn runner_syntax(symbols: &[ImmutableString], next: &str, state: &mut Dynamic) -> Next {
    if symbols.len() == 1 {
        let position = MAPPER.with_borrow(|mapper| mapper.notes.runners.last().copied().unwrap_or_default());
        *state =
            Remembered::state(whole(position.line().unwrap_or(0)), whole(position.position().unwrap_or(0)));
        return if next == "(" {
            Ok(Some("(".into()))
        } else if next == "()" {
            Err(refuse("`Runner()` has no collectors", "write `Runner(collectors).run()`"))
        } else {
            Err(refuse(
                "`Runner` is a constructor and is called with its collectors",
                "write `Runner(collectors).run()`",
            ))
        };
    }
    arguments(symbols, 2, next, state, ")", "Runner", packages::RUNNER_OPTIONS, |name| {
        (format!("Runner has no option `{name}`"), known(name, packages::RUNNER_OPTIONS))
    })
}

/// The nearest of the known names, or all of them.
pub(super) fn known(name: &str, names: &[&str]) -> String {
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", names.join(", ")),
    }
}

/// The argument list of both additions, from the token after `(`.
#[expect(
    clippy::too_many_arguments,
    reason = "one grammar for two callers; a struct would only rename these"
)]
fn arguments(
    symbols: &[ImmutableString],
    start: usize,
    next: &str,
    state: &mut Dynamic,
    close: &str,
    who: &str,
    options: &[&str],
    unknown: impl Fn(&str) -> (String, String),
) -> Next {
    if symbols.len() == start {
        return Ok(Some("$expr$".into()));
    }
    let last = symbols.last().map_or("", |symbol| symbol.as_str());
    let before = symbols.iter().rev().nth(1).map_or("", |symbol| symbol.as_str());
    match last {
        "$expr$" if next == "," || next == close => Ok(Some(next.into())),
        "$expr$" if next == "=" && symbols.len() == start + 1 => Err(refuse(
            format!("`{who}` begins with an argument that has no name"),
            if who == "Runner" {
                "write `Runner(collectors, debug = true)`"
            } else {
                "write `@DFF.API(\"title\", timeout = 300)`"
            },
        )),
        "$expr$" => Err(refuse(
            format!("`,` or `)` is missing in `{who}(…)`"),
            "options are written `name = value`, with a `,` between them",
        )),
        "," if next == close => Ok(Some(close.into())),
        "," if next == "#{" && who == "Runner" => Ok(Some("$expr$".into())),
        "," if options.contains(&next) => {
            if Remembered::read(state).names.iter().any(|name| name == next) {
                return Err(refuse(format!("option `{next}` of `{who}` is given twice"), "keep one of them"));
            }
            Ok(Some("$ident$".into()))
        }
        "," => {
            let (message, hint) = unknown(next);
            Err(refuse(message, hint))
        }
        "=" => Ok(Some("$expr$".into())),
        symbol if symbol == close => Ok(None),
        name if before == "," => {
            if let Ok(mut items) = state.as_array_mut() {
                items.push(name.into());
            }
            if next == "=" {
                Ok(Some("=".into()))
            } else {
                Err(refuse(format!("option `{name}` of `{who}` has no value"), format!("write `{name} = …`")))
            }
        }
        other => Err(refuse(format!("`{other}` cannot stand in `{who}(…)`"), "")),
    }
}

fn decorated(
    host: &Host,
    context: &mut EvalContext,
    inputs: &[Expression],
    state: &Dynamic,
) -> Result<Dynamic> {
    let remembered = Remembered::read(state);
    let script = context.source().unwrap_or_default().to_owned();
    let title = inputs[0].eval_with_context(context)?;
    let mut options = dff::Options::default();
    for (index, name) in remembered.names.iter().enumerate() {
        // Inputs are the title, then a name and a value for each option.
        let input = &inputs[2 + 2 * index];
        let value = input.eval_with_context(context)?;
        options
            .set(name, &value)
            .map_err(|problem| problem.at(&script, input.position()).thrown(Position::NONE))?;
    }
    let title = dff::title(&title)
        .map_err(|problem| problem.at(&script, inputs[0].position()).thrown(Position::NONE))?;
    let decorator = usize::try_from(remembered.first).ok().and_then(|index| {
        host.script(&script).and_then(|loaded| loaded.notes.decorators.get(index).cloned())
    });
    let Some(Decorator { at, function: Some((name, _)) }) = decorator else {
        return Err(
            Problem::input("`@DFF.API(…)` does not stand above a function").thrown(inputs[0].position())
        );
    };
    host.register(dff::Registration { script, name, title, options, at, closure: None })?;
    Ok(Dynamic::UNIT)
}

fn runner(host: &Host, context: &mut EvalContext, inputs: &[Expression], state: &Dynamic) -> Result<Dynamic> {
    let remembered = Remembered::read(state);
    let position = Position::new(
        u16::try_from(remembered.first).unwrap_or(u16::MAX).max(1),
        u16::try_from(remembered.second).unwrap_or(u16::MAX),
    );
    let script = context.source().unwrap_or_default().to_owned();
    let collectors = inputs[0].eval_with_context(context)?;
    let mut options = Map::new();
    let mut places = Vec::new();
    if remembered.names.is_empty()
        && let Some(input) = inputs.get(1)
    {
        let value = input.eval_with_context(context)?;
        options = packages::runner_options(value)
            .map_err(|problem| problem.at(&script, input.position()).thrown(Position::NONE))?;
        if let Expr::Map(written, _) = &**input {
            places.extend(written.0.iter().map(|(key, _)| (key.name.clone(), key.pos)));
        }
    }
    for (index, name) in remembered.names.iter().enumerate() {
        let input = &inputs[2 + 2 * index];
        options.insert(name.as_str().into(), input.eval_with_context(context)?);
        places.push((name.clone(), input.position()));
    }
    if !packages::runner_is_imported(context) {
        return Err(packages::runner_not_imported().at(&script, position).thrown(Position::NONE));
    }
    let place = |problem: Problem| {
        let option = problem.option.clone();
        let found = places.iter().find(|(name, _)| Some(name.as_str()) == option.as_deref());
        let position = found.map_or(inputs[0].position(), |(_, position)| *position);
        problem.at_unless_placed(&script, position).thrown(Position::NONE)
    };
    let runner =
        packages::Runner::new(host, collectors, options, (script.clone(), position)).map_err(place)?;
    Ok(Dynamic::from(runner))
}
