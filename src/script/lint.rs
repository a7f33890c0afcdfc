//! What can be known of a script without running it.
//!
//! Owns the static half of `check`: undefined names, calls of what there is not, functions that hide built-in methods. The other
//! half evaluates the script without its effects. Only reads syntax trees.

use super::diagnostic::{Diagnostic, Severity};
use super::explain;
use super::host::Host;
use super::locate::{each_node, imports};
use super::problem::Problem;
use super::{clients, dff, late, packages, variables};
use funchost_collectors::mistake::nearest;
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Position, ScriptFuncDef, Shared, Stmt};
use std::collections::BTreeSet;

/// Functions that Rhai knows without registering them.
const KEYWORDS: &[&str] = &[
    "print",
    "debug",
    "type_of",
    "Fn",
    "call",
    "curry",
    "is_shared",
    "is_def_var",
    "is_def_fn",
    "eval",
    "this",
    "import",
];

/// All that is wrong or doubtful in the scripts that were loaded.
pub(super) fn lint(host: &Host, engine: &Engine) -> Vec<Diagnostic> {
    let built_in = BuiltIn::of(engine);
    let mut found = Vec::new();
    for id in host.loaded() {
        let Some(ast) = host.script(&id).and_then(|script| script.ast) else { continue };
        let linter = Linter { host, id: &id, ast: &ast, built_in: &built_in };
        found.extend(
            linter
                .problems()
                .into_iter()
                .map(|(severity, problem)| Diagnostic { severity, ..explain::problem(host, &problem) }),
        );
    }
    found
}

/// The functions of the engine.
struct BuiltIn {
    names: BTreeSet<String>,
    /// Methods: their names and numbers of arguments.
    methods: BTreeSet<(String, usize)>,
}

impl BuiltIn {
    fn of(engine: &Engine) -> Self {
        let mut built_in = Self { names: BTreeSet::new(), methods: BTreeSet::new() };
        let metadata = engine.gen_fn_metadata_to_json(true).unwrap_or_default();
        let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap_or_default();
        for function in metadata["functions"].as_array().into_iter().flatten() {
            let Some(name) = function["name"].as_str() else { continue };
            built_in.names.insert(name.to_owned());
            let parameters = function["params"].as_array().map_or(0, Vec::len);
            let method = function["params"][0]["type"].as_str().is_some_and(|kind| kind.starts_with("&mut"));
            if method && parameters > 0 {
                built_in.methods.insert((name.to_owned(), parameters - 1));
            }
        }
        built_in
    }
}

struct Linter<'l> {
    host: &'l Host,
    id: &'l str,
    ast: &'l AST,
    built_in: &'l BuiltIn,
}

