//! Functions that read a loop's variable too late.
//!
//! A function that is written in a loop shares the loop's variable with it. A collector calls its function when the loop has ended, and finds
//! the last value, in all of them. Owns which of these `check` warns of: only what is wrong for certain. Only reads syntax trees.

use super::locate::each_node;
use super::problem::Problem;
use rhai::{AST, ASTFlags, ASTNode, Expr, Ident, ScriptFuncDef, Stmt, StmtBlock};
use std::collections::BTreeSet;

/// What keeps a function until its Runner runs.
const KEEPERS: &[&str] = &["Collector", "DataCollector"];

/// A warning for each variable that is read too late in one body.
pub(super) fn readers(script: &str, ast: &AST, function: Option<&ScriptFuncDef>) -> Vec<Problem> {
    let mut problems = Vec::new();
    each_node(ast, function, &mut |node| {
        let found = match node {
            ASTNode::Stmt(Stmt::For(parts, _)) => {
                let (variable, counter, flow) = &**parts;
                let changing =
                    [Some(variable), counter.as_ref()].into_iter().flatten().map(|one| one.name.to_string());
                Body::of(&flow.body).late(&changing.collect())
            }
            ASTNode::Stmt(Stmt::While(flow, _) | Stmt::Do(flow, ..)) => {
                let body = Body::of(&flow.body);
                let mut asked = body.asked.clone();
                names(&flow.expr, &mut asked);
                let changing = asked.intersection(&body.assigned).cloned().collect();
                body.late(&changing)
            }
            _ => return,
        };
        problems.extend(found.into_iter().map(|one| {
            let name = one.name.as_str();
            Problem::input(format!(
                "`{name}` changes with every turn of the loop, and this function reads it when the loop has ended"
            ))
            .label(format!("the last `{name}`, in all of them"))
            .hint(format!("take a copy in the loop, and use that in the function: `let own_{name} = {name};`"))
            .at(script, one.pos)
        }));
    });
    problems
}

/// What stands in a loop.
#[derive(Default)]
struct Body {
    /// Variables of functions that a collector keeps, as they are written there.
    kept: Vec<Ident>,
    /// Variables of functions that a variable holds, by its name.
    held: Vec<(String, Ident)>,
    /// What is given to collectors.
    given: BTreeSet<String>,
    /// Variables that begin in the loop: each turn has its own.
    own: BTreeSet<String>,
    /// Variables that get another value.
    assigned: BTreeSet<String>,
    /// Variables by which it is decided to leave the loop.
    asked: BTreeSet<String>,
    /// Does a Runner run inside? It reads this turn's value.
    runs: bool,
    /// Is it left at its first turn?
    leaves: bool,
}

impl Body {
    fn of(block: &StmtBlock) -> Self {
        let mut body = Self { leaves: block.statements().iter().any(is_way_out), ..Self::default() };
        for statement in block.statements() {
            statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
                body.node(nodes);
                true
            });
        }
        body
    }

    fn node(&mut self, nodes: &[ASTNode]) {
        let Some((node, before)) = nodes.split_last() else { return };
        let is_given = || before.iter().any(|node| KEEPERS.contains(&called(node).as_str()));
        match node {
            ASTNode::Stmt(Stmt::Var(new, ..)) => {
                self.own.insert(new.0.name.to_string());
            }
            ASTNode::Stmt(Stmt::Assignment(assignment)) => {
                if let Expr::Variable(variable, ..) = &assignment.1.lhs {
                    self.assigned.insert(variable.1.to_string());
                }
            }
            ASTNode::Stmt(Stmt::If(flow, _)) if leaves(node) => names(&flow.expr, &mut self.asked),
            // Who leaves the loop behind the function leaves the variable as it is.
            ASTNode::Stmt(Stmt::Share(_)) if before.iter().any(leaves) => {}
            ASTNode::Stmt(Stmt::Share(variables)) => {
                let read = variables.iter().map(|(one, _)| one.clone());
                if is_given() {
                    self.kept.extend(read);
                } else if let [.., ASTNode::Stmt(Stmt::Var(holder, ..)), ASTNode::Expr(Expr::Stmt(_))] =
                    before
                {
                    self.held.extend(read.map(|one| (holder.0.name.to_string(), one)));
                }
            }
            ASTNode::Expr(Expr::Variable(variable, ..)) if is_given() => {
                self.given.insert(variable.1.to_string());
            }
            ASTNode::Expr(Expr::Custom(..)) => self.runs = true,
            other => self.runs |= called(other) == "Runner",
        }
    }

    /// Of these variables, which change from turn to turn, those that a kept function reads.
    fn late(self, changing: &BTreeSet<String>) -> Vec<Ident> {
        if self.runs || self.leaves {
            return Vec::new();
        }
        let held = self.held.into_iter().filter(|(holder, _)| self.given.contains(holder));
        let mut late: Vec<Ident> = self.kept.into_iter().chain(held.map(|(_, one)| one)).collect();
        late.retain(|one| changing.contains(one.name.as_str()) && !self.own.contains(one.name.as_str()));
        late.dedup_by_key(|one| one.pos);
        late
    }
}

/// The name of what is called.
fn called(node: &ASTNode) -> String {
    match node {
        ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _)) => call.name.to_string(),
        _ => String::new(),
    }
}

/// The variables that an expression reads.
fn names(expression: &Expr, found: &mut BTreeSet<String>) {
    expression.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::Variable(variable, ..))) = nodes.last() {
            found.insert(variable.1.to_string());
        }
        true
    });
}

/// `break` or `return`.
fn is_way_out(statement: &Stmt) -> bool {
    match statement {
        Stmt::BreakLoop(_, options, _) => options.intersects(ASTFlags::BREAK),
        Stmt::Return(..) => true,
        _ => false,
    }
}

/// Does a statement hold one?
fn leaves(node: &ASTNode) -> bool {
    let ASTNode::Stmt(statement) = node else { return false };
    let mut found = false;
    statement.walk(&mut Vec::new(), &mut |nodes: &[ASTNode]| {
        found |= matches!(nodes.last(), Some(ASTNode::Stmt(statement)) if is_way_out(statement));
        !found
    });
    found
}
