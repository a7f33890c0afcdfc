//! From an error of Rhai to a message that its author can act on.
//!
//! Owns the words. Walks an error from outside to inside, keeping the file; what the host threw itself already knows its words.

use super::convert::{kind, kind_of_name, to_json};
use super::diagnostic::{Diagnostic, Label, Severity};
use super::dialect::{MEMBER, TOOL};
use super::engine::CALL_LEVELS;
use super::host::{Host, PRELUDE};
use super::lexer::{Kind, lex};
use super::locate::{self, imports};
use super::problem::{At, Problem};
use super::{clients, dff, ending, habits, packages, variables};
use funchost_collectors::call::{cut, number};
use funchost_collectors::mistake::nearest;
use rhai::{ASTNode, Dynamic, EvalAltResult, Expr, Position, ScriptFuncDef, Stmt};

/// A call on the way to an error.
struct Frame {
    at: At,
    /// "called here: `work`"
    label: String,
    /// "in the call of `work`"
    what: String,
}

/// Explains an error of a run.
pub(super) fn error(host: &Host, error: &EvalAltResult) -> Diagnostic {
    explain(host, error, &host.library.entry)
}

/// Explains an error of a function that the host called from inside `.run()`.
pub(super) fn error_of_callback(host: &Host, error: &EvalAltResult) -> Diagnostic {
    explain(host, error, PRELUDE)
}

/// The way from an error's outside to its inside.
struct Way<'e> {
    at: At,
    frames: Vec<Frame>,
    /// The function in which it is.
    function: Option<String>,
    inner: &'e EvalAltResult,
}

impl<'e> Way<'e> {
    fn to(error: &'e EvalAltResult, outermost: &str) -> Self {
        let mut frames: Vec<Frame> = Vec::new();
        let mut script = outermost.to_owned();
        let mut function = None;
        let mut inner = error;
        loop {
            match inner {
                EvalAltResult::ErrorInFunctionCall(called, source, cause, position) => {
                    let name = if called.starts_with("anon$") {
                        "a closure".to_owned()
                    } else {
                        format!("`{called}`")
                    };
                    frames.push(Frame {
                        at: (script.clone(), *position),
                        label: format!("called here: {name}"),
                        what: format!("in the call of {name}"),
                    });
                    if !source.is_empty() {
                        script.clone_from(source);
                    }
                    function = Some(called.clone());
                    inner = cause;
                }
                EvalAltResult::ErrorInModule(module, cause, position) => {
                    frames.push(Frame {
                        at: (script.clone(), *position),
                        label: format!("imports `{module}`"),
                        what: format!("in the import of `{module}`"),
                    });
                    if !module.is_empty() {
                        script.clone_from(module);
                    }
                    function = None;
                    inner = cause;
                }
                _ => break,
            }
        }
        let mut at: At = (script, inner.position());
        // What the prelude throws was caused by its caller.
        if at.0 == PRELUDE
            && let Some(caller) = frames.pop()
        {
            at = caller.at;
        }
        frames.retain(|frame| frame.at.0 != PRELUDE && !frame.at.1.is_none());
        Self { at, frames, function, inner }
    }
}

/// Where an error of a function that the host called from inside `.run()` began, and with what.
pub(super) fn innermost(error: &EvalAltResult) -> (At, &EvalAltResult) {
    let way = Way::to(error, PRELUDE);
    (way.at, way.inner)
}

fn explain(host: &Host, error: &EvalAltResult, outermost: &str) -> Diagnostic {
    let Way { mut at, mut frames, function, inner } = Way::to(error, outermost);
    if ending::is_end(inner) {
        let (found, led_there) = ending::explain(host, inner, &mut at);
        if !led_there {
            frames.clear();
        }
        return assemble(host, &found, Some(&at), &frames);
    }
    if let EvalAltResult::ErrorRuntime(value, _) = inner
        && let Some(thrown) = value.read_lock::<Problem>()
    {
        return assemble(host, &thrown, Some(&at), &frames);
    }
    if let EvalAltResult::ErrorArithmetic(text, position) = inner
        && position.is_none()
    {
        let started =
            || (at.0 == host.library.entry).then(|| host.chosen().map(|chosen| chosen.name)).flatten();
        let function = function.or_else(started);
        at.1 = operator(host, &at.0, function.as_deref(), text).unwrap_or_default();
    }
    let found = words(host, inner, &mut at, &mut frames);
    assemble(host, &found, Some(&at), &frames)
}

