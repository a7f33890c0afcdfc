//! The configuration from the outside: where it is looked for, every key by file and by variable, and what is said about mistakes.

#![expect(clippy::unwrap_used, reason = "clippy knows tests, but not their helpers")]

use funchost::config::{
    Config, ConfigError, Known, LoadRequest, Overlap, is_secret_name, known_limits, load, load_with,
};
use funchost::money::budget::{Budget, Money};
use funchost_collectors::account::Cloud;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A folder of one test: `work` is the current folder, `home` the user's, `etc` the system's.
struct World {
    root: tempfile::TempDir,
    request: LoadRequest,
    known: Known,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["work", "home", "etc"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        let home = root.path().join("home").to_str().unwrap().to_owned();
        let names = [
            "aliyun.cms.DescribeMetricList",
            "aws.ec2.DescribeInstances",
            "aws.monitoring.GetMetricData",
            "aws.monitoring.ListMetrics",
            "aws.sts.AssumeRole",
        ];
        Self {
            request: LoadRequest {
                explicit: None,
                directory: root.path().join("work"),
                environment: BTreeMap::from([("HOME".to_owned(), home)]),
            },
            known: Known { limits: names.map(str::to_owned).into(), system: root.path().join("etc") },
            root,
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// With a file below the root.
    fn write(self, below: &str, text: &str) -> Self {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn set(mut self, variable: &str, value: &str) -> Self {
        self.request.environment.insert(variable.to_owned(), value.to_owned());
        self
    }

    fn load(&self) -> Config {
        load_with(&self.request, &self.known).unwrap_or_else(|error| panic!("{error}"))
    }

    fn error(&self) -> ConfigError {
        load_with(&self.request, &self.known).map(|config| panic!("{config:?}")).unwrap_err()
    }

    /// All that is said, with the folder's name taken out.
    fn said(&self) -> String {
        self.error().to_string().replace(self.root.path().to_str().unwrap(), "")
    }
}

fn file(text: &str) -> World {
    World::new().write("work/funchost.toml", text)
}

fn variable(name: &str, value: &str) -> World {
    World::new().set(name, value)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn exposed(config: &Config, name: &str) -> (String, bool) {
    let value = &config.env[name];
    (value.value.expose_secret().to_owned(), value.secret)
}

// ---- defaults and the search ----

#[test]
fn nothing_needs_to_be_configured() {
    let world = World::new();
    let config = world.load();
    assert_eq!(config.datakits.len(), 1);
    assert_eq!(config.datakits["datakit"].url.expose(), "http://localhost:9529");
    assert!(config.endpoints.is_empty() && config.env.is_empty() && config.limits.is_empty());
    assert_eq!(
        config.overlap,
        Overlap { aliyun: seconds(600), aws: seconds(900), tencentcloud: seconds(600) }
    );
    assert_eq!(config.overlap.of(Cloud::Aws), seconds(900));
    assert_eq!(config.outbox_limit, 536_870_912);
    assert_eq!(config.state, world.path("home/.local/state/funchost"));
    assert_eq!((config.scripts, config.file), (None, None));
}

#[test]
fn the_first_file_that_exists_is_read_alone() {
    let mut world = World::new()
        .write("etc/funchost.toml", "scripts = \"etc\"\noverlap.aws = 1")
        .set("XDG_CONFIG_HOME", "relative/is/ignored");
    let from = |world: &World| world.load().file.unwrap();
    assert_eq!(from(&world), world.path("etc/funchost.toml"));
    world = world.write("home/.config/funchost/funchost.toml", "scripts = \"home\"");
    assert_eq!(from(&world), world.path("home/.config/funchost/funchost.toml"));
    assert_eq!(world.load().overlap.aws, seconds(900), "files are not mixed");
    world = world.write("xdg/funchost/funchost.toml", "scripts = \"xdg\"");
    let xdg = world.path("xdg").to_str().unwrap().to_owned();
    world = world.set("XDG_CONFIG_HOME", &xdg);
    assert_eq!(from(&world), world.path("xdg/funchost/funchost.toml"));
    world = world.write("work/funchost.toml", "scripts = \"work\"");
    assert_eq!(from(&world), world.path("work/funchost.toml"));
    world = world.write("elsewhere/my.toml", "scripts = \"mine\"");
    let mine = world.path("elsewhere/my.toml").to_str().unwrap().to_owned();
    world = world.set("FUNCHOST_CONFIG", &mine);
    assert_eq!(world.load().scripts.unwrap(), world.path("elsewhere/mine"), "relative to the file's folder");
    world = world.write("work/given.toml", "scripts = \"../given\"");
    world.request.explicit = Some("given.toml".into());
    assert_eq!(from(&world), world.path("work/given.toml"), "--config wins over FUNCHOST_CONFIG");
}

#[test]
fn the_states_default_follows_xdg() {
    let world = World::new().set("XDG_STATE_HOME", "/var/lib/me");
    assert_eq!(world.load().state, Path::new("/var/lib/me/funchost"));
    let world = World::new().set("XDG_STATE_HOME", "relative");
    assert_eq!(world.load().state, world.path("home/.local/state/funchost"));
    let mut world = World::new();
    world.request.environment.clear();
    insta::assert_snapshot!(world.said(), @r#"
        error: `state` is not set, and neither are XDG_STATE_HOME and HOME, below which its default lies
         |
         = hint: name a folder: --state DIR, or FUNCHOST_STATE, or `state = "…"` in funchost.toml
    "#);
    assert_eq!(world.set("FUNCHOST_STATE", "/s").load().state, Path::new("/s"));
}

// ---- every key ----

#[test]
fn every_key_from_the_file() {
    let world = file(
        r#"
state = "~/my state"
scripts = "../scripts"

[datakits.datakit]
url = "https://datakit.example:9529/"
[datakits.dk-2]
url = "http://[::1]:9530/behind/a/proxy?token=tkn_1"

[endpoints]
aliyun = "http://localhost:1"
"aws.monitoring" = "http://localhost:2/"
aws.ec2 = "http://localhost:3"
[endpoints.tencentcloud]
cvm = "https://cvm.internal"

[env]
REGION = "cn-north-1"
EMPTY = ""
MY_PASSWORD = "hunter2hunter2"
team = { value = "红队", secret = true }
site.value = "x"
[env."a name"]
value = 'y'
secret = false

[limits]
"aws.monitoring.GetMetricData" = 12
aws.ec2.describeinstances = 0.5
"tencentcloud.cvm.DescribeInstances" = 3

[overlap]
aliyun = 0
aws = 7200
tencentcloud = 0x10

[outbox]
limit = "1.5 GiB"
"#,
    );
    let config = world.load();
    assert_eq!(config.state, world.path("home/my state"));
    assert_eq!(config.scripts.clone().unwrap(), world.path("work/../scripts"));
    assert_eq!(config.datakits["datakit"].url.expose(), "https://datakit.example:9529");
    assert_eq!(config.datakits["dk-2"].url.expose(), "http://[::1]:9530/behind/a/proxy?token=tkn_1");
    let endpoints: Vec<(&str, &str)> =
        config.endpoints.iter().map(|(name, url)| (name.as_str(), url.as_str())).collect();
    assert_eq!(
        endpoints,
        [
            ("aliyun", "http://localhost:1"),
            ("aws.ec2", "http://localhost:3"),
            ("aws.monitoring", "http://localhost:2"),
            ("tencentcloud.cvm", "https://cvm.internal"),
        ]
    );
    assert_eq!(exposed(&config, "REGION"), ("cn-north-1".into(), false));
    assert_eq!(exposed(&config, "EMPTY"), (String::new(), false));
    assert_eq!(exposed(&config, "MY_PASSWORD"), ("hunter2hunter2".into(), true));
    assert_eq!(exposed(&config, "team"), ("红队".into(), true));
    assert_eq!(exposed(&config, "site"), ("x".into(), false));
    assert_eq!(exposed(&config, "a name"), ("y".into(), false));
    let limits: Vec<(&str, f64)> = config.limits.iter().map(|(name, rate)| (name.as_str(), *rate)).collect();
    assert_eq!(
        limits,
        [
            ("aws.ec2.DescribeInstances", 0.5),
            ("aws.monitoring.GetMetricData", 12.0),
            ("tencentcloud.cvm.DescribeInstances", 3.0),
        ]
    );
    assert_eq!(config.overlap, Overlap { aliyun: seconds(0), aws: seconds(7200), tencentcloud: seconds(16) });
    assert_eq!(config.outbox_limit, 3 << 29);
}

#[test]
fn every_key_from_the_environment_which_wins_over_the_file() {
    let world = file(
        r#"
state = "/from/the/file"
scripts = "/from/the/file"
[datakits.dk-2]
url = "http://file"
[datakits.myDk]
url = "http://file"
[endpoints]
aws = "http://file"
[env]
db_password = "from the file"
A.value = "from the file"
A.secret = true
[limits]
"aws.monitoring.GetMetricData" = 1
[overlap]
aws = 1
[outbox]
limit = 2000000
"#,
    )
    .set("FUNCHOST_STATE", "there")
    .set("FUNCHOST_SCRIPTS", "~/scripts")
    .set("FUNCHOST_DATAKITS__DATAKIT__URL", "http://env:1")
    .set("FUNCHOST_DATAKITS__DK_2__URL", "http://env:2")
    .set("FUNCHOST_DATAKITS__MYDK__URL", "http://env:3")
    .set("FUNCHOST_DATAKITS__DK3__URL", "http://env:4")
    .set("FUNCHOST_ENDPOINTS__AWS", "http://env:5")
    .set("FUNCHOST_ENDPOINTS__AWS__MONITORING", "http://env:6")
    .set("FUNCHOST_ENV__DB_PASSWORD", "from the environment")
    .set("FUNCHOST_ENV__A", "b")
    .set("FUNCHOST_ENV__Plain_Name", "c")
    .set("FUNCHOST_ENV__PIN", "1234")
    .set("FUNCHOST_ENV__PIN__SECRET", "true")
    .set("FUNCHOST_LIMITS__AWS__MONITORING__GETMETRICDATA", "2.5")
    .set("FUNCHOST_LIMITS__ALIYUN__CMS__DESCRIBEMETRICLIST", "9")
    .set("FUNCHOST_OVERLAP__AWS", "2")
    .set("FUNCHOST_OUTBOX__LIMIT", "64MiB")
    .set("FUNCHOST_LOG", "debug")
    .set("FUNCHOST_VECTORS", "/vectors")
    .set("FUNCHOST_CONFIG", "");
    let config = world.load();
    assert_eq!(config.state, world.path("work/there"));
    assert_eq!(config.scripts.clone().unwrap(), world.path("home/scripts"));
    let datakits: Vec<(&str, &str)> =
        config.datakits.iter().map(|(id, datakit)| (id.as_str(), datakit.url.expose())).collect();
    assert_eq!(
        datakits,
        [
            ("datakit", "http://env:1"),
            ("dk-2", "http://env:2"),
            ("dk3", "http://env:4"),
            ("myDk", "http://env:3"),
        ]
    );
    assert_eq!(config.endpoints["aws"], "http://env:5");
    assert_eq!(config.endpoints["aws.monitoring"], "http://env:6");
    assert_eq!(exposed(&config, "db_password"), ("from the environment".into(), true));
    assert_eq!(exposed(&config, "A"), ("b".into(), true), "what the file marks secret stays secret");
    assert_eq!(exposed(&config, "Plain_Name"), ("c".into(), false));
    assert_eq!(exposed(&config, "PIN"), ("1234".into(), true));
    assert_eq!(config.limits["aws.monitoring.GetMetricData"], 2.5);
    assert_eq!(config.limits["aliyun.cms.DescribeMetricList"], 9.0);
    assert_eq!(config.overlap.aws, seconds(2));
    assert_eq!(config.outbox_limit, 64 << 20);
}

#[test]
fn sizes_have_units() {
    for (written, bytes) in [
        ("1048576", 1 << 20),
        ("2mib", 2 << 20),
        ("2 MB", 2_000_000),
        ("1024 KiB", 1 << 20),
        ("3000kB", 3_000_000),
        ("0.5GiB", 1 << 29),
        ("1G", 1 << 30),
    ] {
        assert_eq!(variable("FUNCHOST_OUTBOX__LIMIT", written).load().outbox_limit, bytes, "{written}");
    }
}

#[test]
fn the_example_is_right_and_shows_the_defaults() {
    let world = file(Config::example());
    let commented = world.load();
    assert_eq!(commented.datakits.len(), 1);
    let text: Vec<&str> = Config::example()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting,
            _ => line,
        })
        .collect();
    let config = file(&text.join("\n")).load();
    assert_eq!(config.datakits.len(), 2);
    assert_eq!(config.datakits["datakit"], commented.datakits["datakit"]);
    assert_eq!(config.overlap, commented.overlap);
    assert_eq!(config.outbox_limit, commented.outbox_limit);
    assert!(config.state.ends_with("home/.local/state/funchost"));
    assert_eq!((config.env.len(), config.limits.len(), config.endpoints.len()), (3, 1, 2));
    assert!(config.env["ALIYUN_AK_SECRET"].secret && config.env["TEAM"].secret);
    assert!(!config.env["ALIYUN_AK_ID"].secret);
}

#[test]
fn budgets_are_of_every_account_and_of_one() {
    let world = file(
        "[budget]\ncalls = 900_000\n[budget.accounts.LTAI5tA]\nmoney = \"200 cny\"\n[budget.accounts.\"arn:aws:iam::1:role/x\"]\ncalls = 5\nmoney = \"1.5 USD\"\n",
    )
    .set("FUNCHOST_BUDGET__ACCOUNTS__LTAI5TA__CALLS", "7")
    .set("FUNCHOST_BUDGET__ACCOUNTS__AKIA1__MONEY", "5 USD");
    let budgets = world.load().budgets;
    let shown = |calls: Option<u64>, money: Option<(f64, &str)>| Budget {
        calls,
        money: money.map(|(amount, currency)| Money { amount, currency: currency.into() }),
    };
    assert_eq!(budgets.each, Some(shown(Some(900_000), None)));
    let accounts: Vec<(&str, Budget)> =
        budgets.accounts.iter().map(|(id, budget)| (id.as_str(), budget.clone())).collect();
    assert_eq!(
        accounts,
        [
            ("AKIA1", shown(None, Some((5.0, "USD")))),
            ("LTAI5tA", shown(Some(7), Some((200.0, "CNY")))),
            ("arn:aws:iam::1:role/x", shown(Some(5), Some((1.5, "USD")))),
        ]
    );
}

#[test]
fn wrong_budgets_are_said() {
    insta::assert_snapshot!(file("[budget]\ncall = 5\n").said(), @r#"
    error: `budget.call` is not a known key
     --> /work/funchost.toml:2:1
      |
    2 | call = 5
      | ^^^^
      |
      = hint: did you mean `calls`?
    "#);
    insta::assert_snapshot!(file("[budget.accounts.A]\nmony = \"5 USD\"\n").said(), @r#"
    error: `budget.accounts.A.mony` is not a known key
     --> /work/funchost.toml:2:1
      |
    2 | mony = "5 USD"
      | ^^^^
      |
      = hint: did you mean `money`?
    "#);
    insta::assert_snapshot!(file("[budget]\nmoney = 5\n").said(), @r#"
    error: `budget.money` has no currency
     --> /work/funchost.toml:2:9
      |
    2 | money = 5
      |         ^
      |
      = hint: write the amount and the currency that the cloud bills in, such as "200 CNY" or "50 USD"
    "#);
    insta::assert_snapshot!(file("[budget]\nmoney = \"5 EUR\"\n").said(), @r#"
    error: `budget.money` is in a currency that no price is known in
     --> /work/funchost.toml:2:9
      |
    2 | money = "5 EUR"
      |         ^^^^^^^
      |
      = hint: known: CNY, USD
    "#);
    insta::assert_snapshot!(file("[budget]\ncalls = -1\n").said(), @r#"
    error: `budget.calls` is not a whole number of metered calls a month
     --> /work/funchost.toml:2:9
      |
    2 | calls = -1
      |         ^^
    "#);
    insta::assert_snapshot!(file("[budget.accounts.A]\n").said(), @r#"
    error: `budget.accounts.A` allows nothing and forbids nothing
     --> /work/funchost.toml:1:18
      |
    1 | [budget.accounts.A]
      |                  ^
      |
      = hint: write below it `calls = 900000`, or `money = "200 CNY"`
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_BUDGET__CALL", "5").said(), @r#"
    error: `FUNCHOST_BUDGET__CALL` is a variable that funchost does not know
     |
     = hint: did you mean `FUNCHOST_BUDGET__CALLS`?
    "#);
}

#[test]
fn the_registry_names_the_limits() {
    use funchost_collectors::account::Account;
    use funchost_collectors::collector::{Action, Collector, Description, Spec};
    use funchost_collectors::mistake::Mistake;
    use funchost_collectors::point::Category;

    struct Product;
    impl Collector for Product {
        fn description(&self) -> &'static Description {
            static PRODUCT: Description = Description {
                package: "guance_aws_queue",
                name: "aws_queue",
                title: "Queues",
                title_zh: "队列",
                cloud: Cloud::Aws,
                category: Category::CustomObject,
                measurement: "aws_queue",
                interval: Duration::from_secs(900),
                actions: &[&Action {
                    service: "sqs",
                    action: "ListQueues",
                    permission: "sqs:ListQueues",
                    rate: 5.0,
                    when: "always",
                }],
                configuration: &[],
                tags: &[],
                fields: &[],
                notes: &[],
            };
            &PRODUCT
        }
        fn read(&self, _: &Account, _: &serde_json::Value) -> Result<Box<dyn Spec>, Mistake> {
            unreachable!("only described")
        }
    }
    let mut world = variable("FUNCHOST_LIMITS__AWS__SQS__LISTQUEUES", "2")
        .set("FUNCHOST_ENDPOINTS__AWS__SQS", "http://localhost:1");
    world.known.limits = known_limits(&[&Product]);
    assert_eq!(
        world.known.limits,
        BTreeSet::from(["aws.sqs.ListQueues".to_owned(), "aws.sts.AssumeRole".to_owned()])
    );
    let config = world.load();
    assert_eq!(config.limits["aws.sqs.ListQueues"], 2.0);
    assert_eq!(config.endpoints["aws.sqs"], "http://localhost:1", "a collector's service has an endpoint");
    // A cloud of which nothing is known takes any name.
    let world = file("limits.tencentcloud.CVM.DescribeInstances = 1");
    assert_eq!(world.load().limits["tencentcloud.cvm.DescribeInstances"], 1.0);
}

#[test]
fn the_shipped_collectors_are_what_load_knows() {
    assert!(Known::default().limits.contains("aws.monitoring.GetMetricData"));
    // A script's own collector may call what no shipped one does.
    let own = load(&file("[limits]\n\"aliyun.ecs.DescribeKeyPairs\" = 1\n").request).unwrap();
    assert_eq!(own.limits["aliyun.ecs.DescribeKeyPairs"], 1.0);
    for slip in
        ["aws.monitoring.GetMetricDatas", "aws.monitorin.GetMetricData", "aws.monitoring.GetMetrciData"]
    {
        assert!(load(&file(&format!("[limits]\n\"{slip}\" = 1\n")).request).is_err(), "{slip} is a slip");
    }
}

// ---- mistakes: the whole message ----

#[test]
fn unknown_keys_name_the_nearest() {
    let world = file("[datakit.dk2]\nurl = \"http://x\"\n");
    insta::assert_snapshot!(world.said(), @r#"
        error: `datakit` is not a known key
         --> /work/funchost.toml:1:2
          |
        1 | [datakit.dk2]
          |  ^^^^^^^
          |
          = hint: did you mean `datakits`?
    "#);
    let world = file("[datakits.dk2]\nurl = \"http://x\"\nulr = \"http://x\"\n");
    insta::assert_snapshot!(world.said(), @r#"
        error: `datakits.dk2.ulr` is not a known key
         --> /work/funchost.toml:3:1
          |
        3 | ulr = "http://x"
          | ^^^
          |
          = hint: known keys: url
    "#);
    insta::assert_snapshot!(file("[endpoints]\n\"aws.monitorin\" = \"http://x\"\n").said(), @r#"
        error: `endpoints.aws.monitorin` is not a known key
         --> /work/funchost.toml:2:1
          |
        2 | "aws.monitorin" = "http://x"
          | ^^^^^^^^^^^^^^^
          |
          = hint: did you mean `aws.monitoring`?
    "#);
    insta::assert_snapshot!(file("[overlap]\nazure = 5\n").said(), @r#"
        error: `overlap.azure` is not a known key
         --> /work/funchost.toml:2:1
          |
        2 | azure = 5
          | ^^^^^
          |
          = hint: known keys: aliyun, aws, tencentcloud
    "#);
    insta::assert_snapshot!(file("[outbox]\nlimits = 5\n").said(), @r#"
        error: `outbox.limits` is not a known key
         --> /work/funchost.toml:2:1
          |
        2 | limits = 5
          | ^^^^^^
          |
          = hint: did you mean `limit`?
    "#);
    insta::assert_snapshot!(file("[limits]\naws.monitoring.GetMetricsData = 5\n").said(), @r#"
        error: `limits.aws.monitoring.GetMetricsData` is not a known key
         --> /work/funchost.toml:2:16
          |
        2 | aws.monitoring.GetMetricsData = 5
          |                ^^^^^^^^^^^^^^
          |
          = hint: did you mean `aws.monitoring.GetMetricData`?
    "#);
    insta::assert_snapshot!(file("[limits]\nGetMetricData = 5\n").said(), @r#"
        error: `limits.GetMetricData` names no call of a cloud
         --> /work/funchost.toml:2:1
          |
        2 | GetMetricData = 5
          | ^^^^^^^^^^^^^
          |
          = hint: write it as `"<cloud>.<service>.<Action>"`, such as `"aws.ec2.DescribeInstances"`
    "#);
    insta::assert_snapshot!(file("[limits.azure.vm]\nList = 5\n").said(), @r#"
        error: `limits.azure.vm.List` names no call of a cloud
         --> /work/funchost.toml:2:1
          |
        2 | List = 5
          | ^^^^
          |
          = hint: the first part is one of aliyun, aws, tencentcloud
    "#);
}

#[test]
fn wrong_types_are_said_with_their_path() {
    insta::assert_snapshot!(file("datakits = \"http://x\"\n").said(), @r#"
        error: `datakits` is a text, expected a table
         --> /work/funchost.toml:1:12
          |
        1 | datakits = "http://x"
          |            ^^^^^^^^^^
          |
          = hint: write `[datakits]`, and its keys below it
    "#);
    insta::assert_snapshot!(file("[datakits]\ndk2 = \"http://x\"\n").said(), @r#"
        error: `datakits.dk2` is a text, expected a table
         --> /work/funchost.toml:2:7
          |
        2 | dk2 = "http://x"
          |       ^^^^^^^^^^
          |
          = hint: write `[datakits.dk2]`, and below it `url = "…"`
    "#);
    insta::assert_snapshot!(file("[datakits.dk2]\nurl = 9529\n").said(), @r#"
        error: `datakits.dk2.url` is a whole number, expected a text in quotes
         --> /work/funchost.toml:2:7
          |
        2 | url = 9529
          |       ^^^^
    "#);
    insta::assert_snapshot!(file("[datakits.dk2]\n").said(), @r#"
        error: `datakits.dk2` has no `url`
         --> /work/funchost.toml:1:11
          |
        1 | [datakits.dk2]
          |           ^^^
          |
          = hint: write below it `url = "http://host:9529"`, or set FUNCHOST_DATAKITS__DK2__URL
    "#);
    insta::assert_snapshot!(file("[datakits.\"数据 1\"]\nurl = \"http://x\"\n").said(), @r#"
        error: `datakits.数据 1` is no id of a DataKit: letters, digits, `_` and `-` only
         --> /work/funchost.toml:1:11
          |
        1 | [datakits."数据 1"]
          |           ^^^^^^^^
    "#);
    insta::assert_snapshot!(file("state = [\"/var/lib\"]\n").said(), @r#"
        error: `state` is a list, expected a text in quotes
         --> /work/funchost.toml:1:9
          |
        1 | state = ["/var/lib"]
          |         ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(file("[env]\nPORT = 80\n").said(), @r#"
        error: `env.PORT` is a whole number, expected a text in quotes
         --> /work/funchost.toml:2:8
          |
        2 | PORT = 80
          |        ^^
    "#);
    insta::assert_snapshot!(file("[env]\nPORT = { secret = true }\n").said(), @r#"
        error: `env.PORT` has no `value`
         --> /work/funchost.toml:2:1
          |
        2 | PORT = { secret = true }
          | ^^^^
          |
          = hint: write `{ value = "…", secret = true }`
    "#);
    insta::assert_snapshot!(file("[overlap]\naws = \"15m\"\n").said(), @r#"
        error: `overlap.aws` is a text, expected a whole number of seconds
         --> /work/funchost.toml:2:7
          |
        2 | aws = "15m"
          |       ^^^^^
    "#);
    insta::assert_snapshot!(file("[limits]\naws.ec2 = 4\n").said(), @r#"
        error: `limits.aws.ec2` names no call of a cloud
         --> /work/funchost.toml:2:5
          |
        2 | aws.ec2 = 4
          |     ^^^
          |
          = hint: write it as `"<cloud>.<service>.<Action>"`, such as `"aws.ec2.DescribeInstances"`
    "#);
}

#[test]
fn values_out_of_bounds_are_said() {
    insta::assert_snapshot!(file("[overlap]\naws = 7201\n").said(), @r#"
        error: `overlap.aws` must be 0 to 7200 seconds
         --> /work/funchost.toml:2:7
          |
        2 | aws = 7201
          |       ^^^^
          |
          = hint: DataKit changes the time of points that are more than two hours old
    "#);
    insta::assert_snapshot!(file("[limits]\n\"aws.ec2.DescribeInstances\" = 0\n").said(), @r#"
        error: `limits.aws.ec2.DescribeInstances` must be greater than 0: it is a number of calls a second
         --> /work/funchost.toml:2:31
          |
        2 | "aws.ec2.DescribeInstances" = 0
          |                               ^
          |
          = hint: for one call in ten seconds write 0.1
    "#);
    insta::assert_snapshot!(file("[limits]\n\"aws.ec2.DescribeInstances\" = nan\n").said(), @r#"
        error: `limits.aws.ec2.DescribeInstances` must be greater than 0: it is a number of calls a second
         --> /work/funchost.toml:2:31
          |
        2 | "aws.ec2.DescribeInstances" = nan
          |                               ^^^
          |
          = hint: for one call in ten seconds write 0.1
    "#);
    insta::assert_snapshot!(file("outbox.limit = \"1 kiB\"\n").said(), @r#"
        error: `outbox.limit` must be at least 1MiB: less would keep nothing
         --> /work/funchost.toml:1:16
          |
        1 | outbox.limit = "1 kiB"
          |                ^^^^^^^
    "#);
    insta::assert_snapshot!(file("outbox.limit = \"half a disk\"\n").said(), @r#"
        error: `outbox.limit` is not a size
         --> /work/funchost.toml:1:16
          |
        1 | outbox.limit = "half a disk"
          |                ^^^^^^^^^^^^^
          |
          = hint: write a number of bytes, or one with B, kB, KiB, MB, MiB, GB, GiB, such as "512MiB"
    "#);
    insta::assert_snapshot!(file("outbox.limit = \"99999999999GiB\"\n").said(), @r#"
        error: `outbox.limit` is not a size
         --> /work/funchost.toml:1:16
          |
        1 | outbox.limit = "99999999999GiB"
          |                ^^^^^^^^^^^^^^^^
          |
          = hint: write a number of bytes, or one with B, kB, KiB, MB, MiB, GB, GiB, such as "512MiB"
    "#);
    insta::assert_snapshot!(file("state = \"postgres://me:hunter2hunter2@db:port/funchost\"\n").said(), @r#"
        error: `state` is no URL of a database: invalid port number
         --> /work/funchost.toml:1:9
          |
        1 | state = "postgres://.................@db:port/funchost"
          |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: write it as `postgres://user:password@host:5432/database`; `@`, `:` and `/` in a password as %40, %3A, %2F
    "#);
    insta::assert_snapshot!(file("state = \"~other/state\"\n").said(), @r#"
        error: `state` begins with another user's `~name`, which is not looked up
         --> /work/funchost.toml:1:9
          |
        1 | state = "~other/state"
          |         ^^^^^^^^^^^^^^
          |
          = hint: write the whole path, or `./~…` for a folder of that name
    "#);
    insta::assert_snapshot!(file("state = \"\"\n").said(), @r#"
        error: `state` is empty, expected a folder
         --> /work/funchost.toml:1:9
          |
        1 | state = ""
          |         ^^
    "#);
}

#[test]
fn urls_are_checked() {
    let datakit = |url: &str| file(&format!("[datakits.datakit]\nurl = \"{url}\"\n")).said();
    insta::assert_snapshot!(datakit("localhost:9529"), @r#"
        error: `datakits.datakit.url` is no URL: it does not begin with `http://` or `https://`
         --> /work/funchost.toml:2:7
          |
        2 | url = "localhost:9529"
          |       ^^^^^^^^^^^^^^^^
          |
          = hint: write it as `http://localhost:9529`
    "#);
    insta::assert_snapshot!(datakit("ftp://localhost"), @r#"
        error: `datakits.datakit.url` is no URL of the web: it does not begin with `http://` or `https://`
         --> /work/funchost.toml:2:7
          |
        2 | url = "ftp://localhost"
          |       ^^^^^^^^^^^^^^^^^
          |
          = hint: write it as `http://localhost:9529`
    "#);
    insta::assert_snapshot!(datakit("http://"), @r#"
        error: `datakits.datakit.url` is no URL: empty host
         --> /work/funchost.toml:2:7
          |
        2 | url = "http://"
          |       ^^^^^^^^^
          |
          = hint: write it as `http://localhost:9529`
    "#);
    insta::assert_snapshot!(datakit("http://host:99999"), @r#"
        error: `datakits.datakit.url` is no URL: invalid port number
         --> /work/funchost.toml:2:7
          |
        2 | url = "http://host:99999"
          |       ^^^^^^^^^^^^^^^^^^^
          |
          = hint: write it as `http://localhost:9529`
    "#);
    insta::assert_snapshot!(datakit("http://a host"), @r#"
        error: `datakits.datakit.url` is no URL: invalid international domain name
         --> /work/funchost.toml:2:7
          |
        2 | url = "http://a host"
          |       ^^^^^^^^^^^^^^^
          |
          = hint: write it as `http://localhost:9529`
    "#);
    insta::assert_snapshot!(datakit("http://host/#part"), @r#"
        error: `datakits.datakit.url` holds a fragment (`#…`), which is never sent
         --> /work/funchost.toml:2:7
          |
        2 | url = "http://host/#part"
          |       ^^^^^^^^^^^^^^^^^^^
          |
          = hint: write it as `http://localhost:9529`
    "#);
    let endpoint = |url: &str| file(&format!("endpoints.aws = \"{url}\"\n")).said();
    insta::assert_snapshot!(endpoint("http://AKIA:hunter2hunter2@host"), @r#"
        error: `endpoints.aws` holds a user's name or password, which no cloud takes
         --> /work/funchost.toml:1:17
          |
        1 | endpoints.aws = "http://...................@host"
          |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: keys belong to the account in the script
    "#);
    insta::assert_snapshot!(endpoint("http://host/?Action=x"), @r#"
        error: `endpoints.aws` holds a query (`?…`), which is made anew for every call
         --> /work/funchost.toml:1:17
          |
        1 | endpoints.aws = "http://host/?Action=."
          |                 ^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: write it as `https://host` or `http://host:port`
    "#);
    insta::assert_snapshot!(file("endpoints.aws.ec2 = \"http://x\"\n\"endpoints\".\"aws\".\"sts\" = 1\n").said(), @r#"
        error: `endpoints.aws.sts` is a whole number, expected a text in quotes
         --> /work/funchost.toml:2:27
          |
        2 | "endpoints"."aws"."sts" = 1
          |                           ^
    "#);
    insta::assert_snapshot!(file("[endpoints]\n\"aws.ec2\" = \"http://x\"\naws.ec2 = \"http://y\"\n").said(), @r#"
        error: `endpoints.aws.ec2` is set twice
         --> /work/funchost.toml:3:5
          |
        3 | aws.ec2 = "http://y"
          |     ^^^
    "#);
}

#[test]
fn variables_are_checked_without_showing_their_values() {
    insta::assert_snapshot!(variable("FUNCHOST_OVERLAP__AWS", "hunter2hunter2").said(), @"error: `FUNCHOST_OVERLAP__AWS` is not a whole number of seconds");
    insta::assert_snapshot!(variable("FUNCHOST_ENV_MY_KEY", "hunter2hunter2").said(), @r#"
        error: `FUNCHOST_ENV_MY_KEY` is a variable that funchost does not know
         |
         = hint: did you mean `FUNCHOST_ENV__MY_KEY`?
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_DATAKIT_URL", "http://x").said(), @r#"
        error: `FUNCHOST_DATAKIT_URL` is a variable that funchost does not know
         |
         = hint: keys are written as `FUNCHOST_STATE`, `FUNCHOST_DATAKITS__DATAKIT__URL`, `FUNCHOST_ENV__NAME`, with two underscores between parts
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_DATAKITS__DATAKIT__ULR", "http://x").said(), @r#"
        error: `FUNCHOST_DATAKITS__DATAKIT__ULR` is a variable that funchost does not know
         |
         = hint: did you mean `FUNCHOST_DATAKITS__DATAKIT__URL`?
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_STATES", "/x").said(), @r#"
        error: `FUNCHOST_STATES` is a variable that funchost does not know
         |
         = hint: did you mean `FUNCHOST_STATE`?
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_LIMITS__AWS__EC2__DESCRIBEINSTANCE", "1").said(), @r#"
        error: `FUNCHOST_LIMITS__AWS__EC2__DESCRIBEINSTANCE` is a variable that funchost does not know
         |
         = hint: did you mean `FUNCHOST_LIMITS__AWS__EC2__DESCRIBEINSTANCES`?
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_LIMITS__AWS__EC2__DESCRIBEINSTANCES", "-1").said(), @r#"
        error: `FUNCHOST_LIMITS__AWS__EC2__DESCRIBEINSTANCES` must be greater than 0: it is a number of calls a second
         |
         = hint: for one call in ten seconds write 0.1
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_ENDPOINTS__AWS__EC3", "http://x").said(), @r#"
        error: `FUNCHOST_ENDPOINTS__AWS__EC3` is a variable that funchost does not know
         |
         = hint: did you mean `FUNCHOST_ENDPOINTS__AWS__EC2`?
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_ENV__A__B__C", "x").said(), @r#"
        error: `FUNCHOST_ENV__A__B__C` is a variable that funchost does not know
         |
         = hint: a name with `__` in it can be set in the file only
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_ENV__PIN__SECRET", "true").said(), @r#"
        error: `FUNCHOST_ENV__PIN__SECRET` says that a value is secret, but there is no such value
         |
         = hint: set FUNCHOST_ENV__PIN too
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_ENV__PIN__SECRET", "yes").said(), @"error: `FUNCHOST_ENV__PIN__SECRET` is neither `true` nor `false`");
    insta::assert_snapshot!(variable("FUNCHOST_OUTBOX__LIMIT", "").said(), @r#"
        error: `FUNCHOST_OUTBOX__LIMIT` is not a size
         |
         = hint: write a number of bytes, or one with B, kB, KiB, MB, MiB, GB, GiB, such as "512MiB"
    "#);
    insta::assert_snapshot!(variable("FUNCHOST_", "x").said(), @r#"
        error: `FUNCHOST_` is a variable that funchost does not know
         |
         = hint: keys are written as `FUNCHOST_STATE`, `FUNCHOST_DATAKITS__DATAKIT__URL`, `FUNCHOST_ENV__NAME`, with two underscores between parts
    "#);
}

#[test]
fn all_mistakes_come_in_one_report() {
    let world = file(
        "# 配置文件\nstat = \"/x\"\n\n[overlap]\naws = 9999 # 重叠\n\n[env]\n\"中文名\" = 5 # 数字\n\n[endpoints]\naws = \"x\"\n",
    )
    .set("FUNCHOST_OVERLAP__ALIYUN", "x");
    insta::assert_snapshot!(world.said(), @r#"
        error: `stat` is not a known key
         --> /work/funchost.toml:2:1
          |
        2 | stat = "/x"
          | ^^^^
          |
          = hint: did you mean `state`?

        error: `overlap.aws` must be 0 to 7200 seconds
         --> /work/funchost.toml:5:7
          |
        5 | aws = 9999 # 重叠
          |       ^^^^
          |
          = hint: DataKit changes the time of points that are more than two hours old

        error: `env.中文名` is a whole number, expected a text in quotes
         --> /work/funchost.toml:8:9
          |
        8 | "中文名" = 5 # 数字
          |            ^

        error: `endpoints.aws` is no URL: it does not begin with `http://` or `https://`
          --> /work/funchost.toml:11:7
           |
        11 | aws = "x"
           |       ^^^
           |
           = hint: write it as `https://host` or `http://host:port`

        error: `FUNCHOST_OVERLAP__ALIYUN` is not a whole number of seconds
    "#);
    let error = world.error();
    assert_eq!(error.diagnostics.len(), 5);
    let places: Vec<(Option<usize>, Option<usize>)> =
        error.diagnostics.iter().map(|diagnostic| (diagnostic.line, diagnostic.column)).collect();
    assert_eq!(
        places,
        [(Some(2), Some(1)), (Some(5), Some(7)), (Some(8), Some(9)), (Some(11), Some(7)), (None, None)]
    );
    let first = &error.diagnostics[0];
    assert_eq!(first.message, "`stat` is not a known key");
    assert_eq!(first.hint.as_deref(), Some("did you mean `state`?"));
    assert_eq!(first.file, Some(world.path("work/funchost.toml")));
}

#[test]
fn text_that_is_no_toml_is_shown_where_it_breaks() {
    insta::assert_snapshot!(file("state = /var/lib/funchost\n").said(), @r#"
        error: not valid TOML: string values must be quoted, expected literal string
         --> /work/funchost.toml:1:9
          |
        1 | state = /var/lib/funchost
          |         ^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(file("[datakits.datakit\nurl = \"http://x\"\n").said(), @r#"
        error: not valid TOML: unclosed table, expected `]`
         --> /work/funchost.toml:1:18
          |
        1 | [datakits.datakit
          |                  ^
    "#);
    insta::assert_snapshot!(file("state = \"/x\"\nstate = \"/y\"\n").said(), @r#"
        error: not valid TOML: duplicate key
         --> /work/funchost.toml:2:1
          |
        2 | state = "/y"
          | ^^^^^
    "#);
    insta::assert_snapshot!(file("state = '/x\n[overlap]\naws = 5 seconds\n").said(), @r#"
        error: not valid TOML: invalid literal string, expected `'`
         --> /work/funchost.toml:1:12
          |
        1 | state = '/x
          |            ^

        error: not valid TOML: string values must be quoted, expected literal string
         --> /work/funchost.toml:3:7
          |
        3 | aws = 5 seconds
          |       ^^^^^^^^^
    "#);
}

#[test]
fn files_that_cannot_be_read_are_said() {
    let mut world = World::new();
    world.request.explicit = Some("nowhere.toml".into());
    insta::assert_snapshot!(world.said(), @r#"
        error: the configuration /work/nowhere.toml does not exist
         |
         = hint: name an existing file, or leave the name out: funchost runs without a configuration
    "#);
    let mut world = World::new();
    world.request.explicit = Some(".".into());
    insta::assert_snapshot!(world.said(), @r#"
        error: the configuration /work/. is a folder
         |
         = hint: name the file in it
    "#);
    // What a Windows editor saves: GBK.
    let world = World::new();
    std::fs::write(world.path("work/funchost.toml"), b"# ok\n# \xc5\xe4\xd6\xc3\n").unwrap();
    insta::assert_snapshot!(world.said(), @r#"
        error: the configuration /work/funchost.toml is not UTF-8 text (line 2)
         |
         = hint: save it as UTF-8
    "#);
    let world = file(&"#".repeat((1 << 20) + 1));
    insta::assert_snapshot!(world.said(), @"error: the configuration /work/funchost.toml is larger than 1 MiB: it is no configuration");
}

#[test]
fn a_file_full_of_mistakes_is_cut_and_counted() {
    let lines: String = (0..100).map(|n| format!("nonsense{n} = 1\n")).collect();
    let error = file(&lines).error();
    assert_eq!(error.diagnostics.len(), 21);
    assert_eq!(error.diagnostics[20].message, "80 more mistakes are not shown");
}

// ---- secrets ----

const SECRET: &str = "hunter2hunter2";

#[test]
fn secrets_in_a_shown_line_are_dots_of_the_same_width() {
    insta::assert_snapshot!(file("[account]\nak_secret = \"hunter2hunter2\"\n").said(), @r#"
        error: `account` is not a known key
         --> /work/funchost.toml:1:2
          |
        1 | [account]
          |  ^^^^^^^
          |
          = hint: known keys: budget, datakits, endpoints, env, limits, outbox, overlap, scripts, service, state, triggers
    "#);
    insta::assert_snapshot!(
        file("[env]\nTEAM = { value = \"hunter2hunter2\", secert = true } # 密\n").said(), @r#"
        error: `env.TEAM.secert` is not a known key
         --> /work/funchost.toml:2:36
          |
        2 | TEAM = { value = "..............", secert = true } # 密
          |                                    ^^^^^^
          |
          = hint: did you mean `secret`?
    "#);
    insta::assert_snapshot!(file("[env]\nX = { value = \"秘密hunter2hunter2\", secret = \"ja\" }\n").said(), @r#"
        error: `env.X.secret` is a text, expected true or false
         --> /work/funchost.toml:2:44
          |
        2 | X = { value = "．．..............", secret = ".." }
          |                                              ^^^^
    "#);
    insta::assert_snapshot!(file("[env]\nMY_TOKEN = 1234567890123\n").said(), @r#"
        error: `env.MY_TOKEN` is a whole number, expected a text in quotes
         --> /work/funchost.toml:2:12
          |
        2 | MY_TOKEN = .............
          |            ^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(
        file("datakits.x = { url = \"http://me:hunter2hunter2@x?token=hunter2hunter2\", y = 1 }\n").said(), @r#"
        error: `datakits.x.y` is not a known key
         --> /work/funchost.toml:1:73
          |
        1 | datakits.x = { url = "http://.................@x?token=..............", y = 1 }
          |                                                                         ^
          |
          = hint: known keys: url
    "#);
    // A text that is no TOML: what belongs to what is not sure any more.
    insta::assert_snapshot!(file("[env]\nA = \"hunter2hunter2\n").said(), @r#"
        error: not valid TOML: invalid basic string, expected `"`
         --> /work/funchost.toml:2:20
          |
        2 | A =................
          |                    ^
    "#);
    insta::assert_snapshot!(file("api_key = hunter2hunter2\n").said(), @r#"
        error: not valid TOML: string values must be quoted, expected literal string
         --> /work/funchost.toml:1:11
          |
        1 | api_key =...............
          |           ^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(
        file("[env]\nPEM = \"\"\"\nhunter2hunter2\\q==\n\"\"\"\n").said(), @r#"
        error: not valid TOML: missing escaped value, expected `b`, `e`, `f`, `n`, `r`, `\`, `"`, `x`, `u`, `U`
         --> /work/funchost.toml:3:16
          |
        3 | ..................
          |                ^
    "#);
}

#[test]
fn neither_debug_nor_display_show_a_secret() {
    let world = file(
        r#"
[datakits.datakit]
url = "http://me:hunter2hunter2@host:9529/x?token=hunter2hunter2&n=hunter2hunter2"
[env]
PLAIN = "hunter2hunter2"
"#,
    )
    .set("FUNCHOST_ENV__OTHER", SECRET);
    let config = world.load();
    let shown = format!("{config:?} {config:#?} {} {:?}", config.datakits["datakit"].url, world.request);
    assert!(!shown.contains(SECRET), "{shown}");
    assert_eq!(config.datakits["datakit"].url.to_string(), "http://****@host:9529/x?token=****&n=****");
    assert!(config.datakits["datakit"].url.expose().contains(SECRET));
    assert!(is_secret_name("MyAccessKeyId") && is_secret_name("TOKEN") && !is_secret_name("REGION"));
}

/// Places where a secret may stand, each with what may be around it.
const PLACES: [&str; 13] = [
    "[\"env\".X]\nvalue = \"§\"\nsecret = true\n",
    "'env'.\"X\".value = '§'\nenv.X.secret = true\n",
    "[env]\nMY_KEY = \"§\"\n",
    "[env]\nX = { value = '§', secret = true }\n",
    "[env.X]\nsecret = true\nvalue = \"\"\"\n§\n§\"\"\"\n",
    "[account]\nak_secret = \"§\"\n",
    "[datakits.a]\nurl = \"http://u:§@host/?token=§\"\n",
    "env = { PASSWORD = [\"§\", { a = '§' }] }\n",
    "password = '''§'''\n",
    "state = \"postgres://u:§@h/d\"\n",
    "state = \"http://u:a b/§?'§@h/d\"\n",
    "env = { A = {\n value = \"§\",\n secret = true,\n} }\n",
    "[env]\nA = { secret = true, value = '''§\n§''' }\n",
];

/// `.ci/run --long` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(512)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Whatever stands before and behind, broken or not, no secret is shown, and every report has its file and place.
    #[test]
    fn no_mistake_around_a_secret_shows_it(
        place in prop::sample::select(PLACES.to_vec()),
        before in "[ a-z=\"'\\[\\]{}#\n,中.0-9]{0,12}",
        after in "[ a-z=\"'\\[\\]{}#\n,中.0-9]{0,12}",
        cut in 0..120_usize,
    ) {
        // Each of the characters may break the text at any place but inside the secret itself.
        let whole = format!("{before}\n{}{after}\nnonsense = 1\n", place.replace('§', SECRET));
        let at = whole.char_indices().map(|(at, _)| at).nth(cut).unwrap_or(whole.len());
        let inside = whole.match_indices(SECRET).any(|(start, text)| start < at && at < start + text.len());
        let text = if inside { whole.as_str() } else { &whole[..at] };
        if let Err(error) = load_with(&file(text).request, &World::new().known) {
            prop_assert!(!error.to_string().contains(SECRET), "{error}\n--- of ---\n{text}");
            prop_assert!(error.diagnostics.iter().all(|diagnostic| !diagnostic.message.contains(SECRET)));
        }
    }

    /// Foreign text of any kind is answered, never a panic.
    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}|[\\x00-\\x7f]{0,80}") {
        let world = file(&text);
        if let Err(error) = load_with(&world.request, &world.known) {
            prop_assert!(!error.diagnostics.is_empty());
            for diagnostic in &error.diagnostics {
                prop_assert!(diagnostic.rendered.contains(&diagnostic.message));
            }
        }
    }
}
