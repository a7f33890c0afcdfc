//! Places in the text: the token at a position, and the place where a wrong value was written.
//!
//! Owns the way back from a call's argument through variables, parameters, functions and imported files to its literal. It only
//! reads syntax trees: where a value cannot be followed, the nearest place that is known is the answer.

use super::host::Host;
use super::lexer::{Kind, lex};
use super::problem::{Argument, At};
use rhai::{AST, ASTNode, Expr, Position, ScriptFuncDef, Shared, Stmt};
use std::ops::Range;

/// The bytes of the token at a line and column (characters, from 1); empty where there is none.
pub(super) fn span(source: &str, line: usize, column: usize) -> Range<usize> {
    let start = offset(source, line, column);
    for token in lex(source) {
        if token.range.start <= start && start < token.range.end {
            if matches!(token.kind, Kind::Comment) {
                break;
            }
            let text = &source[start..token.range.end];
            // A text of several lines would be drawn as a frame.
            let end = text.find('\n').map_or(token.range.end, |length| start + length);
            return start..end;
        }
    }
    let length =
        source[start..].chars().next().filter(|character| *character != '\n').map_or(0, char::len_utf8);
    start..start + length
}

/// Rhai places a property at its dot: the name that is meant comes after it.
pub(super) fn behind_dot(source: &str, line: usize, column: usize) -> (usize, usize) {
    let start = offset(source, line, column);
    let dot =
        if source[start..].starts_with("?.") { 2 } else { usize::from(source[start..].starts_with('.')) };
    if dot == 0 || source[start..].starts_with("..") {
        return (line, column);
    }
    let after = lex(source).into_iter().find(|token| token.range.start >= start + dot);
    after.filter(|token| token.kind == Kind::Word).map_or((line, column), |token| (token.line, token.column))
}

/// The byte at a line and column; the line's end where it is shorter.
pub(super) fn offset(source: &str, line: usize, column: usize) -> usize {
    let start: usize = source.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let text = source[start..].split('\n').next().unwrap_or_default();
    let inside = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
    start + inside
}

/// The end of a source, as a line and column.
pub(super) fn end(source: &str) -> (usize, usize) {
    let text = source.trim_end();
    let line = text.matches('\n').count() + 1;
    let last = text.rsplit('\n').next().unwrap_or_default();
    (line, last.chars().count() + 1)
}

/// Where the part of an argument is written that is wrong. `calls` are the calls that led to the one at `call`, outermost first.
pub(super) fn argument(host: &Host, call: &At, argument: &Argument, calls: &[At]) -> Option<At> {
    let finder = Finder { host, calls, about_key: argument.key };
    let (written, scope) = finder.call(call, calls.len())?;
    let expression = written.get(argument.index)?;
    finder.follow(expression, &scope, &argument.path, 0)
}

/// Farther than this no one follows a value, and a circle ends.
const FARTHEST: usize = 32;

/// What is visible where an expression stands.
#[derive(Clone)]
struct Scope {
    script: String,
    ast: AST,
    /// None at the top level.
    function: Option<Shared<ScriptFuncDef>>,
    caller: Caller,
}

/// Who gave the parameters.
#[derive(Clone)]
enum Caller {
    /// The call that is this many calls from the outside.
    Running(usize),
    /// A call in the text.
    Written(Box<(Vec<Expr>, Scope)>),
}

struct Finder<'h> {
    host: &'h Host,
    calls: &'h [At],
    about_key: bool,
}