/// Explains what the host itself found, without an error of Rhai around it.
pub(super) fn problem(host: &Host, problem: &Problem) -> Diagnostic {
    assemble(host, problem, None, &[])
}

fn assemble(host: &Host, problem: &Problem, thrown: Option<&At>, frames: &[Frame]) -> Diagnostic {
    let mut labels: Vec<Label> = Vec::new();
    let mut add = |at: &At, text: &str| {
        if let Some(label) = host.label(&at.0, at.1, text)
            && !labels.iter().any(|known: &Label| known.place == label.place)
        {
            labels.push(label);
        }
    };
    let call = problem.place.as_ref().or(thrown);
    match (&problem.argument, call) {
        (Some(argument), Some(call)) => {
            let calls: Vec<At> = frames.iter().map(|frame| frame.at.clone()).collect();
            match locate::argument(host, call, argument, &calls) {
                Some(written) => {
                    add(&written, &problem.label);
                    add(call, &argument.call);
                }
                None => add(call, &problem.label),
            }
        }
        (_, Some(call)) => add(call, &problem.label),
        (_, None) => {}
    }
    for (at, text) in &problem.others {
        add(at, text);
    }
    // One caller explains enough, where nothing else does; the rest is the trace.
    if problem.others.is_empty()
        && problem.argument.is_none()
        && let Some(caller) = frames.last()
    {
        add(&caller.at, &caller.label);
    }
    let mut trace = Vec::new();
    if frames.len() > 1 && problem.others.is_empty() {
        for frame in frames.iter().rev() {
            if let Some(place) = host.place(&frame.at.0, frame.at.1) {
                trace.push(format!("from {place} {}", frame.what));
            }
        }
    }
    // A deep recursion has the same call many times over.
    trace.dedup();
    let more = trace.len().saturating_sub(8);
    if more > 0 {
        trace.truncate(8);
        trace.push(format!("and {} more", number(more as u64, "call", "calls")));
    }
    Diagnostic {
        severity: Severity::Error,
        fault: problem.fault,
        message: cut(&problem.message),
        labels,
        hint: problem.hint.clone(),
        trace,
    }
    .masked(&host.settings.masker)
}

