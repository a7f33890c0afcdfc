//! Decides whether a newer Rhai may be used: a function pointer must keep the script that it was made in.
//!
//! Filters and registered closures are made in one script and called from another, or from Rust. Rhai 1.26 and 1.27 dropped
//! what a pointer carried with it, and 1.27 could read a wrong constant without an error. (A pointer made of a text, `Fn("name")`,
//! carries nothing in any version.)

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of the functions that clippy knows as tests"
)]

use rhai::module_resolvers::StaticModuleResolver;
use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, Module, NativeCallContext, Scope};
use std::sync::{Arc, Mutex};

const LIBRARY: &str = r#"
    const FACTOR = 100;
    fn helper(x) { x + 1000 }
    fn scaled(x) { x + global::FACTOR }
    fn closure() { |x| scaled(x) }
    fn by_name() { scaled }
    fn apply(f) { f.call(10) }
    fn held() { hold(|x| scaled(x)) }
    export const exported = |x| x + 5;
"#;

/// A host's object that keeps a function pointer.
#[derive(Clone)]
struct Held(FnPtr);

/// An engine with the library, and the list into which `keep` puts pointers.
fn engine() -> (Engine, Arc<Mutex<Vec<FnPtr>>>) {
    let mut engine = Engine::new();
    let kept: Arc<Mutex<Vec<FnPtr>>> = Arc::default();
    engine.register_type_with_name::<Held>("Held");
    engine.register_fn("hold", Held);
    engine.register_fn(
        "call_all",
        |context: NativeCallContext, all: Array| -> Result<Array, Box<EvalAltResult>> {
            all.into_iter()
                .map(|held| held.cast::<Held>().0.call_within_context::<Dynamic>(&context, (7_i64,)))
                .collect()
        },
    );
    let list = kept.clone();
    engine.register_fn("keep", move |pointer: FnPtr| list.lock().unwrap().push(pointer));
    let mut library = engine.compile(LIBRARY).unwrap();
    library.set_source("library");
    let mut resolver = StaticModuleResolver::new();
    resolver.insert("library", Module::eval_ast_as_new(Scope::new(), &library, &engine).unwrap());
    engine.set_module_resolver(resolver);
    (engine, kept)
}

fn eval(script: &str) -> Result<i64, String> {
    let (engine, _) = engine();
    let mut ast = engine.compile(format!("import \"library\" as lib; {script}")).unwrap();
    ast.set_source("main");
    engine.eval_ast::<i64>(&ast).map_err(|error| error.to_string())
}

#[test]
fn a_pointer_given_away_calls_the_function_of_its_own_script() {
    assert_eq!(eval("fn helper(x) { x * 2 } lib::apply(helper)"), Ok(20));
}

#[test]
fn a_pointer_given_away_reads_the_constants_of_its_own_script() {
    assert_eq!(eval("const FACTOR = 1; fn add(x) { x + global::FACTOR } lib::apply(add)"), Ok(11));
}

#[test]
fn a_pointer_from_a_library_works_in_the_script_that_got_it() {
    assert_eq!(eval("lib::closure().call(1)"), Ok(101));
    assert_eq!(eval("lib::by_name().call(1)"), Ok(101));
    assert_eq!(eval("lib::exported.call(1)"), Ok(6));
}

#[test]
fn a_pointer_inside_a_host_object_works_wherever_the_host_calls_it() {
    assert_eq!(eval("call_all([lib::held()])[0]"), Ok(107));
    assert_eq!(eval("const MORE = 3; call_all([hold(|x| lib::scaled(x) + global::MORE)])[0]"), Ok(110));
}

#[test]
fn a_closure_of_one_script_runs_inside_a_closure_of_another() {
    assert_eq!(eval("let k = 3; lib::apply(|x| lib::apply(|y| x + y + k))"), Ok(23));
}

#[test]
fn a_pointer_kept_by_the_host_works_after_its_script_has_ended() {
    for (script, expected) in [
        ("const MORE = 3; keep(|x| lib::scaled(x) + global::MORE);", 104),
        ("keep(lib::closure());", 101),
        ("fn f(x) { lib::scaled(x) } keep(f);", 101),
    ] {
        let (engine, kept) = engine();
        let mut ast = engine.compile(format!("import \"library\" as lib; {script}")).unwrap();
        ast.set_source("main");
        engine.run_ast(&ast).unwrap();
        let pointer = kept.lock().unwrap().pop().unwrap();
        let answer = pointer.call::<i64>(&engine, &ast, (1_i64,)).map_err(|error| error.to_string());
        assert_eq!(answer, Ok(expected), "{script}");
    }
}