impl Linter<'_> {
    fn problems(&self) -> Vec<(Severity, Problem)> {
        let mut problems = Vec::new();
        let functions: Vec<Shared<ScriptFuncDef>> =
            self.ast.shared_lib().iter_script_fn_info().map(|(.., function)| function.clone()).collect();
        for function in functions.iter().map(Some).chain([None]) {
            self.names(function.map(|function| &**function), &mut problems);
            let late = late::readers(self.id, self.ast, function.map(|function| &**function));
            problems.extend(late.into_iter().map(|problem| (Severity::Warning, problem)));
            self.plain_texts(function.map(|function| &**function), &mut problems);
        }
        for problem in variables::lost_assignments(self.id, self.ast) {
            problems.push((Severity::Error, problem));
        }
        for function in &functions {
            self.hidden_method(function, &mut problems);
        }
        self.runner_without_import(&mut problems);
        problems.sort_by_key(|(_, problem)| problem.place.clone().map(|(_, position)| position));
        problems
    }

    /// Names and calls in one body.
    fn names(&self, function: Option<&ScriptFuncDef>, problems: &mut Vec<(Severity, Problem)>) {
        let module_level = variables::top_level(self.ast);
        let own: Vec<_> =
            self.ast.iter_functions().map(|one| (one.name.to_owned(), one.params.len())).collect();
        let aliases: Vec<_> = imports(self.ast);
        // The names of options are no variables.
        let mut options: BTreeSet<Position> = BTreeSet::new();
        each_node(self.ast, function, &mut |node| {
            if let ASTNode::Expr(Expr::Custom(custom, _)) = node {
                for (token, input) in
                    custom.tokens.iter().filter(|token| token.starts_with('$')).zip(&custom.inputs)
                {
                    if token == "$ident$" {
                        options.insert(input.position());
                    }
                }
            }
        });
        let mut at = |severity: Severity, problem: Problem, position: Position| {
            let problem = problem.at_unless_placed(self.id, position);
            problems.push((severity, problem));
        };
        each_node(self.ast, function, &mut |node| match node {
            ASTNode::Expr(Expr::Variable(variable, short, position)) => {
                let name = variable.1.as_str();
                if !variable.2.is_empty() {
                    let alias = &variable.2.path[0];
                    if alias.name != "global"
                        && !aliases.iter().any(|import| import.alias == alias.name.as_str())
                    {
                        at(
                            Severity::Error,
                            explain::not_imported(self.host, &alias.name, self.id),
                            alias.pos,
                        );
                    }
                    return;
                }
                let known = short.is_some()
                    || variable.0.is_some()
                    || options.contains(position)
                    || name == "DFF"
                    || module_level.contains(name)
                    || own.iter().any(|(own, _)| own == name)
                    || function
                        .is_some_and(|function| function.params.iter().any(|parameter| parameter == name));
                if !known {
                    at(Severity::Error, explain::undefined(self.host, name, self.id), *position);
                }
            }
            ASTNode::Expr(Expr::FnCall(call, position)) | ASTNode::Stmt(Stmt::FnCall(call, position))
                if call.op_token.is_none() =>
            {
                if let Some(problem) = self.call(call, &own, function) {
                    at(Severity::Error, problem, *position);
                }
            }
            _ => {}
        });
    }

    /// A call of what there is not.
    fn call(
        &self,
        call: &FnCallExpr,
        own: &[(String, usize)],
        function: Option<&ScriptFuncDef>,
    ) -> Option<Problem> {
        let name = call.name.as_str();
        let count = call.args.len();
        let Some(alias) = call.namespace.path.first() else {
            let local = function.is_some_and(|function| function.params.iter().any(|one| one == name));
            if KEYWORDS.contains(&name)
                || self.built_in.names.contains(name)
                || name.starts_with("__")
                || local
            {
                return None;
            }
            let arities: Vec<usize> =
                own.iter().filter(|(own, _)| own == name).map(|(_, count)| *count).collect();
            if arities.contains(&count) {
                return None;
            }
            if let Some(wanted) = arities.first() {
                return Some(
                    Problem::input(format!(
                        "`{name}` takes {wanted} argument{}, {count} given",
                        if *wanted == 1 { "" } else { "s" }
                    ))
                    .label("wrong number of arguments"),
                );
            }
            if explain::is_variable(self.ast, function, name) {
                return Some(explain::called_variable(self.ast, name));
            }
            let known = own
                .iter()
                .map(|(name, _)| name.as_str())
                .chain(self.built_in.names.iter().map(String::as_str));
            let problem = Problem::input(format!("there is no function `{name}`")).label("no such function");
            return Some(match (explain::of_python(name), nearest(name, known)) {
                (Some(hint), _) => problem.hint(hint),
                (None, Some(near)) => problem.hint(format!("did you mean `{near}`?")),
                (None, None) => problem.hint(format!("write one: `fn {name}(…) {{ … }}`")),
            });
        };
        let aliases = imports(self.ast);
        if alias.name == "global" {
            return None;
        }
        let Some(import) = aliases.iter().find(|import| import.alias == alias.name.as_str()) else {
            return Some(explain::not_imported(self.host, &alias.name, self.id).at(self.id, alias.pos));
        };
        let (known, what): (Vec<(String, usize)>, &str) = if packages::is_runner(&import.id) {
            (vec![("Runner".into(), 1), ("Runner".into(), 2)], "package")
        } else if clients::is_client(&import.id) {
            (vec![("client".into(), 1)], "package")
        } else if packages::is_collector(self.host, &import.id) {
            (vec![("DataCollector".into(), 2), ("DataCollector".into(), 3)], "package")
        } else {
            let script = self.host.library.resolve(self.id, &import.id);
            let ast = self.host.script(&script)?.ast?;
            let public = ast.iter_functions().filter(|one| one.access == rhai::FnAccess::Public);
            (public.map(|one| (one.name.to_owned(), one.params.len())).collect(), "script")
        };
        if known.iter().any(|(known, arguments)| known == name && *arguments == count) {
            return None;
        }
        let problem = match known.iter().find(|(known, _)| known == name) {
            Some((_, wanted)) => Problem::input(format!(
                "`{name}` of {what} `{}` takes {wanted} argument{}, {count} given",
                import.id,
                if *wanted == 1 { "" } else { "s" }
            ))
            .label("wrong number of arguments")
            .hint_if(match name {
                "DataCollector" => Some(format!(
                    "write `{0}::DataCollector(account, #{{ … }})`, or with a third argument `#{{ filters: [f] }}`",
                    alias.name
                )),
                "client" => Some(format!("write `{}::client(ctx.account)`", alias.name)),
                _ => None,
            }),
            None => Problem::input(format!("{what} `{}` has no function `{name}`", import.id))
                .label("no such function"),
        };
        let mut names: Vec<&str> = known.iter().map(|(known, _)| known.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        Some(match nearest(name, names.iter().copied()) {
            Some(near) if near != name => problem.hint(format!("did you mean `{near}`?")),
            Some(_) => problem,
            None => problem.hint(format!("it has {}", names.join(", "))),
        })
    }

    /// In Rhai a script's function with n parameters is called for every `x.name(n arguments)`.
    fn hidden_method(&self, function: &ScriptFuncDef, problems: &mut Vec<(Severity, Problem)>) {
        let count = function.params.len();
        if !self.built_in.methods.contains(&(function.name.to_string(), count)) {
            return;
        }
        let notes = self.host.script(self.id).map(|script| script.notes).unwrap_or_default();
        // Two functions of one name differ in their bodies' places: the nearest name above is this one's.
        let position = notes
            .functions
            .iter()
            .filter(|(name, position)| {
                *name == function.name.as_str() && *position < function.body.position()
            })
            .map(|(_, position)| *position)
            .max()
            .unwrap_or_else(|| function.body.position());
        let arguments = vec!["…"; count].join(", ");
        let problem =
            Problem::input(format!("`fn {}` hides the built-in method `.{0}({arguments})`", function.name))
                .label(format!("every `x.{}({arguments})` of this script calls this function", function.name))
                .hint("give it another name")
                .at(self.id, position);
        if !dff::MEMBERS.contains(&function.name.as_str()) {
            problems.push((Severity::Warning, problem));
        }
    }

    /// `"${name}"`: a text in double quotes is as it is written.
    fn plain_texts(&self, function: Option<&ScriptFuncDef>, problems: &mut Vec<(Severity, Problem)>) {
        each_node(self.ast, function, &mut |node| {
            let ASTNode::Expr(Expr::StringConstant(text, position)) = node else { return };
            let named = text.split_once("${").is_some_and(|(_, rest)| rest.contains('}'));
            if named {
                let problem = Problem::input("`${…}` in double quotes is not replaced by a value")
                    .label("stays as it is written")
                    .hint("write the text between backticks: `…${value}…`")
                    .at(self.id, *position);
                problems.push((Severity::Warning, problem));
            }
        });
    }

    fn runner_without_import(&self, problems: &mut Vec<(Severity, Problem)>) {
        if imports(self.ast).iter().any(|import| packages::is_runner(&import.id)) {
            return;
        }
        let notes = self.host.script(self.id).map(|script| script.notes).unwrap_or_default();
        if let Some(position) = notes.runners.first() {
            problems.push((Severity::Error, packages::runner_not_imported().at(self.id, *position)));
        }
    }
}