/// The words for an error of Rhai's own.
fn words(host: &Host, error: &EvalAltResult, at: &mut At, frames: &mut Vec<Frame>) -> Problem {
    match error {
        EvalAltResult::ErrorParsing(error, position) => {
            let source = host.script(&at.0).map(|script| script.source).unwrap_or_default();
            let (line, column) = match (position.line(), position.position()) {
                (Some(line), column) => (line, column.unwrap_or(1)),
                (None, _) => locate::end(&source),
            };
            let found = habits::explain(&source, error, line, column);
            at.1 = place(found.place.unwrap_or((line, column)));
            Problem::input(found.message).label(found.label).hint_if(found.hint)
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => undefined(host, name, &at.0),
        EvalAltResult::ErrorFunctionNotFound(signature, _) => no_function(host, signature, at),
        EvalAltResult::ErrorModuleNotFound(module, _) => not_imported(host, module, &at.0),
        EvalAltResult::ErrorRuntime(value, _) => {
            Problem::run_time(thrown_text(value)).label("thrown here")
        }
        EvalAltResult::ErrorAssignmentToConstant(name, position) => {
            let loaded = host.script(&at.0).and_then(|script| script.ast);
            if loaded.is_some_and(|ast| variables::top_level(&ast).contains(name)) {
                return variables::lost(&at.0, name, *position, "assigned here");
            }
            Problem::input(format!("`{name}` is a constant and cannot be changed")).label("changed here")
        }
        EvalAltResult::ErrorNonPureMethodCallOnConstant(name, _) => {
            Problem::input(format!("`.{name}(…)` would change a value that is read-only here"))
                .label("changed here")
                .hint("constants and module-level variables are read-only in functions: take a copy first, `let copy = value;`")
        }
        EvalAltResult::ErrorDataRace(_, _) => {
            if at.1.is_none()
                && let Some(caller) = frames.pop()
            {
                *at = caller.at;
            }
            Problem::run_time("a value is used while one of its own methods works on it")
                .label("already in use")
                .hint("copy it first: `let copy = value;`, and use the copy inside the closure")
        }
        EvalAltResult::ErrorPropertyNotFound(name, _) => {
            Problem::run_time(format!("the map has no key `{name}`"))
                .label("no such key")
                .hint(format!("ask first: `if \"{name}\" in map {{ … }}`, or write `map.get(\"{name}\")`, which is `()` without it"))
        }
        EvalAltResult::ErrorDotExpr(text, _) => match member(text) {
            Some((name, kind)) => Problem::run_time(format!("{kind} has no member `{name}`"))
                .label("no such member")
                .hint(if name == "length" {
                    "write `.len()`".to_owned()
                } else {
                    "members are a map's: does `print(…)` of what stands before the dot show one? A method is called with parentheses, such as `.len()`".to_owned()
                }),
            None => Problem::run_time(rhai_text(error)),
        },
        EvalAltResult::ErrorIndexNotFound(index, _) => {
            Problem::run_time(format!("there is no item {}", cut(&index.to_string()))).label("no such item")
                .hint("ask first: `if index in value { … }`")
        }
        EvalAltResult::ErrorArrayBounds(length, index, _) => {
            Problem::run_time(format!("the list has {}, and none at index {index}", number(*length as u64, "item", "items")))
                .label("out of bounds")
                .hint("the first item is `[0]`, the last one `[-1]`")
        }
        EvalAltResult::ErrorStringBounds(length, index, _) => {
            Problem::run_time(format!("the text has {}, and none at index {index}", number(*length as u64, "character", "characters")))
                .label("out of bounds")
                .hint("the first character is `[0]`, the last one `[-1]`")
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            // Rhai has overwritten the place of this one, too.
            if at.1.is_none()
                && let Some(chosen) = host.chosen()
            {
                *at = (host.library.entry.clone(), chosen.at);
            }
            Problem::run_time(format!("calls are nested more than {CALL_LEVELS} deep"))
                .label("while it ran this function")
                .hint("does a function call itself without an end?")
        }
        EvalAltResult::ErrorMismatchDataType(wanted, found, _) if !wanted.is_empty() => Problem::run_time(format!(
            "{} is needed here, found {}",
            kind_of_name(wanted),
            kind_of_name(found)
        ))
        .hint(needed(wanted)),
        EvalAltResult::ErrorMismatchOutputType(wanted, found, _) if !wanted.is_empty() => Problem::run_time(
            format!("{} is needed here, found {}", kind_of_name(wanted), kind_of_name(found)),
        )
        .hint(needed(wanted)),
        EvalAltResult::ErrorFor(_) => {
            Problem::run_time("this cannot be gone through with `for`").hint("lists, ranges `0..10`, texts' `.chars()` and maps' `.keys()` can")
        }
        EvalAltResult::ErrorIndexingType(name, _) => {
            Problem::run_time(format!("{} has no items to take by `[…]`", kind_of_name(name.split(' ').next().unwrap_or(name))))
                .hint("lists, maps and texts have items: does `print(…)` of what stands before the bracket show one?")
        }
        EvalAltResult::ErrorTooManyVariables(_) => Problem::run_time("there are more than 10000 variables at once"),
        EvalAltResult::ErrorTooManyModules(_) => Problem::run_time("there are more than 256 imports at once")
            .hint("import at the top of the script, not in a loop"),
        other => Problem::run_time(rhai_text(other)),
    }
}

/// The member that there is not, and of what: Rhai says it in a text.
fn member(text: &str) -> Option<(&str, String)> {
    let (name, rest) = text.strip_prefix("Unknown property '")?.split_once('\'')?;
    let kind = rest.rsplit_once("for type '")?.1.trim_end_matches('\'');
    Some((name, kind_of_name(kind)))
}

/// How a value becomes one of the type that is needed.
fn needed(wanted: &str) -> &'static str {
    match wanted {
        "bool" => "write a condition, such as `x > 0`, `x != ()` or `list.len() > 0`",
        "string" => "write `x.to_string()`",
        "i64" => "write `parse_int(text)` or `x.to_int()`",
        "f64" => "write `parse_float(text)` or `x.to_float()`",
        _ => "does `print(…)` show of it what you expect?",
    }
}

