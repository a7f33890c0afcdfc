//! The clouds' clients as a script has them: `aliyun::client(account).request("ecs", "DescribeDisks", #{ … })`.
//!
//! Owns the three packages and their one type. A call takes the way of every other: the script's thread waits for it, the runtime makes it.

use super::convert::{NotData, from_json, kind, to_json};
use super::custom::{Collecting, takes_one};
use super::host::{Host, Mode, lock};
use super::memory;
use super::problem::{Problem, Result};
use funchost_collectors::account::{Account, Cloud};
use funchost_collectors::collector::Failure;
use funchost_collectors::mistake::{self, Argument, Mistake};
use funchost_collectors::point::Text;
use funchost_collectors::request::{Named, Options, Pages};
use funchost_collectors::run::Run;
use rhai::{Array, Dynamic, Engine, FnPtr, FuncRegistration, Module, NativeCallContext, Shared};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

/// The packages: both spellings, and whose client each is.
const PACKAGES: [(&str, &str, Cloud); 3] = [
    ("guance_integration__aliyun", "integration_core__aliyun", Cloud::Aliyun),
    ("guance_integration__aws", "integration_core__aws", Cloud::Aws),
    ("guance_integration__tencentcloud", "integration_core__tencentcloud", Cloud::Tencent),
];

/// What the messages say at the call.
const ASKED: &str = "the call is made here";

/// How an account is written.
pub(super) const ACCOUNT: &str =
    "write `#{ ak_id: DFF.ENV(\"…_AK_ID\"), ak_secret: DFF.ENV(\"…_AK_SECRET\") }`";

/// A client as a script holds it.
#[derive(Clone)]
pub(super) struct Client {
    cloud: Cloud,
    account: Arc<Account>,
}

/// The modules of the clients, by every spelling of their ids.
pub(super) fn modules(host: &Arc<Host>) -> HashMap<String, Shared<Module>> {
    let mut modules = HashMap::new();
    for (id, alias, cloud) in PACKAGES {
        let mut module = Module::new();
        module.set_id(id);
        let shared = host.clone();
        FuncRegistration::new("client")
            .with_comments([
                "/// A client with these keys; its calls are signed, paced, retried and counted.",
            ])
            .with_params_info(["account: map", "Client"])
            .set_into_module(
                &mut module,
                move |context: NativeCallContext, account: Dynamic| -> Result<Client> {
                    let wrong = |found: Mistake| {
                        Problem::mistake(found, "the client is created here").thrown(context.call_position())
                    };
                    let data = account_data(&shared, &account).map_err(wrong)?;
                    Ok(Client { cloud, account: Arc::new(Account::read(cloud, &data).map_err(wrong)?) })
                },
            );
        module.build_index();
        let module: Shared<Module> = module.into();
        modules.insert(id.to_owned(), module.clone());
        modules.insert(alias.to_owned(), module);
    }
    modules
}

/// Is an id one of a client's package.
pub(super) fn is_client(id: &str) -> bool {
    PACKAGES.iter().any(|(one, other, _)| [*one, *other].contains(&id))
}

/// The ids of the packages, with whose client each is.
pub(super) fn ids() -> impl Iterator<Item = (&'static str, Cloud)> {
    PACKAGES.iter().map(|(id, _, cloud)| (*id, *cloud))
}

/// The clouds whose clients the running script has imported.
pub(super) fn clouds(context: &NativeCallContext) -> Vec<Cloud> {
    let imported: Vec<_> = context.iter_imports().filter_map(|(_, module)| module.id()).collect();
    PACKAGES.iter().filter(|(id, ..)| imported.contains(id)).map(|(.., cloud)| *cloud).collect()
}

/// An account's map as data; its secrets are known from here on.
pub(super) fn account_data(host: &Host, account: &Dynamic) -> std::result::Result<Json, Mistake> {
    if !account.is_map() {
        return Err(Mistake::new(
            Argument::Account,
            "",
            format!("is {}, expected a map `#{{ … }}`", kind(account)),
        )
        .hint(ACCOUNT));
    }
    let data = to_json(account)
        .map_err(|NotData { path, message }| Mistake::new(Argument::Account, path, message))?;
    for key in ["ak_secret", "security_token", "external_id"] {
        if let Some(secret) = data.get(key).and_then(Json::as_str) {
            host.settings.masker.learn(secret);
        }
    }
    Ok(data)
}