impl Finder<'_> {
    /// The arguments of the call at a place, and what is visible there.
    fn call(&self, at: &At, depth: usize) -> Option<(Vec<Expr>, Scope)> {
        let (script, position) = at;
        let ast = self.host.script(script)?.ast?;
        let functions: Vec<_> =
            ast.shared_lib().iter_script_fn_info().map(|(.., function)| function.clone()).collect();
        for function in functions.into_iter().map(Some).chain([None]) {
            let mut found: Option<Vec<Expr>> = None;
            each_node(&ast, function.as_deref(), &mut |node| {
                let (call, place) = match node {
                    ASTNode::Expr(Expr::FnCall(call, place) | Expr::MethodCall(call, place))
                    | ASTNode::Stmt(Stmt::FnCall(call, place)) => (call, place),
                    _ => return,
                };
                let begins = call.namespace.path.first().map(|alias| alias.pos);
                if found.is_none() && (place == position || begins.as_ref() == Some(position)) {
                    found = Some(call.args.to_vec());
                }
            });
            if let Some(arguments) = found {
                let caller = Caller::Running(depth);
                return Some((arguments, Scope { script: script.clone(), ast, function, caller }));
            }
        }
        None
    }

    fn follow(&self, expression: &Expr, scope: &Scope, path: &str, steps: usize) -> Option<At> {
        let here = |position: Position| Some((scope.script.clone(), position));
        if steps > FARTHEST {
            return here(expression.start_position());
        }
        let steps = steps + 1;
        match expression {
            Expr::Variable(variable, _, position) if variable.2.is_empty() => {
                self.variable(&variable.1, *position, scope, path, steps).or_else(|| here(*position))
            }
            Expr::Variable(variable, ..) => self
                .imported(&variable.2.path.first()?.name, scope)
                .and_then(|scope| self.variable(&variable.1, Position::NONE, &scope, path, steps))
                .or_else(|| here(expression.start_position())),
            Expr::FnCall(call, _) => {
                let home = match call.namespace.path.first() {
                    Some(alias) => self.imported(&alias.name, scope),
                    None => Some(scope.clone()),
                };
                home.and_then(|home| self.answer(&call.name, &call.args, scope, &home, path, steps))
                    .or_else(|| here(expression.start_position()))
            }
            Expr::Array(items, position) => match index(path) {
                Some((index, rest)) => match items.get(index) {
                    Some(item) => self.follow(item, scope, rest, steps),
                    None => here(*position),
                },
                None => here(*position),
            },
            Expr::Map(map, position) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                if path.is_empty() {
                    return here(*position);
                }
                let entry = map
                    .0
                    .iter()
                    .filter(|(key, _)| {
                        let rest = path.strip_prefix(key.name.as_str());
                        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                    })
                    .max_by_key(|(key, _)| key.name.len());
                match entry {
                    Some((key, value)) => {
                        let rest = &path[key.name.len()..];
                        if rest.is_empty() && self.about_key {
                            return here(key.pos);
                        }
                        self.follow(value, scope, rest, steps)
                    }
                    // Built at run time: then the key is not missing in the text.
                    None => here(*position),
                }
            }
            Expr::Dot(chain, ..) | Expr::Index(chain, ..) => match link(&chain.rhs) {
                Some(link) => self.follow(&chain.lhs, scope, &join(&link, path), steps),
                None => here(expression.start_position()),
            },
            other => here(other.start_position()),
        }
    }

    /// A variable's value: what was last given to this part of it, its `let`, the caller's argument, or the module's.
    fn variable(&self, name: &str, at: Position, scope: &Scope, path: &str, steps: usize) -> Option<At> {
        let before = |position: Position| at.is_none() || position < at;
        let body = scope.function.as_deref();
        let mut value: Option<(Position, Expr, String)> = None;
        let mut newer = |position: Position, expression: &Expr, rest: String| {
            if before(position) && value.as_ref().is_none_or(|(known, ..)| *known <= position) {
                value = Some((position, expression.clone(), rest));
            }
        };
        each_node(&scope.ast, body, &mut |node| match node {
            ASTNode::Stmt(Stmt::Var(variable, ..)) if variable.0.name == name => {
                newer(variable.0.pos, &variable.1, path.to_owned());
            }
            ASTNode::Stmt(Stmt::Assignment(assignment)) => {
                if let Some((root, written)) = target(&assignment.1.lhs)
                    && root == name
                    && let Some(rest) =
                        path.trim_start_matches('.').strip_prefix(written.trim_start_matches('.'))
                    && (rest.is_empty() || rest.starts_with(['.', '[']) || written.is_empty())
                {
                    newer(assignment.1.lhs.start_position(), &assignment.1.rhs, rest.to_owned());
                }
            }
            _ => {}
        });
        if let Some((_, expression, rest)) = value {
            return self.follow(&expression, scope, &rest, steps);
        }
        let function = body?;
        if let Some(index) = function.params.iter().position(|parameter| parameter == name) {
            let caller = match &scope.caller {
                Caller::Written(call) => Some((**call).clone()),
                Caller::Running(depth) => {
                    depth.checked_sub(1).and_then(|outer| self.call(self.calls.get(outer)?, outer))
                }
            };
            if let Some((arguments, scope)) = caller
                && let Some(argument) = arguments.get(index)
            {
                return self.follow(argument, &scope, path, steps);
            }
            // A closure's parameter may be a variable that it captured.
            if function.name.starts_with("anon$") {
                return self.captured(name, at, scope, path, steps);
            }
            return None;
        }
        let module = Scope { function: None, ..scope.clone() };
        self.variable(name, Position::NONE, &module, path, steps)
    }

    /// The nearest `let` above a closure, in whichever function it stands.
    fn captured(&self, name: &str, at: Position, scope: &Scope, path: &str, steps: usize) -> Option<At> {
        let mut best: Option<(Position, Expr, Scope)> = None;
        let functions: Vec<_> =
            scope.ast.shared_lib().iter_script_fn_info().map(|(.., function)| function.clone()).collect();
        for function in functions.into_iter().map(Some).chain([None]) {
            each_node(&scope.ast, function.as_deref(), &mut |node| {
                if let ASTNode::Stmt(Stmt::Var(variable, ..)) = node
                    && variable.0.name == name
                    && variable.0.pos < at
                    && best.as_ref().is_none_or(|(known, ..)| *known < variable.0.pos)
                {
                    let scope = Scope { function: function.clone(), ..scope.clone() };
                    best = Some((variable.0.pos, variable.1.clone(), scope));
                }
            });
        }
        let (_, expression, scope) = best?;
        self.follow(&expression, &scope, path, steps)
    }

    /// The last value of a function of a script.
    fn answer(
        &self,
        name: &str,
        arguments: &[Expr],
        from: &Scope,
        home: &Scope,
        path: &str,
        steps: usize,
    ) -> Option<At> {
        let function = home
            .ast
            .shared_lib()
            .iter_script_fn_info()
            .find(|(_, _, found, count, _)| *found == name && *count == arguments.len())
            .map(|(.., function)| function.clone())?;
        let last = match function.body.iter().last()? {
            Stmt::Expr(expression) => (**expression).clone(),
            Stmt::Return(Some(expression), ..) => (**expression).clone(),
            Stmt::FnCall(call, position) => Expr::FnCall(call.clone(), *position),
            _ => return None,
        };
        let caller = Caller::Written(Box::new((arguments.to_vec(), from.clone())));
        let scope = Scope { function: Some(function), caller, ..home.clone() };
        self.follow(&last, &scope, path, steps)
    }

    /// The top level of the script that is imported under a name.
    fn imported(&self, alias: &str, scope: &Scope) -> Option<Scope> {
        let id = imports(&scope.ast).into_iter().find(|import| import.alias == alias)?.id;
        let script = self.host.library.resolve(&scope.script, &id);
        let ast = self.host.script(&script)?.ast?;
        Some(Scope { script, ast, function: None, caller: Caller::Running(0) })
    }
}