/// Rhai does not say where an operator failed. Where a function has only one of its kind, that is the place; else the function.
fn operator(host: &Host, script: &str, function: Option<&str>, text: &str) -> Option<Position> {
    let operands = text.split_once(": ").map_or(text, |(_, operands)| operands);
    let symbol = ["/", "%", "**", "*", "+", "-", "<<", ">>"]
        .into_iter()
        .find(|symbol| operands.contains(&format!(" {symbol} ")))?;
    let ast = host.script(script)?.ast?;
    let body = function.and_then(|name| {
        let mut functions = ast.shared_lib().iter_script_fn_info();
        functions.find(|(_, _, found, ..)| *found == name).map(|(.., function)| function.clone())
    });
    let mut places = Vec::new();
    locate::each_node(&ast, body.as_deref(), &mut |node| match node {
        ASTNode::Expr(Expr::FnCall(call, place)) if call.op_token.is_some() && call.name == symbol => {
            places.push(*place);
        }
        ASTNode::Stmt(Stmt::Assignment(assignment))
            if assignment.0.get_op_assignment_info().is_some_and(|info| info.5 == symbol) =>
        {
            places.push(assignment.0.position());
        }
        _ => {}
    });
    places.dedup();
    match (places.as_slice(), body) {
        ([only], _) => Some(*only),
        (_, Some(body)) => Some(body.body.position()),
        (_, None) => places.first().copied(),
    }
}

fn place((line, column): (usize, usize)) -> Position {
    let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    Position::new(short(line).max(1), short(column))
}

/// Rhai's own text without its place, which is shown apart.
fn rhai_text(error: &EvalAltResult) -> String {
    let mut text = error.to_string();
    if let Some(end) = text.find(" (line ") {
        text.truncate(end);
    }
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// What a script threw, in one line.
fn thrown_text(value: &Dynamic) -> String {
    if value.is_unit() {
        return "the script threw nothing `()`".into();
    }
    if let Some(text) = value.read_lock::<rhai::ImmutableString>() {
        return if text.trim().is_empty() {
            "the script threw an empty text".into()
        } else {
            text.to_string()
        };
    }
    if let Some(map) = value.read_lock::<rhai::Map>()
        && let Some(Ok(message)) = map.get("message").map(|message| message.clone().into_string())
    {
        return message;
    }
    match to_json(value) {
        Ok(data) => format!("the script threw {data}"),
        Err(_) => format!("the script threw {}", kind(value)),
    }
}

/// A name that means nothing where it stands.
pub(super) fn undefined(host: &Host, name: &str, script: &str) -> Problem {
    let problem = Problem::input(format!("`{name}` is not defined")).label("not defined here");
    let Some(loaded) = host.script(script) else { return problem };
    let Some(ast) = loaded.ast else { return problem };
    let found = imports(&ast);
    if found.iter().any(|import| import.alias == name) {
        let function = found.iter().find(|import| import.alias == name).map_or("name", |import| match import
            .id
            .as_str()
        {
            id if clients::is_client(id) => "client",
            id if id.ends_with("__main") => "DataCollector",
            _ => "name",
        });
        return Problem::input(format!("`{name}` is an imported script, not a value"))
            .label("not a value")
            .hint(format!("write `{name}::{function}(…)`, with `::` instead of `.`"));
    }
    match name {
        "True" | "False" => return problem.hint(format!("write `{}`", name.to_lowercase())),
        "None" | "null" | "nil" => return problem.hint("write `()`"),
        _ => {}
    }
    if let Some(hint) = habits::of_python(name) {
        return Problem::input(format!("there is no module `{name}` here"))
            .label("not defined here")
            .hint(hint);
    }
    if name.contains("__") && is_bare_import(&ast, name) {
        let alias = habits::alias(name);
        return Problem::input("the script of an import stands in quotes")
            .hint(format!("write `import \"{name}\" as {alias};`"));
    }
    let mut known: Vec<String> = variables::top_level(&ast).into_iter().collect();
    known.extend(
        ast.iter_functions().filter(|one| !one.name.starts_with("anon$")).map(|one| one.name.to_owned()),
    );
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Var(variable, ..))) = nodes.last() {
            known.push(variable.0.name.to_string());
        }
        true
    });
    // A closure's parameters hold what it captured, this name among them.
    known.extend(
        ast.iter_functions()
            .filter(|one| !one.name.starts_with("anon$"))
            .flat_map(|one| one.params.into_iter().map(str::to_owned)),
    );
    known.retain(|known| known != name);
    known.sort();
    known.push("DFF".into());
    if is_assigned(&ast, name) {
        return problem.hint(format!(
            "a variable begins with `let`: write `let {name} = …;` where it is given its first value"
        ));
    }
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!(
            "give it a value first, `let {name} = …;`, or put it in double quotes where it is a text"
        )),
    }
}

