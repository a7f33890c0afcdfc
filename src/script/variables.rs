//! Module-level variables, as functions see them: copies, read-only.
//!
//! A function of Rhai sees no variable of its script. The host copies the top level's scope after each of its statements;
//! when a function meets a name that is no local, the copy of its own script answers. What a function would change in such a
//! copy would be lost, some of it without an error: so it is found when the script is loaded.

use super::host::Host;
use super::locate::each_node;
use super::problem::Problem;
use rhai::{AST, ASTNode, Dynamic, Engine, EvalContext, Expr, Position, Stmt};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

/// Methods of Rhai's own types that change the value they are called on.
const CHANGING: &[&str] = &[
    "append",
    "chop",
    "clear",
    "crop",
    "dedup",
    "drain",
    "drop",
    "fill_with",
    "insert",
    "make_lower",
    "make_upper",
    "mixin",
    "pad",
    "pop",
    "push",
    "remove",
    "replace",
    "retain",
    "reverse",
    "set",
    "set_bit",
    "set_bits",
    "set_tag",
    "shift",
    "sort",
    "sort_by",
    "sort_desc",
    "splice",
    "split_off",
    "trim",
    "truncate",
    "write_ascii",
    "write_be",
    "write_le",
    "write_utf8",
];

/// Copies the scope of the script that is being evaluated.
pub(super) fn capture(host: &Host, context: &mut EvalContext) {
    let script = context.source().unwrap_or_default().to_owned();
    let copies: Vec<_> =
        context.scope().iter_raw().map(|(name, _, value)| (name.to_owned(), value.flatten_clone())).collect();
    let mut variables = host.variables.write().unwrap_or_else(PoisonError::into_inner);
    variables.entry(script).or_default().extend(copies);
}

/// Lets functions see the copies.
pub(super) fn install(engine: &mut Engine, host: &Arc<Host>) {
    let host = host.clone();
    #[expect(deprecated, reason = "volatile, and the version of Rhai is pinned")]
    engine.on_var(move |name, index, context| {
        if host.stop.why().is_some() {
            host.ending.throw()?;
        }
        if index > 0 || context.scope().contains(name) {
            return Ok(None);
        }
        if name == "DFF" {
            // A closure would look for it in the scope of the function around it, and nowhere else.
            return Ok(Some(Dynamic::from(super::dff::Dff)));
        }
        let state = context.global_runtime_state();
        // The function's own script: a closure may run while another script is being evaluated.
        let script =
            state.lib.last().and_then(|library| library.id()).or(context.source()).unwrap_or_default();
        let variables = host.variables.read().unwrap_or_else(PoisonError::into_inner);
        Ok(variables.get(script).and_then(|copies| copies.get(name)).cloned())
    });
}

/// The names that the top level of a script defines.
pub(super) fn top_level(ast: &AST) -> BTreeSet<String> {
    ast.statements()
        .iter()
        .filter_map(|statement| match statement {
            Stmt::Var(variable, ..) => Some(variable.0.name.to_string()),
            _ => None,
        })
        .collect()
}

/// Where functions would change a module-level variable and the change would be lost.
pub(super) fn lost_assignments(script: &str, ast: &AST) -> Vec<Problem> {
    let module_level = top_level(ast);
    let copies = captured_copies(ast, &module_level);
    let mut problems: Vec<Problem> = Vec::new();
    for (.., function) in ast.shared_lib().iter_script_fn_info() {
        let is_module_level = |expression: &Expr| match expression {
            Expr::Variable(variable, short, position) if variable.2.is_empty() => {
                let name = variable.1.as_str();
                let local =
                    short.is_some() || variable.0.is_some() || function.params.iter().any(|one| one == name);
                let copied = copies.contains(&(function.name.to_string(), name.to_owned()));
                (module_level.contains(name) && (!local || copied)).then(|| (name.to_owned(), *position))
            }
            _ => None,
        };
        let mut visit = |node: &ASTNode| {
            let found = match node {
                ASTNode::Stmt(Stmt::Assignment(assignment)) => is_module_level(root(&assignment.1.lhs))
                    .map(|(name, position)| (name, position, "assigned here")),
                ASTNode::Expr(Expr::Dot(chain, ..) | Expr::Index(chain, ..)) if changes(&chain.rhs) => {
                    is_module_level(root(&chain.lhs)).map(|(name, position)| (name, position, "changed here"))
                }
                _ => None,
            };
            if let Some((name, position, label)) = found {
                problems.push(lost(script, &name, position, label));
            }
        };
        let mut path = Vec::new();
        for statement in function.body.iter() {
            statement.walk(&mut path, &mut |nodes: &[ASTNode]| {
                if let Some(node) = nodes.last() {
                    visit(node);
                }
                true
            });
        }
    }
    problems.sort_by_key(|problem| problem.place.clone().map(|(_, position)| position));
    problems.dedup_by_key(|problem| problem.place.clone());
    problems
}

/// The closures of functions that got a copy of a module-level variable as a parameter, and its name. A closure of the top
/// level is not among them: it shares the variable itself.
fn captured_copies(ast: &AST, module_level: &BTreeSet<String>) -> BTreeSet<(String, String)> {
    let mut copies: BTreeSet<(String, String)> = BTreeSet::new();
    // What a closure inside a closure captures comes from the outer one: as often as they are nested.
    loop {
        let known = copies.clone();
        for (.., function) in ast.shared_lib().iter_script_fn_info() {
            each_node(ast, Some(&**function), &mut |node| {
                let ASTNode::Expr(Expr::FnCall(call, _)) = node else { return };
                let Some(Expr::DynamicConstant(pointer, _)) = call.args.first() else { return };
                let Some(pointer) = pointer.read_lock::<rhai::FnPtr>() else { return };
                for argument in call.args.iter().skip(1) {
                    if let Expr::Variable(variable, short, _) = argument {
                        let name = variable.1.to_string();
                        let outer = (function.name.to_string(), name.clone());
                        let local = short.is_some() || variable.0.is_some();
                        if known.contains(&outer) || (!local && module_level.contains(&name)) {
                            copies.insert((pointer.fn_name().to_owned(), name));
                        }
                    }
                }
            });
        }
        if copies == known {
            return copies;
        }
    }
}

/// The message for a change that would be lost.
pub(super) fn lost(script: &str, name: &str, position: Position, label: &str) -> Problem {
    Problem::input(format!("`{name}` is a module-level variable, which functions can only read"))
        .label(label)
        .hint(format!("take a copy first: `let copy = {name};`, and change the copy"))
        .at(script, position)
}

/// The variable at the beginning of `a.b[c].d`.
fn root(expression: &Expr) -> &Expr {
    match expression {
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => root(&chain.lhs),
        other => other,
    }
}

/// Does the last link of a chain call a method that changes what it is called on.
fn changes(expression: &Expr) -> bool {
    match expression {
        Expr::MethodCall(call, _) => CHANGING.contains(&call.name.as_str()),
        // `a.b.push(1)` is a chain inside a chain: each link is looked at from its beginning.
        Expr::Dot(chain, ..) | Expr::Index(chain, ..) => {
            !matches!(chain.lhs, Expr::MethodCall(..)) && changes(&chain.rhs)
        }
        _ => false,
    }
}