/// Registers the client's methods.
pub(super) fn install(engine: &mut Engine, host: &Arc<Host>) {
    engine.register_type_with_name::<Client>("Client");
    let shared = host.clone();
    engine.register_fn(
        "request",
        move |context: NativeCallContext, client: &mut Client, service: Dynamic, action: Dynamic| {
            request(&shared, &context, client, [&service, &action], None, None)
        },
    );
    let shared = host.clone();
    engine.register_fn(
        "request",
        move |context: NativeCallContext,
              client: &mut Client,
              service: Dynamic,
              action: Dynamic,
              parameters: Dynamic| {
            request(&shared, &context, client, [&service, &action], Some(&parameters), None)
        },
    );
    let shared = host.clone();
    engine.register_fn(
        "request",
        move |context: NativeCallContext,
              client: &mut Client,
              service: Dynamic,
              action: Dynamic,
              parameters: Dynamic,
              options: Dynamic| {
            request(&shared, &context, client, [&service, &action], Some(&parameters), Some(&options))
        },
    );
    let shared = host.clone();
    engine.register_fn(
        "all",
        move |context: NativeCallContext,
              client: &mut Client,
              service: Dynamic,
              action: Dynamic,
              parameters: Dynamic,
              options: Dynamic|
              -> Result<Array> {
            let mut all = Array::new();
            pages(&shared, &context, client, [&service, &action], &parameters, &options, |items| {
                all.extend(items);
                Ok(())
            })?;
            Ok(all)
        },
    );
    let shared = host.clone();
    engine.register_fn(
        "pages",
        move |context: NativeCallContext,
              client: &mut Client,
              service: Dynamic,
              action: Dynamic,
              parameters: Dynamic,
              options: Dynamic,
              function: FnPtr|
              -> Result<()> {
            takes_one(&shared, &context, &function).map_err(|(count, at)| {
                let problem =
                    Problem::input("the function of `pages` takes one argument, the items of a page")
                        .label(format!(
                            "takes {}",
                            if count == 0 { "none".to_owned() } else { count.to_string() }
                        ))
                        .hint("write `|items| { … }`: it is called for each page, with a list");
                let problem = match at {
                    Some((script, place)) => problem.at(&script, place),
                    None => problem.argument(4, "", false, ASKED),
                };
                problem.thrown(context.call_position())
            })?;
            pages(&shared, &context, client, [&service, &action], &parameters, &options, |items| {
                function.call_within_context::<Dynamic>(&context, (items,)).map(drop)
            })
        },
    );
}

/// A call that is ready to be made.
struct Asked {
    call: Named,
    options: Options,
    region: Text,
    parameters: Vec<(String, Json)>,
    run: Run,
}