/// `name = …` somewhere in the script.
fn is_assigned(ast: &rhai::AST, name: &str) -> bool {
    let mut found = false;
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Assignment(assignment))) = nodes.last()
            && let Expr::Variable(variable, ..) = &assignment.1.lhs
        {
            found |= variable.1 == name;
        }
        !found
    });
    found
}

/// The function in whose body a place is; none at the top of the script.
fn enclosing(ast: &rhai::AST, position: Position) -> Option<rhai::Shared<ScriptFuncDef>> {
    let bodies = ast.shared_lib().iter_script_fn_info().map(|(.., function)| function);
    bodies
        .filter(|function| {
            let span = function.body.span();
            span.start() <= position && position <= span.end()
        })
        .max_by_key(|function| function.body.position())
        .cloned()
}

/// Is it a variable of the script, or one of this function: `let name = …`, or a parameter?
pub(super) fn is_variable(ast: &rhai::AST, function: Option<&ScriptFuncDef>, name: &str) -> bool {
    let mut found = variables::top_level(ast).contains(name)
        || function.is_some_and(|function| function.params.iter().any(|one| one == name));
    locate::each_node(ast, function, &mut |node| {
        if let ASTNode::Stmt(Stmt::Var(variable, ..)) = node {
            found |= variable.0.name == name;
        }
    });
    found
}

/// A variable that is called like a function.
pub(super) fn called_variable(ast: &rhai::AST, name: &str) -> Problem {
    let mut is_map = false;
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Var(variable, ..))) = nodes.last()
            && variable.0.name == name
        {
            is_map |= match &variable.1 {
                Expr::Map(..) => true,
                Expr::DynamicConstant(value, _) => value.is_map(),
                _ => false,
            };
        }
        true
    });
    let hint = if is_map {
        format!("it is a map: write `{name}.key` or `{name}[\"key\"]`")
    } else {
        format!("call the function that it holds: `{name}.call(…)`")
    };
    Problem::input(format!("`{name}` is a variable, not a function"))
        .label("called like a function")
        .hint(hint)
}

/// `import name as …` without quotes.
fn is_bare_import(ast: &rhai::AST, name: &str) -> bool {
    ast.statements().iter().any(|statement| {
        matches!(statement, Stmt::Import(import, _) if matches!(&import.0, Expr::Variable(variable, ..) if variable.1 == name))
    })
}

/// `alias::f()` where there is no such import.
pub(super) fn not_imported(host: &Host, alias: &str, script: &str) -> Problem {
    let problem = Problem::input(format!("nothing is imported as `{alias}`")).label("not imported");
    let known: Vec<String> = host
        .script(script)
        .and_then(|loaded| loaded.ast)
        .map(|ast| imports(&ast).into_iter().map(|import| import.alias).collect())
        .unwrap_or_default();
    match nearest(alias, known.iter().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("write at the top of the script: import \"…\" as {alias};")),
    }
}