/// An `import` of a script.
pub(super) struct Import {
    pub(super) id: String,
    pub(super) alias: String,
}

/// The imports of a script whose id is written out, wherever they stand.
pub(super) fn imports(ast: &AST) -> Vec<Import> {
    let mut imports = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = nodes.last()
            && let Expr::StringConstant(id, _) = &import.0
        {
            imports.push(Import { id: id.to_string(), alias: import.1.name.to_string() });
        }
        true
    });
    imports
}

/// Visits a function's body, or the top level.
pub(super) fn each_node(ast: &AST, function: Option<&ScriptFuncDef>, visit: &mut dyn FnMut(&ASTNode)) {
    let mut on_node = |nodes: &[ASTNode]| {
        if let Some(node) = nodes.last() {
            visit(node);
        }
        true
    };
    let statements = function.map_or(ast.statements(), |function| function.body.statements());
    for statement in statements {
        statement.walk(&mut Vec::new(), &mut on_node);
    }
}

/// `[3]` and what follows.
fn index(path: &str) -> Option<(usize, &str)> {
    let (number, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((number.parse().ok()?, rest))
}

/// One link of a chain as a key path.
fn link(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Property(property, _) => Some(property.2.to_string()),
        Expr::StringConstant(key, _) => Some(key.to_string()),
        Expr::IntegerConstant(index, _) if *index >= 0 => Some(format!("[{index}]")),
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => Some(join(&link(&chain.lhs)?, &link(&chain.rhs)?)),
        _ => None,
    }
}

/// The variable and key path that an assignment changes.
fn target(expression: &Expr) -> Option<(String, String)> {
    match expression {
        Expr::Variable(variable, ..) if variable.2.is_empty() => {
            Some((variable.1.to_string(), String::new()))
        }
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => {
            let (root, path) = target(&chain.lhs)?;
            Some((root, join(&path, &link(&chain.rhs)?)))
        }
        _ => None,
    }
}

fn join(path: &str, rest: &str) -> String {
    if path.is_empty() || rest.is_empty() || rest.starts_with(['[', '.']) {
        format!("{path}{rest}")
    } else {
        format!("{path}.{rest}")
    }
}