/// Reads the arguments of a call. None where nothing is called: in a check.
fn read(
    host: &Host,
    context: &NativeCallContext,
    client: &Client,
    names: [&Dynamic; 2],
    parameters: Option<&Dynamic>,
    options: Option<&Dynamic>,
) -> Result<Option<Asked>> {
    let position = context.call_position();
    let wrong = |index: usize, message: String, hint: &str| {
        Problem::input(message.clone())
            .label(message)
            .hint(hint)
            .argument(index, "", false, ASKED)
            .thrown(position)
    };
    const FORM: &str = "write `client.request(\"ecs\", \"DescribeDisks\", #{ RegionId: ctx.region })`";
    let mut texts = Vec::with_capacity(2);
    for (index, (name, what)) in names.iter().zip(["service", "action"]).enumerate() {
        let text = (*name).clone().into_string().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if text.is_empty() || !text.chars().all(plain) {
            let found = if name.is_string() { "a text that is no name".to_owned() } else { kind(name) };
            return Err(wrong(index, format!("the {what} is {found}, expected a name"), FORM));
        }
        texts.push(text);
    }
    let map = |index: usize, value: Option<&Dynamic>, argument: Argument| -> Result<Json> {
        let Some(value) = value.filter(|value| !value.is_unit()) else {
            return Ok(Json::Object(serde_json::Map::new()));
        };
        if !value.is_map() {
            let what = if index == 2 { "parameters" } else { "options" };
            return Err(wrong(index, format!("the {what} are {}, expected a map", kind(value)), FORM));
        }
        to_json(value).map_err(|NotData { path, message }| {
            Problem::mistake(Mistake::new(argument, path, message), ASKED).with_index(index).thrown(position)
        })
    };
    let parameters = map(2, parameters, Argument::Parameters)?;
    let written = map(3, options, Argument::Options)?;
    let mistaken = |found: Mistake| Problem::mistake(found, ASKED).with_index(3).thrown(position);
    let options: Options = mistake::read(Argument::Options, &written).map_err(mistaken)?;
    let call = Named::new(client.cloud, &texts[0], &texts[1], &options).map_err(|found| {
        // What is missing is written nowhere: then the call itself is what is shown.
        let path = found.path.clone();
        let problem = Problem::mistake(found, ASKED);
        if written.get(&path).is_some() { problem.with_index(3) } else { problem.with_index(0).whole() }
            .thrown(position)
    })?;
    let Some(Collecting { run, region }) = lock(&host.collecting).clone() else {
        if !matches!(host.mode, Mode::Run { .. }) {
            return Ok(None);
        }
        return Err(Problem::input("a cloud can only be called from a collector's function")
            .label("called outside of a collector")
            .hint("write `Collector(\"name\", account, |ctx| { … })`, call the client in its function, and give the collector to `Runner`")
            .thrown(position));
    };
    if client.cloud != run.account.cloud {
        let (of, wanted) = (client.cloud.key(), run.account.cloud.key());
        return Err(Problem::input(format!("this client is of {of}, and the `cloud` of its collector is {wanted}"))
            .label(format!("called at another cloud than {wanted}"))
            .hint(format!(
                "write `cloud: \"{of}\"` in the options of `Collector` where the account is of {of}, else `client(ctx.account)` of the package \"guance_integration__{wanted}\""
            ))
            .thrown(position));
    }
    if client.account.identity() != run.account.identity() {
        // Its calls would be counted for the collector's account: the budget of the one that pays would never be asked.
        return Err(Problem::input(format!(
            "this client is of {}, and its collector of {}",
            client.account.identity(),
            run.account.identity()
        ))
        .label("called for another account than the collector's")
        .hint("write `client(ctx.account)` for the collector's own account; another account is given to a collector of its own, `Collector(\"name\", other_account, |ctx| { … })`, so that calls and budgets are counted for the account that pays")
        .thrown(position));
    }
    let said = options.region.clone().or_else(|| {
        parameters
            .get("RegionId")
            .and_then(Json::as_str)
            .map(str::to_owned)
            .filter(|_| client.cloud == Cloud::Aliyun)
    });
    let region = match said {
        Some(region) => Text::from(region),
        None if !region.is_empty() => region,
        None => Text::from(client.account.region.clone().unwrap_or_default()),
    };
    if region.is_empty() && client.cloud == Cloud::Aws {
        return Err(Problem::input("AWS is asked in a region, and none is named")
            .label("where?")
            .hint("give the collector `regions: [\"cn-north-1\"]`, or the call `#{ region: \"cn-north-1\" }` as its last argument")
            .thrown(position));
    }
    let parameters = match parameters {
        Json::Object(members) => members.into_iter().collect(),
        _ => Vec::new(),
    };
    // The same account, perhaps written with another endpoint.
    let run = Run { account: client.account.clone(), ..run };
    Ok(Some(Asked { call, options, region, parameters, run }))
}