/// Python's functions and what they are here.
const PYTHON: &[(&str, &str)] = &[
    ("str", "write `x.to_string()`"),
    ("int", "write `parse_int(text)` or `x.to_int()`"),
    ("float", "write `parse_float(text)` or `x.to_float()`"),
    ("dict", "a map is written `#{ key: value }`"),
    ("list", "a list is written `[a, b]`"),
    ("set", "a list without doubles is `list.dedup()`"),
    ("isinstance", "write `type_of(x) == \"map\"`"),
    ("enumerate", "write `for (item, index) in list { … }`"),
    ("format", "write `…${value}…` between backticks"),
    ("append", "write `list.push(item)`"),
    ("strip", "write `text.trim()`, which changes the text itself"),
    ("startswith", "write `text.starts_with(\"…\")`"),
    ("endswith", "write `text.ends_with(\"…\")`"),
    ("lower", "write `text.to_lower()`"),
    ("upper", "write `text.to_upper()`"),
    ("range", "write `0..3`, or `range(0, 3)`: from the first on, up to before the last"),
    (
        "open",
        "scripts read no files; `DFF.ENV` reads the environment, and `DFF.STORE` keeps values between runs",
    ),
    ("input", "nobody is there to answer; `DFF.ENV` reads the environment"),
    ("zip", "write `for (item, index) in list { … }`, and take the other by `[index]`"),
    ("sorted", "write `let copy = list; copy.sort();`"),
    ("sum", "write `list.reduce(|sum, x| sum + x, 0)`"),
    ("any", "write `list.some(|x| …)`"),
    ("sleep", "write `sleep(1)`: a number of seconds"),
    ("items", "write `for key in map.keys() { let value = map[key]; … }`"),
];

/// What a function of Python is here.
pub(super) fn of_python(name: &str) -> Option<&'static str> {
    PYTHON.iter().find(|(python, _)| *python == name).map(|(_, hint)| *hint)
}

