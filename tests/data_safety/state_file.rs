//! A state file that cannot be used, as a user meets it: each says exactly what to do, and stays as it is.

use crate::support::{Ran, World, aws_script, ran};
use funchost::state::{Claim, Claimed, FILE_NAME, Sent, Sqlite, State};
use funchost_collectors::clock::{Clock, SECOND, SystemClock};
use simcloud::{AwsEstate, Options};
use sqlx::ConnectOptions as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CHINA: &str = "cn-northwest-1";
const RUN: &[&str] = &["run", "my_aws/main.rhai"];

async fn world() -> World {
    let aws = AwsEstate { instances: 3, nasty: false, ..AwsEstate::default() };
    let world = World::new(Options { aws, ..Options::default() }).await;
    world.write("my_aws/main.rhai", &aws_script(&[CHINA], "[\"*cpu*\"]"));
    world
}

fn file(world: &World) -> PathBuf {
    world.folder.path().join("state").join(FILE_NAME)
}

/// A state that was used, closed.
async fn used(world: &World) {
    assert_eq!(world.binary(RUN).code, 0);
    let folder = world.folder.path().join("state");
    Sqlite::open(&folder, Arc::new(SystemClock)).await.unwrap().close().await;
    world.clouds.reset_calls();
}

fn shown(world: &World, ran: &Ran) -> String {
    let folder = world.folder.path().display().to_string();
    let text = format!("exit {}\n{}{}", ran.code, ran.stdout, ran.stderr).replace(&folder, "FOLDER");
    // The program's own format goes on.
    match text.split_once("this program knows ") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{before}this program knows N{after}")
        }
        None => text,
    }
}

/// Runs, and demands that neither the file nor a cloud was touched.
fn refused(world: &World) -> String {
    let path = file(world);
    let before = std::fs::read(&path).ok();
    let ran = world.binary(RUN);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(std::fs::read(&path).ok(), before, "it stays as it is");
    assert!(world.clouds.calls().is_empty(), "no call is made whose result could not be kept");
    let json = world.binary(&[RUN, &["--output", "json"]].concat()).json();
    assert_eq!(json["status"], "failed");
    assert!(ran.stderr.contains(json["reason"].as_str().unwrap()), "{json:#}");
    shown(world, &ran)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_file_says_what_to_do() {
    let world = world().await;
    used(&world).await;
    let path = file(&world);
    let good = std::fs::read(&path).unwrap();

    std::fs::write(&path, "my notes, which happen to have this name\n".repeat(40)).unwrap();
    insta::assert_snapshot!("state_no_database", refused(&world));

    let mut newer = good.clone();
    // https://www.sqlite.org/fileformat.html: the user's version, the application's id.
    newer[60..64].copy_from_slice(&99_i32.to_be_bytes());
    std::fs::write(&path, &newer).unwrap();
    insta::assert_snapshot!("state_newer", refused(&world));

    let mut stranger = good.clone();
    stranger[68..72].copy_from_slice(&0x1234_i32.to_be_bytes());
    std::fs::write(&path, &stranger).unwrap();
    insta::assert_snapshot!("state_of_another_program", refused(&world));

    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    insta::assert_snapshot!("state_truncated", refused(&world));

    let mut damaged = good.clone();
    damaged[100..4096].fill(0xee);
    std::fs::write(&path, &damaged).unwrap();
    insta::assert_snapshot!("state_damaged", refused(&world));

    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    insta::assert_snapshot!("state_is_a_folder", refused(&world));

    // The way out that all of them name: another state.
    let other = world.binary(&[RUN, &["--state", "other"]].concat());
    assert_eq!(other.code, 0, "{other:?}");
    // And the file itself, put back, is as good as before.
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, &good).unwrap();
    let again = world.binary(RUN);
    assert_eq!(again.code, 0, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_the_middle_fails_what_meets_it_and_says_so() {
    let world = world().await;
    used(&world).await;
    let path = file(&world);
    let mut bytes = std::fs::read(&path).unwrap();
    // All but the first page and the schema's: tables of every kind.
    let from = 8 * 4096;
    assert!(bytes.len() > 2 * from);
    bytes[from..].fill(0xee);
    std::fs::write(&path, &bytes).unwrap();
    let ran = world.binary(&["run", "my_aws/main.rhai", "--force"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let text = format!("{}{}", ran.stdout, ran.stderr);
    assert!(text.contains("is damaged"), "{text}");
    assert!(text.contains("move it away and run again"), "{text}");
    // Which is the way out.
    std::fs::rename(&path, path.with_extension("old")).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    let again = world.binary(RUN);
    assert_eq!(again.code, 0, "{again:?}");
}

/// As root every file can be written: the process gives root up first.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_may_not_be_written_is_said_before_a_cloud_is_called() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let world = world().await;
    used(&world).await;
    let root = world.folder.path();
    let set =
        |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    // An ordinary user must get at the program, wherever it was built.
    let program = root.join("program");
    std::fs::copy(env!("CARGO_BIN_EXE_funchost"), &program).unwrap();
    for (path, mode) in [
        (root, 0o755),
        (&program, 0o755),
        (&root.join("my_aws"), 0o755),
        (&root.join("my_aws/main.rhai"), 0o644),
    ] {
        set(path, mode);
    }
    set(&root.join("funchost.toml"), 0o644);
    let ask = |more: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.args([RUN, more].concat()).current_dir(root).env_clear().envs(&world.variables);
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(65_534).gid(65_534);
        }
        let ran = ran(&command.output().unwrap());
        assert_eq!(ran.code, 1, "{ran:?}");
        shown(&world, &ran)
    };
    set(&root.join("state"), 0o555);
    set(&file(&world), 0o444);
    insta::assert_snapshot!("state_read_only", ask(&[]));
    let empty = root.join("empty");
    std::fs::create_dir(&empty).unwrap();
    set(&empty, 0o555);
    insta::assert_snapshot!("state_folder_read_only", ask(&["--state", "empty"]));
    insta::assert_snapshot!("state_folder_cannot_be_made", ask(&["--state", "empty/below"]));
    assert!(world.clouds.calls().is_empty());
    set(&root.join("state"), 0o700);
    set(&empty, 0o755);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_leaves_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = world().await;
    // Whatever the user's habit is.
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "umask 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_funchost")])
        .args([RUN, &["--state", "new/deep"]].concat())
        .current_dir(world.folder.path())
        .env_clear()
        .envs(&world.variables)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let ran = ran(&shell.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = world.folder.path().join("new/deep");
    assert_eq!(mode(&folder), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 1);
}