/// A failed call as it is thrown: its text, its hint, its code.
fn failed(context: &NativeCallContext, failure: &Failure) -> Box<rhai::EvalAltResult> {
    let text = failure.to_string();
    let (text, hint) =
        text.split_once("\nhint: ").map_or((text.as_str(), None), |(text, hint)| (text, Some(hint)));
    let mut problem = Problem::run_time(text).label("called here").hint_if(hint.map(str::to_owned));
    if let Failure::Call(error) = failure {
        let budget = (error.code == "budget").then(|| crate::money::budget::WAY_OUT.to_owned());
        let unknown = unknown_action(&error.code).then(|| {
            format!(
                "does {} have the action `{}`? Spell both as its API reference does, capitals too; an action of another version needs `#{{ version: \"…\" }}`",
                error.service, error.action
            )
        });
        problem = problem.hint_if(error.hint.clone().or(budget).or(unknown));
        problem.code.clone_from(&error.code);
    }
    problem.thrown(context.call_position())
}

/// Does a cloud say with this code that it has no such action?
fn unknown_action(code: &str) -> bool {
    code.starts_with("InvalidAction")
        || matches!(code, "UnknownOperationException" | "UnsupportedOperation" | "InvalidApi.NotFound")
}

fn ended(context: &NativeCallContext, error: &tokio::task::JoinError) -> Box<rhai::EvalAltResult> {
    Problem::run_time(format!("a defect in funchost ended the call: {error}")).thrown(context.call_position())
}

fn what(asked: &Asked) -> String {
    let place = if asked.region.is_empty() { String::new() } else { format!(" in {}", asked.region) };
    format!("{}:{}{place}", asked.call.action.service, asked.call.action.action)
}

/// `client.request(service, action, parameters, options)`
fn request(
    host: &Host,
    context: &NativeCallContext,
    client: &Client,
    names: [&Dynamic; 2],
    parameters: Option<&Dynamic>,
    options: Option<&Dynamic>,
) -> Result<Dynamic> {
    let Some(asked) = read(host, context, client, names, parameters, options)? else {
        return Ok(Dynamic::UNIT);
    };
    let Some(runtime) = &host.runtime else { return Ok(Dynamic::UNIT) };
    let what = what(&asked);
    // On the runtime: what the call allocates is not the script's.
    let task = memory::uncounted(|| {
        runtime.spawn(async move { asked.call.ask(&asked.run, &asked.region, &asked.parameters).await })
    });
    let stop = task.abort_handle();
    let answer = host.wait(context, &what, task).inspect_err(|_| stop.abort())?;
    match answer {
        None => Ok(Dynamic::UNIT),
        Some(Err(error)) => Err(ended(context, &error)),
        Some(Ok(Err(error))) => Err(failed(context, &Failure::Call(error))),
        Some(Ok(Ok(json))) => {
            let value = from_json(&json);
            memory::uncounted(|| drop(json));
            Ok(value)
        }
    }
}

/// A list, a page's items at a time.
fn pages(
    host: &Host,
    context: &NativeCallContext,
    client: &Client,
    names: [&Dynamic; 2],
    parameters: &Dynamic,
    options: &Dynamic,
    mut take: impl FnMut(Array) -> Result<()>,
) -> Result<()> {
    let Some(asked) = read(host, context, client, names, Some(parameters), Some(options))? else {
        return Ok(());
    };
    let Some(runtime) = &host.runtime else { return Ok(()) };
    let what = what(&asked);
    let list = Pages::new(&asked.call, &asked.region, asked.parameters.clone(), &asked.options).map_err(
        |found| {
            let index = if found.argument == Argument::Parameters { 2 } else { 3 };
            Problem::mistake(found, ASKED).with_index(index).thrown(context.call_position())
        },
    )?;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let task = memory::uncounted(|| runtime.spawn(async move { list.send(&asked.run, &sender).await }));
    let stop = task.abort_handle();
    loop {
        let page = host.wait(context, &what, receiver.recv()).inspect_err(|_| stop.abort())?.flatten();
        let Some(items) = page else { break };
        let values: Array = items.iter().map(from_json).collect();
        memory::uncounted(|| drop(items));
        take(values).inspect_err(|_| stop.abort())?;
    }
    match host.wait(context, &what, task)? {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Err(error)) => Err(ended(context, &error)),
        Some(Ok(Err(failure))) => Err(failed(context, &failure)),
    }
}