/// A function that there is not, or not for these arguments. The signature is Rhai's: `name (type, type)`.
fn no_function(host: &Host, signature: &str, at: &At) -> Problem {
    let script = at.0.as_str();
    let (name, arguments) = signature.split_once(" (").unwrap_or((signature, ""));
    let arguments: Vec<&str> =
        arguments.trim_end_matches(')').split(", ").filter(|argument| !argument.is_empty()).collect();
    let bare = name.rsplit("::").next().unwrap_or(name);
    if let Some(member) = bare.strip_prefix(MEMBER) {
        return wrong_member(member, dff::MEMBERS, dff::unknown_member(member));
    }
    if let Some(tool) = bare.strip_prefix(TOOL) {
        return wrong_member(tool, dff::TOOLS, dff::unknown_tool(tool));
    }
    if arguments.first() == Some(&"DFF") {
        return wrong_member(bare, dff::MEMBERS, dff::unknown_member(bare));
    }
    let kinds = arguments.iter().map(|argument| kind_of_name(argument)).collect::<Vec<_>>().join(", ");
    if name == "Collector" {
        return Problem::input(format!("`Collector` takes 3 or 4 arguments, {} given", arguments.len()))
            .label("wrong number of arguments")
            .hint(super::custom::FORM);
    }
    if bare == "DataCollector" {
        let given = arguments.len();
        return Problem::input(format!("`DataCollector` takes 2 or 3 arguments, {given} given"))
            .label("wrong number of arguments")
            .hint("write `DataCollector(account, configs)`, or `DataCollector(account, configs, #{ filters: [f] })`");
    }
    if bare.starts_with("anon$") {
        return wrong_closure(host, bare, arguments.len());
    }
    let fault = Problem::input(match arguments.len() {
        0 => format!("there is no function `{bare}()`"),
        _ => format!("there is no function `{bare}` for {kinds}"),
    })
    .label("no such function");
    let ast = host.script(script).and_then(|loaded| loaded.ast);
    let own: Vec<(String, usize)> = ast
        .iter()
        .flat_map(|ast| {
            ast.iter_functions().map(|one| (one.name.to_owned(), one.params.len())).collect::<Vec<_>>()
        })
        .filter(|(name, _)| !name.starts_with("anon$"))
        .collect();
    if let Some((_, count)) = own.iter().find(|(own, _)| own == bare && !name.contains("::")) {
        let given = arguments.len();
        return Problem::input(format!("`{bare}` takes {count} argument{}, {given} given", plural(*count)))
            .label("wrong number of arguments");
    }
    match arguments.first().copied().unwrap_or_default() {
        _ if name.contains("::") => {
            return match exported(host, name, script) {
                Some(list) => match nearest(bare, list.iter().map(String::as_str)) {
                    Some(near) if near != bare => fault.hint(format!("did you mean `{near}`?")),
                    _ => fault.hint(format!("it has {}", list.join(", "))),
                },
                None => fault.hint("`funchost check` names what the imported script has"),
            };
        }
        "Client" => {
            return fault.hint(
                "a client has .request(service, action, parameters, options), .all(service, action, parameters, options) and .pages(…, options, |items| { … })",
            );
        }
        "Context" => return fault.hint("the context has ctx.emit(point) and ctx.warn(text)"),
        "Connection" => {
            return fault.hint("it has .write_metric(point), .write_metric_many(points) and .write_by_category(category, points)");
        }
        "Store" | "Cache" => {
            return match KEEPING.iter().find(|(method, _)| *method == bare) {
                Some((_, form)) => Problem::input(format!("`{bare}` does not take these arguments"))
                    .label("wrong arguments")
                    .hint(format!("write `{form}`")),
                None => fault.hint("it has get, set, delete, exists, keys, get_all, incr, expire and ttl"),
            };
        }
        _ => {}
    }
    if packages::is_host_type(arguments.first().copied().unwrap_or_default()) && bare != "run" {
        return fault.hint("a Runner has one method, `.run()`; a collector has none");
    }
    if let Some(ast) = &ast {
        let function = enclosing(ast, at.1);
        if is_variable(ast, function.as_deref(), bare) {
            return called_variable(ast, bare);
        }
    }
    let known = own.iter().map(|(name, _)| name.as_str()).chain(BUILT_IN.iter().copied());
    match (of_python(bare), nearest(bare, known)) {
        (Some(hint), _) => fault.hint(hint),
        (None, Some(near)) if near == bare => {
            fault.hint(format!("`{bare}` exists, but not for these types: look at what it is given"))
        }
        (None, Some(near)) => fault.hint(format!("did you mean `{near}`?")),
        (None, None) if !bare.starts_with(|first: char| first.is_alphabetic() || first == '_') => {
            fault.hint("make both of one kind first: `x.to_string()`, `parse_int(text)`, `parse_float(text)`")
        }
        (None, None) => fault.hint(format!(
            "write one, `fn {bare}(…) {{ … }}`, or look for its name in docs/from-dataflux-func.md"
        )),
    }
}

/// A closure that is called with another number of values than it takes. What it captured stands before both.
fn wrong_closure(host: &Host, name: &str, given: usize) -> Problem {
    let defined = host.function_position(name).and_then(|(script, position)| {
        let loaded = host.script(&script)?;
        let all = loaded.ast?.iter_functions().find(|one| one.name == name)?.params.len();
        let written = written_parameters(&loaded.source, position.line()?, position.position()?)?;
        Some((all, written))
    });
    let Some((all, written)) = defined else {
        return Problem::input("this closure takes another number of values than it is given")
            .label("called with another number of values")
            .hint("filters and the methods of lists give one value: write `|item| …`");
    };
    let takes = number(written as u64, "value", "values");
    let given = given.saturating_sub(all.saturating_sub(written));
    let parameters = match given {
        0 => String::new(),
        1 => "item".into(),
        _ => ('a'..='z').take(given).map(String::from).collect::<Vec<_>>().join(", "),
    };
    Problem::input(format!("this closure takes {takes} and is given {given}"))
        .label("called with another number of values")
        .hint(format!("write `|{parameters}| …`"))
}