#[derive(Debug)]
struct At(i64);

impl Clock for At {
    fn now(&self) -> i64 {
        self.0
    }
}

/// The file of the first version, as SQL: whatever comes later must read it.
#[tokio::test]
async fn a_state_of_the_first_version_is_migrated_with_all_that_is_in_it() {
    // 2026-11-22T00:00:00Z.
    const START: i64 = 1_795_305_600 * SECOND;
    let folder = tempfile::tempdir().unwrap();
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join(FILE_NAME))
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql(include_str!("state-v1.sql")).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();

    let state = Sqlite::open(folder.path(), Arc::new(At(START + 60 * SECOND))).await.unwrap();
    assert_eq!(state.due("key").await.unwrap(), Some(START + 890 * SECOND));
    let claim = Claim {
        key: "key".into(),
        run_started: START + 60 * SECOND,
        interval: 900 * SECOND,
        slack: 10 * SECOND,
        expires: START + 90 * SECOND,
        force: false,
    };
    assert_eq!(state.claim(&[claim]).await.unwrap(), [Claimed::NotDue { due: START + 890 * SECOND }]);
    let mark = state.marks(&["mark".into()]).await.unwrap().remove(0);
    assert_eq!(mark.until, Some(START));
    assert_eq!(mark.sent, [Sent { time: START - 60 * SECOND, identity: 1, fields: 2 }]);
    let parcels = state.outbox("datakit", 0, 9).await.unwrap();
    assert_eq!(
        parcels.iter().map(|one| (one.id, one.points, one.body.clone())).collect::<Vec<_>>(),
        [(7, 3, b"body".to_vec())]
    );
    let objects = state.objects("aws/AK", "aws_ec2", None).await.unwrap();
    assert_eq!(objects[0].0, "cn-north-1");
    assert_eq!(objects[0].1.tags["InstanceName"], "业务");
    assert_eq!(state.recall("list", START).await.unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(state.calls("2026-11-22", "aws/AK").await.unwrap()["ec2:DescribeInstances"], 5);
    state.close().await;
}