/// How many parameters stand between the bars of the closure whose bars or whose body stand here.
fn written_parameters(source: &str, line: usize, column: usize) -> Option<usize> {
    let tokens = lex(source);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text(source));
    let at = tokens.iter().position(|token| (token.line, token.column) == (line, column))?;
    let start = match (text(at), text(at.wrapping_sub(1))) {
        ("|" | "||", _) => at,
        (_, "||") => at - 1,
        (_, "|") => (0..at - 1).rev().find(|before| text(*before) == "|")?,
        _ => return None,
    };
    if text(start) == "||" {
        return Some(0);
    }
    let inside = (start + 1..).take_while(|at| !matches!(text(*at), "|" | ""));
    Some(inside.filter(|at| tokens[*at].kind == Kind::Word).count())
}

/// The functions of what `alias::name` was imported from.
fn exported(host: &Host, name: &str, script: &str) -> Option<Vec<String>> {
    let alias = name.split("::").next()?;
    let ast = host.script(script)?.ast?;
    let import = imports(&ast).into_iter().find(|import| import.alias == alias)?;
    if clients::is_client(&import.id) {
        return Some(vec!["client".into()]);
    }
    if packages::is_runner(&import.id) {
        return Some(vec!["Runner".into()]);
    }
    if packages::is_collector(host, &import.id) {
        return Some(vec!["DataCollector".into()]);
    }
    let other = host.script(&host.library.resolve(script, &import.id))?.ast?;
    let public = other.iter_functions().filter(|one| one.access == rhai::FnAccess::Public);
    Some(public.map(|one| one.name.to_owned()).filter(|name| !name.starts_with("anon$")).collect())
}

/// How the methods of `DFF.STORE` and `DFF.CACHE` are called.
pub(super) const KEEPING: &[(&str, &str)] = &[
    ("get", "get(\"key\")` or `get(\"key\", default)"),
    ("set", "set(\"key\", value)` or `set(\"key\", value, #{ expires: seconds })"),
    ("delete", "delete(\"key\")"),
    ("exists", "exists(\"key\")"),
    ("keys", "keys()` or `keys(\"pattern*\")"),
    ("get_all", "get_all()"),
    ("incr", "incr(\"key\")` or `incr(\"key\", step)"),
    ("expire", "expire(\"key\", seconds)"),
    ("ttl", "ttl(\"key\")"),
];

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A member of `DFF` that does not exist, or not for these arguments.
fn wrong_member(member: &str, members: &[&str], unknown: Problem) -> Problem {
    if !members.contains(&member) {
        return unknown;
    }
    if ["now", "now_ms"].contains(&member) {
        return Problem::input(format!("`{member}` takes no arguments"))
            .hint(format!("write `{}`", dff::form(member)));
    }
    Problem::input(format!("`{member}` does not take these arguments"))
        .label("wrong arguments")
        .hint(format!("write `{}`", dff::form(member)))
}

/// What is near enough to a misspelt name to be meant: the functions that scripts use most.
const BUILT_IN: &[&str] = &[
    "print",
    "debug",
    "len",
    "push",
    "pop",
    "insert",
    "remove",
    "contains",
    "keys",
    "values",
    "map",
    "filter",
    "reduce",
    "sort",
    "reverse",
    "split",
    "trim",
    "replace",
    "to_string",
    "to_int",
    "to_float",
    "to_lower",
    "to_upper",
    "parse_int",
    "parse_float",
    "parse_json",
    "to_json",
    "starts_with",
    "ends_with",
    "sub_string",
    "index_of",
    "type_of",
    "sleep",
    "timestamp",
    "range",
    "min",
    "max",
    "abs",
    "round",
    "get",
    "set",
    "mixin",
    "for_each",
    "some",
    "all",
    "find",
    "extract",
    "chars",
    "is_empty",
    "clear",
    "append",
    "dedup",
    "Runner",
    "DataCollector",
    "run",
];
